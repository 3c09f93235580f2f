"""The section `allow`: which scanner images may run."""

from __future__ import annotations

from orchestrator.config.kinds import Digest, Glob
from orchestrator.config.section import SomeOf


class Allow(SomeOf):
    """Scanner images that may run: `registry/repository[:tag]` globs, or digests; at least one of either.

    Attributes:
        images: by `registry/repository[:tag]`; a glob with a tag does not allow an image whose template names tag and
            digest; an image that `scanmatrix.lock` pins is judged by its tag
        digests: by `sha256:…`
    """

    choices = ("images", "digests")
    nothing = "it allows nothing; list images or digests, or leave the section out to allow all"

    images: tuple[Glob, ...] = ()
    digests: tuple[Digest, ...] = ()
