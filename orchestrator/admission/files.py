"""The files that policies name: public keys, and the roots of a Sigstore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.model.signing import is_pem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.config.loading import Config
    from orchestrator.kit.sources import Location, Problem


def signer_files(config: Config) -> Iterator[tuple[Location, str]]:
    """Each file that is named, as it is written, with the place of its key."""
    policies = (config.admission.policies if config.admission else None) or ()
    for number, policy in enumerate(policies):
        for place, signer in enumerate(policy.authorities):
            location = ("admission", "policies", number, "authorities", place)
            if signer.key is not None and not is_pem(signer.key):
                yield (*location, "key"), signer.key
            if signer.trust_root is not None:
                yield (*location, "trustRoot"), signer.trust_root


def missing_files(config: Config) -> Iterator[Problem]:
    """Those that are not there."""
    for location, name in signer_files(config):
        if not (config.base / Path(name).expanduser()).is_file():
            yield config.wrong(location, f"there is no file {name!r}")
