"""The images the tests are about: small synthetic ones by default, each with one property worth a test."""

import importlib.metadata
import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tools.images import EPOCH, Compression, File, Image, Index, Kind, Layer, layer, layer_of_tar

# In pieces, so that no virus scanner finds it in this repository.
EICAR = "".join(("X5O!P%@AP[4\\PZX54(P^)7CC)7}", "$EICAR-STANDARD", "-ANTIVIRUS-TEST-FILE!", "$H+H*")).encode()


def distribution(name: str = "debian", version: str = "12", *, packages: dict[str, str] | None = None) -> Layer:
    """Base layer of a Debian-like system: os-release, a shell, and a dpkg database that scanners can read."""
    status = "\n".join(
        f"Package: {package}\nStatus: install ok installed\nArchitecture: amd64\nVersion: {each}\n"
        f"Maintainer: Nobody <nobody@example.org>\nDescription: {package}\n"
        for package, each in (packages or {"bash": "5.2.15-2+b7", "openssl": "3.0.11-1~deb12u2"}).items()
    )
    return layer(
        {
            "etc/os-release": f'ID={name}\nVERSION_ID="{version}"\nPRETTY_NAME="{name} {version}"\n',
            "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/usr/sbin/nologin\n",
            "var/lib/dpkg/status": status + "\n",
            "bin/sh": File(b"\x7fELF shell", mode=0o755),
            "usr/bin/apt-get": File(b"\x7fELF package manager", mode=0o755),
        }
    )


def small(compression: Compression = "gzip", *, kind: Kind = "oci", content: str = "hello", user: str = "") -> Image:
    """One layer, one file."""
    return Image.build([layer({"app/greeting": content}, compression)], kind=kind, user=user)


def system(name: str = "debian", version: str = "12", *, user: str = "", kind: Kind = "oci") -> Image:
    """A base and an application's layer; runs as root unless told otherwise."""
    application = layer({"app/server": File(f"server on {name} {version}".encode(), mode=0o755)})
    return Image.build([distribution(name, version), application], user=user, kind=kind)


def no_root() -> Image:
    """Runs as a numbered user."""
    return system(user="65532:65532")


def old(created: str = "2019-03-01T12:00:00Z") -> Image:
    """Built long ago."""
    return Image.build([distribution("debian", "9")], created=created)


def distroless(created: str = EPOCH) -> Image:
    """One static program: no shell, no package manager, no root."""
    files: dict[str, bytes | str | File] = {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "app/server": File(b"\x7fELF server", mode=0o755),
    }
    return Image.build([layer(files)], created=created, user="65532", settings={"Entrypoint": ["/app/server"]})


def removed_shell() -> Image:
    """The base has a shell and a package manager, an upper layer takes them away by whiteouts."""
    return Image.build([distribution(), layer({"bin/.wh.sh": b"", "usr/bin/.wh.apt-get": b""})], user="65532")


def eicar(compression: Compression = "gzip") -> Image:
    """Has the EICAR test file, which every virus scanner reports."""
    return Image.build([distribution(), layer({"srv/upload/eicar.com": EICAR}, compression)])


def java_tool(jar: bytes | None = None, package: dict[str, bytes] | None = None) -> Image:
    """A Java tool with log4j-core and an npm package; without arguments, look-alikes that scanners still recognise.

    Args:
        jar: the real log4j-core-2.14.1.jar.
        package: the real npm package's files, names relative to `node_modules`.
    """
    libraries = layer({"opt/java-tool/lib/log4j-core-2.14.1.jar": jar or log4j_lookalike()})
    modules = package or {"lodash/package.json": b'{"name": "lodash", "version": "4.17.20", "license": "MIT"}'}
    return Image.build([distribution(), libraries, layer({f"opt/ui/node_modules/{k}": v for k, v in modules.items()})])


