"""A registry in this process, with or without referrers (OCI 1.1): what it has is put into it, and it notes what it is
asked. For pushes there are the real ones (`servers.py`)."""

import json
import re
from dataclasses import dataclass, field

from tests.tools.images import Image, Index
from tests.tools.strangers import INDEX, Asked, Send, Stranger, answer

_PATH = re.compile(r"/v2/(?P<repository>.+)/(?P<kind>manifests|blobs|referrers)/(?P<name>[^/]+)")


@dataclass
class SmallRegistry:
    """What a registry has.

    Attributes:
        referrers: whether it knows that question.
        manifests: bytes by repository and tag or digest.
        blobs: bytes by digest.
        refuse: status line by the end of a path, for what it does not answer properly.
        asked: paths, in order.
    """

    referrers: bool = True
    manifests: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    refuse: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, repository: str, image: Image | Index, *names: str) -> str:
        """Keep an image, also under these tags; returns its digest."""
        self.blobs |= image.blobs
        for each in image.images:
            self.manifests[repository, each.digest] = (each.manifest, each.media_type)
        for name in (image.digest, *names):
            self.manifests[repository, name] = (image.manifest, image.media_type)
        return image.digest

    def serve(self) -> Stranger:
        """Answer on loopback; to be used as a context."""
        return Stranger(self._behave)

    def _behave(self, asked: Asked, send: Send) -> None:
        path = asked.path.partition("?")[0]
        self.asked.append(path)
        status = next((line for end, line in self.refuse.items() if path.endswith(end)), "")
        found = _PATH.fullmatch(path)
        if status:
            send(answer(b"", status=status))
        elif found and found["kind"] == "blobs" and found["name"] in self.blobs:
            send(answer(self.blobs[found["name"]]))
        elif found and found["kind"] == "manifests" and (found["repository"], found["name"]) in self.manifests:
            data, kind = self.manifests[found["repository"], found["name"]]
            send(answer(data, f"Content-Type: {kind}"))
        elif found and found["kind"] == "referrers" and self.referrers:
            send(answer(self._referring(found["repository"], found["name"]), f"Content-Type: {INDEX}"))
        else:
            send(answer(b"{}", status="404 Not Found"))

    def _referring(self, repository: str, digest: str) -> bytes:
        listed = []
        for (of, name), (data, kind) in self.manifests.items():
            manifest = json.loads(data) if of == repository and ":" in name else {}
            if (manifest.get("subject") or {}).get("digest") == digest:
                listed.append(
                    {
                        "mediaType": kind,
                        "digest": name,
                        "size": len(data),
                        # As the specification says: what it calls itself, or the type of its config.
                        "artifactType": manifest.get("artifactType") or manifest["config"]["mediaType"],
                    }
                )
        return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
