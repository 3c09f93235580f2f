"""The images of our own manifests, and where the parts of an install lie that no configuration changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import orchestrator
from orchestrator.images.registry.own import FILE, OwnImages

if TYPE_CHECKING:
    from orchestrator.config.loading import Config


def static_folder() -> Path:
    """Where the parts lie that no configuration changes."""
    inside = Path(__file__).parent / "static"  # of an installed wheel
    return inside if inside.is_dir() else Path(orchestrator.__file__).parents[1] / "argo-install"


def own_images(config: Config) -> OwnImages:
    """The images of our manifests: those of `argo.images`, or the shipped ones.

    Raises:
        UsageError: the file cannot be read, or a line of it is no image.
    """
    return OwnImages.read(config.base / config.argo.images if config.argo.images else static_folder() / FILE)
