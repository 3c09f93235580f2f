"""Documents of images, written oddly: what honest tools write, and what nobody does who means one thing by it.

`honest` gives documents that every reader takes; `mangled` changes them at random, from a seed.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.tools.gojson import Kind

_DIGEST = "sha256:" + "1" * 64
_OCI, _DOCKER = "application/vnd.oci.image.", "application/vnd.docker."
_TIMES = ["2024-02-29T23:59:59Z", "2020-01-01T00:00:00.123456789Z", "1970-01-01T00:00:00Z", "2021-05-05T01:02:03+02:00"]
_CONFIG = {"mediaType": f"{_OCI}config.v1+json", "digest": _DIGEST, "size": 7}
_LAYER = {"mediaType": f"{_OCI}layer.v1.tar+gzip", "digest": "sha256:" + "2" * 64, "size": 5}
_ENTRY = {"mediaType": f"{_OCI}manifest.v1+json", "digest": _DIGEST, "size": 9}
_AMD64 = {"architecture": "amd64", "os": "linux"}
_ROOT = {"type": "layers", "diff_ids": [_DIGEST]}


def honest() -> Iterator[tuple[Kind, str, bytes]]:
    """Kind, name and bytes of documents as real tools write them, and as they may."""
    for kind, documents in (("m", _manifests()), ("c", _configs()), ("s", _saved()), ("l", _layouts()), ("t", _tags())):
        for name, document in documents:
            for style, text in _styles(document):
                yield kind, f"{name}, {style}", text.encode()  # type: ignore[misc] # the letters above are kinds


def _styles(document: Any) -> Iterator[tuple[str, str]]:
    yield "compact", json.dumps(document, separators=(",", ":"))
    yield "indented, as Docker writes it", json.dumps(document, indent=3) + "\n"
    yield "sorted, not escaped", json.dumps(document, sort_keys=True, ensure_ascii=False, indent="\t")


def _manifests() -> Iterator[tuple[str, Any]]:
    image = {"schemaVersion": 2, "config": _CONFIG, "layers": [_LAYER]}
    yield "skopeo", image
    yield "buildx", image | {"mediaType": f"{_OCI}manifest.v1+json"}
    yield "no layers", image | {"layers": []}
    yield (
        "podman",
        image | {"annotations": {"org.opencontainers.image.base.name": "", "Maintainer": "a", "maintainer": "b"}},
    )
    yield "a layer twice", image | {"layers": [_LAYER, _LAYER]}
    yield "with a subject", image | {"subject": _ENTRY, "artifactType": "application/x"}
    yield "with what comes next", image | {"x-new": {"Layers": [], "layers": []}, "another": None}
    yield "nulls", image | {"annotations": None, "mediaType": None, "subject": None}
    yield "embedded config", image | {"config": _CONFIG | {"data": "e30="}}
    yield (
        "docker",
        {
            "schemaVersion": 2,
            "mediaType": f"{_DOCKER}distribution.manifest.v2+json",
            "config": {"mediaType": f"{_DOCKER}container.image.v1+json", "size": 1469, "digest": _DIGEST},
            "layers": [
                {
                    "mediaType": f"{_DOCKER}image.rootfs.foreign.diff.tar.gzip",
                    "size": 1,
                    "digest": _DIGEST,
                    "urls": ["https://example.org/a"],
                }
            ],
        },
    )
    estargz = {"containerd.io/snapshot/stargz/toc.digest": _DIGEST, "io.containers.estargz.uncompressed-size": "1"}
    yield "estargz", image | {"layers": [_LAYER | {"annotations": estargz}]}
    index = {"schemaVersion": 2, "mediaType": f"{_OCI}index.v1+json", "manifests": [_ENTRY | {"platform": _AMD64}]}
    yield "index", index
    yield "empty index", {"schemaVersion": 2, "manifests": []}
    windows = _AMD64 | {"os": "windows", "os.version": "10.0.20348.2031", "os.features": ["win32k"]}
    yield "windows", index | {"manifests": [_ENTRY | {"platform": windows}, _ENTRY | {"platform": windows}]}
    unknown = {"architecture": "unknown", "os": "unknown"}
    about = {"vnd.docker.reference.digest": _DIGEST, "vnd.docker.reference.type": "attestation-manifest"}
    yield (
        "buildx with provenance",
        index | {"manifests": [_ENTRY, _ENTRY | {"annotations": about, "platform": unknown}]},
    )
    yield (
        "docker list",
        {
            "schemaVersion": 2,
            "mediaType": f"{_DOCKER}distribution.manifest.list.v2+json",
            "manifests": [_ENTRY | {"platform": _AMD64 | {"variant": "v8", "features": ["sse4"]}}],
        },
    )


def _configs() -> Iterator[tuple[str, Any]]:
    least = {**_AMD64, "rootfs": _ROOT}
    full = {
        "User": "app", "Env": ["PATH=/bin", "ÄÖ=ü😀", "EMPTY="], "Cmd": ["sh"], "WorkingDir": "/", "ArgsEscaped": True,
        "ExposedPorts": {"80/tcp": {}, "80/TCP": {}}, "Volumes": {"/Data": {}, "/data": {}}, "StopSignal": "SIGTERM",
        "Labels": {"Maintainer": "a", "maintainer": "b", "MAINTAINER": "",
                   "\u017f": "d", "s": "e", "json": '{"a":1,"A":2}'},
    }  # fmt: skip
    yield "ko", least | {"created": _TIMES[2], "config": {"Entrypoint": ["/ko-app/x"], "User": "65532"}, "author": "ko"}
    yield (
        "jib",
        least | {"created": _TIMES[1], "history": [{"created": _TIMES[2], "author": "Jib", "created_by": "jib:3"}]},
    )
    yield "nix", least | {"created": "1970-01-01T00:00:01+00:00", "config": {"Env": None, "Labels": None, "Cmd": None}}
    yield "distroless", least | {"author": "Bazel", "created": "0001-01-01T00:00:00Z", "config": {"User": "0"}}
    yield (
        "buildx",
        least
        | {
            "config": full,
            "created": _TIMES[0],
            "moby.buildkit.buildinfo.v1": "e30=",
            "moby.buildkit.cache.v0": "e30=",
        },
    )
    process = {
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": False, "AttachStdout": False,
        "AttachStderr": False, "Tty": False, "OpenStdin": False, "StdinOnce": False, "Env": None, "Cmd": None,
        "Image": "", "Volumes": None, "WorkingDir": "", "Entrypoint": None, "OnBuild": None, "Labels": {},
        "StopTimeout": 10, "Shell": ["/bin/bash"],
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30000000000, "Timeout": 1, "StartPeriod": 0, "Retries": 3},
    }  # fmt: skip
    docker = {
        "container": "ab",
        "container_config": process,
        "docker_version": "20.10.7",
        "id": "x",
        "parent": "y",
        "Size": 5,
    }
    yield "docker", least | docker | {"config": process, "history": [{"created": _TIMES[0], "empty_layer": True}]}
    yield "kaniko", least | docker | {"config": full, "os.version": "", "variant": "v8", "os.features": []}
    yield "windows", least | {"os": "windows", "os.version": "10.0.17763.1", "config": full}
    yield (
        "buildpacks",
        least | {"config": {"Labels": {"io.buildpacks.lifecycle.metadata": json.dumps({"a": [{}] * 500})}}},
    )
    yield "nulls", least | {"config": None, "created": None, "history": None, "author": None}
    yield "no config", least


def _saved() -> Iterator[tuple[str, Any]]:
    yield "docker", [{"Config": "a.json", "RepoTags": ["app:1"], "Layers": ["a/layer.tar"]}]
    yield "no tags", [{"Config": "a.json", "RepoTags": None, "Layers": []}]
    sources = {_DIGEST: {"mediaType": "x", "size": 1, "digest": _DIGEST}}
    yield (
        "docker 25",
        [{"Config": "blobs/sha256/a", "RepoTags": [], "Layers": ["blobs/sha256/b"], "LayerSources": sources}],
    )
    yield "with a parent", [{"Config": "a.json", "RepoTags": [], "Layers": [], "Parent": _DIGEST}] * 2


def _layouts() -> Iterator[tuple[str, Any]]:
    yield "layout", {"imageLayoutVersion": "1.0.0"}


def _tags() -> Iterator[tuple[str, Any]]:
    yield "tags", {"name": "library/app", "tags": ["1", "latest", "Latest"]}
    yield "no tags", {"name": "library/app", "tags": None}


_NUMBERS = ["0", "-0", "1", "2", "1.0", "-1", "1e2", "1E+2", "0.5", "9223372036854775807", "9223372036854775808",
            "1e400", "01", "1.", "0x1", "NaN", "9" * 300]  # fmt: skip
_VALUES = [
    "null",
    "true",
    "{}",
    "[]",
    '""',
    '"x"',
    '{"a":1}',
    "[null]",
    '["x"]',
    '[{"digest":"d","size":1}]',
    *_NUMBERS,
]


def mangled(seed: int, number: int) -> list[tuple[Kind, bytes]]:
    """Documents that began honestly."""
    chance = random.Random(seed)
    begun = [(kind, json.loads(text)) for kind, name, text in honest() if name.endswith("compact")]
    found: list[tuple[Kind, bytes]] = []
    for _ in range(number):
        kind, document = chance.choice(begun)
        text = _Mangler(chance).write(document).encode("utf-8", "surrogatepass")
        found.append((kind, _break(chance, text) if chance.random() < 0.1 else text))
    return found


def _break(chance: random.Random, data: bytes) -> bytes:
    match chance.randrange(5):
        case 0:
            return data[: chance.randrange(len(data) + 1)]
        case 1:
            at = chance.randrange(len(data))
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        case 2:
            return data + chance.choice([b" ", b"\n\0", b"{}", b",", b"\x0c", b"\xc2\xa0"])
        case 3:
            return chance.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\x0b", b"\r\n\t "]) + data
        case _:
            return b"[" * 2000 + data + b"]" * 2000


class _Mangler:
    """Writes JSON with a few faults in it."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._rate = chance.choice([0.0, 0.01, 0.03, 0.1])

    def write(self, value: Any) -> str:
        if self._now():
            return self._chance.choice(_VALUES)
        if isinstance(value, dict):
            return "{" + self._space() + ",".join(self._members(value)) + "}"
        if isinstance(value, list):
            return "[" + ",".join(self.write(each) for each in value) + self._space() + "]"
        return self._string(value) if isinstance(value, str) else json.dumps(value)

    def _members(self, value: dict[str, Any]) -> Iterator[str]:
        pairs = list(value.items())
        for key, inner in list(pairs):
            if self._now():  # the key once more, as it is or nearly
                pairs.insert(self._chance.randrange(len(pairs) + 1), (self._vary(key), inner))
            if self._now():
                pairs.insert(
                    self._chance.randrange(len(pairs) + 1), (self._chance.choice(["x", "X", "Ünknown", "key"]), inner)
                )
        if self._now():
            self._chance.shuffle(pairs)
        for key, inner in pairs:
            name = self._vary(key) if self._now() else key
            yield f"{self._string(name)}{self._space()}:{self._space()}{self.write(inner)}"

    def _vary(self, key: str) -> str:
        ways = [
            key,
            key.upper(),
            key.lower(),
            key.title(),
            key.swapcase(),
            key.replace("s", "\u017f"),
            key + "\0",
            " " + key,
        ]
        return self._chance.choice(
            [*ways, key.replace("k", "\u212a").replace("K", "\u212a"), key.replace("i", "\u0131")]
        )

    def _string(self, text: str) -> str:
        if not self._now():
            return json.dumps(text, ensure_ascii=self._chance.random() < 0.5)
        ways = [
            "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else c for c in text),
            json.dumps(text)[1:-1].replace("/", "\\/"),
            text + "\\ud83d\\ude00",
            text + "\\ud83d",
            text + "\ud83d",
            text + "\u2028\x7f\ufffd",
            text + "\t",
            text + "\\x41",
        ]
        return f'"{self._chance.choice(ways)}"'

    def _space(self) -> str:
        return self._chance.choice([" ", "\n", "\r\n\t", "\x0b", "\u00a0"]) if self._now() else ""

    def _now(self) -> bool:
        return self._chance.random() < self._rate
