"""Tarballs as the pull step writes them, without a registry."""

import os
from pathlib import Path

from orchestrator.images.manifests import read_image
from orchestrator.images.tarball.archive import write_frame
from orchestrator.images.tarball.layout import layout
from tests.tools.images import Image


def write_tarball(path: Path, image: Image) -> Path:
    """The tarball of an image that a test made."""
    plan = layout(read_image(image.manifest, origin="test", digest=image.digest))
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        os.truncate(descriptor, plan.size)
        write_frame(descriptor, plan)
        for digest, data in (image.blobs | {image.digest: image.manifest}).items():
            os.pwrite(descriptor, data, plan.blobs[digest].offset)
    finally:
        os.close(descriptor)
    return path
