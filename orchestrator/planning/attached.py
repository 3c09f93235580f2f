"""SBOMs that came with images, taken as if they were our own: signed by whom the configuration trusts, and alike.

Only what could have been made here is taken: by the cataloguer of a template, in a version with which findings were
shown to be the same, of this very image, and whole. It is stored, and from then on it is one of ours, but that it says
who signed it. Anything else has the image itself scanned, and the plan says why.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from orchestrator.admission.signatures.attached import AttachedSboms
from orchestrator.admission.signatures.verifying import Signers
from orchestrator.errors import ScanmatrixError
from orchestrator.findings.interface import ReportError
from orchestrator.findings.stored import Cataloguing, read_catalogued, to_store
from orchestrator.images.reference import parse
from orchestrator.images.registry.cache import pull_location
from orchestrator.images.registry.client import RegistryClient
from orchestrator.kit.guarding import guarded, in_words
from orchestrator.model import StoredSbom
from orchestrator.model.documents import spell_time
from orchestrator.net.allowance import Allowance
from orchestrator.volume.sboms import keep_sbom

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from orchestrator.admission.signatures.attached import AttachedSbom
    from orchestrator.config.loading import Config
    from orchestrator.model import OnSbom, Scan, Target
    from orchestrator.volume.layout import Volume

#: Repositories in which those of one image are looked for.
_MOST_PLACES: Final = 4
#: Reasons that a plan names of one image, and characters of each.
_MOST_REASONS: Final = 3
_LONGEST: Final = 300


class AttachedLookup:
    """Looks for them, and stores them; called from several threads at once.

    Args:
        config: says who is trusted, and what looking may cost.
        volume: where they are stored.
        run: id of the run that is planned.
        now: with a time zone.
        client: asks registries.

    Raises:
        UsageError: a key, or the roots of a Sigstore, cannot be used.
    """

    def __init__(self, config: Config, volume: Volume, run: str, now: datetime, client: RegistryClient) -> None:
        self._config, self._volume, self._run, self._now, self._client = config, volume, run, now, client
        self._wanted = config.sboms.attached.signers
        self._signers = Signers(config.base)
        self._signers.check(self._wanted)
        self._allowance = Allowance(config.limits.planning, "limits.planning")

    def __call__(self, target: Target, cataloguer: Scan, way: OnSbom, asked: str) -> StoredSbom | str:
        """What can be used in place of an SBOM of our own, now stored.

        Args:
            target: an image.
            cataloguer: whose SBOM is wanted.
            way: how it will be read: it names the versions.
            asked: the question that it answers.

        Returns:
            Why there is none, otherwise; empty where none came with the image.
        """
        if target.is_archive:
            return ""
        wrong: dict[str, None] = {}
        try:
            with guarded(f"looking for SBOMs that came with {target.reference}"):
                for found in self._find(target):
                    stored = found if isinstance(found, str) else self._taken(found, target, cataloguer, way, asked)
                    if isinstance(stored, StoredSbom):
                        return stored
                    wrong[stored] = None
        except (ScanmatrixError, OSError) as error:
            wrong[in_words(error)] = None
        return "; ".join(why[:_LONGEST] for why in list(wrong)[:_MOST_REASONS])

    def _find(self, target: Target) -> Iterator[AttachedSbom | str]:
        """What there is where it is pulled from, then where its names lead: caches need not pass such things on."""
        allowance = self._allowance.part(self._config.limits.lookup, "limits.lookup")
        own = (pull_location(parse(name.reference), (), self._config.insecure) for name in target.names)
        for location in list(dict.fromkeys((target.pull, *own)))[:_MOST_PLACES]:
            attached = AttachedSboms(self._client, location, allowance, self._signers, self._wanted)
            try:
                yield from attached.find(target.digest, target.indexes)
            except ScanmatrixError as error:
                yield str(error)

    def _taken(
        self, found: AttachedSbom, target: Target, cataloguer: Scan, way: OnSbom, asked: str
    ) -> StoredSbom | str:
        """One, stored; why it is of no use, otherwise."""
        place = f"the one {found.place}, signed by {found.signer}"
        if found.format != cataloguer.format:
            return f"{place}, is in the format {found.format}, not {cataloguer.format}"
        try:
            told = read_catalogued(found.format, found.data, image=target.digest)
        except ReportError as error:
            return f"{place}: {error}"
        if not found.names_image and told.image != target.digest:
            return f"{place}, does not say that it is of {target.digest}"
        if wrong := _differs(told.cataloguer, PurePath(cataloguer.program).name, way):
            return f"{place}, {wrong}"
        if told.gaps:
            return f"{place}, is incomplete: {told.gaps[0]}"
        of = Cataloguing(target.digest, asked, spell_time(self._now), self._run, str(found.signer))
        stored, data = to_store(cataloguer, told, found.data, of)
        keep_sbom(self._volume, stored, data)
        return stored


@contextmanager
def open_attached(config: Config, volume: Volume, run: str, now: datetime) -> Iterator[AttachedLookup]:
    """The look-up of a configuration; its connections end with the block."""
    with RegistryClient(config.insecure, config.limits.retries, caches=config.cache) as client:
        yield AttachedLookup(config, volume, run, now, client)


def _differs(made_by: str, program: str, way: OnSbom) -> str:
    """Why what this program made is not what a scan was compared with; empty when it is."""
    name, _, version = made_by.rpartition(" ")
    if name.lower() == program and version in way.cataloguers:
        return ""
    shown = ", ".join(way.cataloguers)
    return f"was made by {made_by[:_LONGEST]}, and findings were shown to be the same only with {program} {shown}"
