"""What real cosigns make of an image: signed in each of their forms, with a key or for an identity.

`python -m tests.tools.cosigned FILE` writes all of it down, for tests that run without them.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives.serialization import Encoding

from tests.tools import require, sigstore
from tests.tools.images import Image
from tests.tools.layers import layer
from tests.tools.push import push_parts
from tests.tools.servers import Registry, start_registry
from tests.tools.sigstore import IDENTITY, ISSUER, Sigstore
from tests.tools.sigstore_services import serve, token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NONE: Mapping[str, str] = MappingProxyType({})
_ACCEPT = "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class CosignForm:
    """One way to sign.

    Attributes:
        tool: its name in the catalogue.
        words: beside those that all have.
        keyless: for an identity, and not with a key.
        attests: makes an attestation (SLSA provenance 1) beside the signature.
        variables: of the environment.
    """

    tool: str
    words: tuple[str, ...] = ()
    keyless: bool = False
    attests: bool = False
    variables: dict[str, str] = field(default_factory=dict)


_OLD, _NEW = ("--new-bundle-format=false",), ("--new-bundle-format",)
_PLAIN = ("--use-signing-config=false",)
_LISTED = ("--registry-referrers-mode=oci-1-1",)
_EXPERIMENTAL = {"COSIGN_EXPERIMENTAL": "1"}
FORMS = {
    "3, bundle, key": CosignForm("cosign", _PLAIN),
    "3, bundle, identity": CosignForm("cosign", _PLAIN, keyless=True),
    "3, bundles with an attestation, key": CosignForm("cosign", _PLAIN, attests=True),
    "3, bundles with an attestation, identity": CosignForm("cosign", _PLAIN, keyless=True, attests=True),
    "3, tag, key": CosignForm("cosign", (*_PLAIN, *_OLD)),
    "3, tag, identity": CosignForm("cosign", (*_PLAIN, *_OLD), keyless=True),
    "2, tag, key": CosignForm("cosign2"),
    "2, tag, identity": CosignForm("cosign2", keyless=True),
    "2, tags with an attestation, key": CosignForm("cosign2", attests=True),
    "2, tags with an attestation, identity": CosignForm("cosign2", keyless=True, attests=True),
    "2, referrer, key": CosignForm("cosign2", _LISTED, variables=_EXPERIMENTAL),
    "2, referrer, identity": CosignForm("cosign2", _LISTED, keyless=True, variables=_EXPERIMENTAL),
}
PROVENANCE = "https://slsa.dev/provenance/v1"


class Cosigner:
    """Signs with real cosigns, by a Sigstore of our own.

    Args:
        folder: of their keys and files.
        ours: the Sigstore.
        url: where it answers.
    """

    def __init__(self, folder: Path, ours: Sigstore, url: str) -> None:
        self.folder, self._ours, self._url = folder, ours, url
        (folder / "root.json").write_bytes(ours.trust_root())
        (folder / "authority.pem").write_bytes(ours.root.public_bytes(Encoding.PEM))
        (folder / "certificates.pub").write_bytes(sigstore.pem(ours.certificates_log))
        (folder / "log.pub").write_bytes(sigstore.pem(ours.log))
        (folder / "provenance.json").write_text(
            '{"buildDefinition": {"buildType": "x", "externalParameters": {}}, "runDetails": {"builder": {"id": "x"}}}'
        )

    def sign(self, form: CosignForm, reference: str) -> None:
        """Sign an image, named by its digest."""
        if not form.keyless and not (self.folder / "cosign.pub").exists():
            self.run(form.tool, "generate-key-pair")
        self._make(form, "sign", *form.words, reference)
        if form.attests:
            self.attest(form, reference, "slsaprovenance1", "provenance.json")

    def attest(self, form: CosignForm, reference: str, kind: str, file: str) -> None:
        """Attest something of an image, named by its digest, which was signed before."""
        self._make(form, "attest", *form.words, "--predicate", file, "--type", kind, reference)

    def _make(self, form: CosignForm, command: str, *words: str) -> None:
        who = ["--key", "cosign.key", "--tlog-upload=false"]
        if form.keyless:
            services = ["--fulcio-url", self._url, "--rekor-url", self._url]
            who = [*services, "--identity-token", token("a@b.example", ISSUER)]
            who += ["--trusted-root", "root.json"] if form.tool == "cosign" else []
        done = self.run(
            form.tool, command, "--yes", "--allow-insecure-registry", *who, *words, variables=form.variables
        )
        assert done.returncode == 0, done.stderr[:3000]

    def run(self, tool: str, *words: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a cosign that knows our Sigstore alone."""
        own = {
            "COSIGN_PASSWORD": "",
            "HOME": str(self.folder),
            "SIGSTORE_ROOT_FILE": str(self.folder / "authority.pem"),
            "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE": str(self.folder / "certificates.pub"),
            "SIGSTORE_REKOR_PUBLIC_KEY": str(self.folder / "log.pub"),
        }
        return subprocess.run(
            [str(require(tool)), *words],
            cwd=self.folder, env={**os.environ, **own, **(variables or {})},
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip


@contextmanager
def cosigner(folder: Path) -> Iterator[Cosigner]:
    """One whose Sigstore answers until the block ends."""
    ours = Sigstore()
    with serve(ours, identity=IDENTITY, issuer=ISSUER) as served:
        yield Cosigner(folder, ours, served.url)


def recorded(registry: Registry, repository: str) -> dict[str, dict[str, str]]:
    """Every manifest of a repository by its tags and digests, and their small blobs."""
    base = f"{registry.url}/v2/{repository}"
    with urlopen(f"{base}/tags/list") as answer:
        names = list(json.load(answer)["tags"])
    manifests: dict[str, str] = {}
    blobs: dict[str, str] = {}
    while names:
        name = names.pop()
        with urlopen(Request(f"{base}/manifests/{name}", headers={"Accept": _ACCEPT})) as answer:
            data: bytes = answer.read()
            manifests[name] = manifests[answer.headers["Docker-Content-Digest"]] = base64.b64encode(data).decode()
        manifest: dict[str, Any] = json.loads(data)
        names += [each["digest"] for each in manifest.get("manifests", ())]
        for each in [manifest.get("config"), *manifest.get("layers", ())]:
            if each:
                with urlopen(f"{base}/blobs/{each['digest']}") as answer:
                    blobs[each["digest"]] = base64.b64encode(answer.read()).decode()
    return {"manifests": dict(sorted(manifests.items())), "blobs": dict(sorted(blobs.items()))}


def push_recorded(host: str, repository: str, form: Mapping[str, Any], *, instead: Mapping[str, str] = _NONE) -> None:
    """Push an image with what was recorded about it.

    Args:
        host: of the registry.
        repository: in it.
        form: as it was recorded.
        instead: other names of tags.
    """
    manifests = {instead.get(name, name): base64.b64decode(data) for name, data in form["manifests"].items()}
    typed = {name: (data, str(json.loads(data)["mediaType"])) for name, data in manifests.items()}
    # A list names manifests that must be there.
    listed = dict(sorted(typed.items(), key=lambda one: ("index" in one[1][1], not one[0].startswith("sha256:"))))
    push_parts(host, repository, {name: base64.b64decode(data) for name, data in form["blobs"].items()}, listed)


def record(file: Path) -> None:
    """Write down what each form comes to."""
    found = {}
    with tempfile.TemporaryDirectory() as name, start_registry(Path(name) / "registry") as registry:
        for number, (what, form) in enumerate(FORMS.items()):
            folder = Path(name) / str(number)
            folder.mkdir()
            image = Image.build([layer({"app": what})])
            registry.push(f"form{number}:1", image)
            with cosigner(folder) as signer:
                signer.sign(form, f"{registry.host}/form{number}@{image.digest}")
            key = folder / "cosign.pub"
            found[what] = {
                "digest": image.digest,
                "key": key.read_text() if key.exists() else "",
                "root": json.loads((folder / "root.json").read_text()),
                **recorded(registry, f"form{number}"),
            }
    file.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