def log4j_lookalike() -> bytes:
    """A jar that says in its Maven properties that it is log4j-core 2.14.1, with no code in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as jar:
        for name, text in {
            "META-INF/MANIFEST.MF": "Manifest-Version: 1.0\nImplementation-Title: log4j-core\n"
            "Implementation-Version: 2.14.1\nImplementation-Vendor-Id: org.apache.logging.log4j\n",
            "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties": "version=2.14.1\n"
            "groupId=org.apache.logging.log4j\nartifactId=log4j-core\n",
        }.items():
            jar.writestr(zipfile.ZipInfo(name, (2021, 3, 6, 0, 0, 0)), text)
    return buffer.getvalue()


def multi_platform(*, kind: Kind = "oci", attestation: bool = False) -> Index:
    """linux/amd64 and linux/arm64/v8; on request with the attestation entry that BuildKit adds (unknown/unknown)."""
    images = [
        Image.build([layer({"app/platform": platform})], platform=platform, kind=kind)
        for platform in ("linux/amd64", "linux/arm64/v8")
    ]
    if not attestation:
        return Index.build(images, kind=kind)
    note = Image.build([layer({"attestation.json": "{}"})], platform="unknown/unknown", kind=kind)
    marked = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": images[0].digest,
    }
    index = Index.build(images, kind=kind, extra=[note.descriptor | {"annotations": marked}])
    return Index(index.manifest, (*images, note), index.media_type)


def foreign(url: str = "https://layers.example.org/base.tar.gz") -> Image:
    """Its base layer may not be distributed: it is in no registry, only at that address."""
    return Image.build([layer({"windows/base": "not ours"}, urls=[url]), layer({"app/run": "ours"})])


def repeated() -> Image:
    """The same layer three times: one blob to read, three diff ids."""
    again = layer({"tmp/empty": b""})
    return Image.build([distribution(), again, again, again])


def mixed() -> Image:
    """One layer of each compression."""
    return Image.build([layer({f"data/{each}": each * 1000}, each) for each in ("gzip", "zstd", "none")])


def hostile() -> Image:
    """Layer entries that lead out of the root: `..`, an absolute path, and a link to outside."""
    files: dict[str, bytes | str | File] = {
        "../../escape-relative": "out",
        "/escape-absolute": "out",
        "link": File(link="../../../../tmp"),
        "link/escape-through-link": "out",
    }
    return Image.build([layer(files)])


def bulky(layers: int = 6, megabytes: int = 1, *, compression: Compression = "gzip", seed: int = 7) -> Image:
    """Layers that do not compress, for the speed of a pull and for faults in the middle of a blob."""
    chance = random.Random(seed)
    return Image.build([layer({f"data/{n}": chance.randbytes(megabytes << 20)}, compression) for n in range(layers)])


def debian(root: bytes, *, compression: Compression = "gzip") -> Image:
    """A real Debian out of debootstrap's root as a tar (`tests.tools.artifacts.debian_root()`)."""
    return Image.build([layer_of_tar(root, compression)], settings={"Cmd": ["bash"], "Env": ["PATH=/usr/bin:/bin"]})


def application(root: bytes) -> Image:
    """A Debian with a program of Python and all that it needs: this project, as it is installed (530 MB unpacked)."""
    files: dict[str, bytes | str | File] = {}
    for installed in _needed("scanmatrix", {}):
        for file in installed.files or ():
            path = Path(str(file.locate()))
            if path.is_file() and ".." not in file.parts:
                files[f"app/lib/python3.11/site-packages/{file}"] = path.read_bytes()
    version = layer({"etc/debian_version": "12.5\n"})  # without it Trivy does not know a Debian
    return Image.build([*debian(root).layers, version, layer(files)])


def _needed(name: str, seen: dict[str, None]) -> Iterator[importlib.metadata.Distribution]:
    """A distribution that is installed, and what it requires without extras."""
    if (name := canonicalize_name(name)) in seen:
        return
    seen[name] = None
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return
    yield found
    for requirement in map(Requirement, found.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield from _needed(requirement.name, seen)
