"""Since when each finding is known: the volume's memory, one small file for each name of a target and platform.

It goes by the name and not by the target, because an image that is built again has another digest. A file holds, for
each key of a finding (`MergedFinding.key`), when the first run that found it was planned, and which scans found it. It
forgets a finding when every scan that found it has ended ok since without finding it. Files of several names become
durable together (`FilesTogether`): what is not settled is as before, and the same run done again makes it the same.

The modification time of a file is the moment when the newest run that it knows of was planned, so that a run in which
nothing has changed writes nothing. Of an older run that is aggregated later only earlier dates are taken.
"""

import logging
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import msgspec

from orchestrator.model import Document, MergedFinding
from orchestrator.model.documents import encode, spell_time
from orchestrator.results.ledger import moment
from orchestrator.volume.layout import Volume
from orchestrator.volume.together import FilesTogether

_log = logging.getLogger(__name__)

_Entries = dict[str, tuple[str, frozenset[str]]]
# In place of a modification time: nothing is there, or nothing that can be read.
_NOTHING, _DAMAGED = 0, -1


@lru_cache(maxsize=1 << 12)
def _set_of(scans: tuple[str, ...]) -> frozenset[str]:
    """One set for all findings of the same scans: there are few, and each takes as much as a finding."""
    return frozenset(scans)


class _Memory(Document, frozen=True):
    """A file.

    Attributes:
        reference: name of the target, for people.
        platform: of the target, likewise.
        scans: the sets of scans that found something.
        findings: by key, when it was first found (RFC 3339 in UTC), and which of these sets found it.
    """

    reference: str
    platform: str = ""
    scans: tuple[tuple[str, ...], ...] = ()
    findings: dict[str, tuple[str, int]] = msgspec.field(default_factory=dict)


class Ages:
    """Dates the findings of one run; a context manager: what is not settled when it ends is not remembered."""

    def __init__(self, volume: Volume, run_created: str) -> None:
        """Begin.

        Args:
            volume: where the memory lies.
            run_created: when the run was planned, RFC 3339 with a time zone.
        """
        self._volume = volume
        self._files = FilesTogether()
        created = moment(run_created)
        self._seconds = int(created.timestamp()) if created else 0
        self._created = spell_time(created) if created else run_created

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._files.__exit__(*error)

    def settle(self) -> None:
        """Make durable what was remembered of every target so far.

        Raises:
            OSError: the volume cannot be written.
        """
        self._files.settle()

    def date(
        self, references: Iterable[str], platform: str, findings: Sequence[MergedFinding], ran: Collection[str]
    ) -> list[MergedFinding]:
        """Set `first_seen`, and remember it.

        Doing it again gives the same dates. A damaged file is started again, with a warning.

        Args:
            references: the names of the target; of several the earliest date holds.
            platform: of the target.
            findings: all of the target.
            ran: the scans that ended ok on the target.

        Raises:
            OSError: the volume cannot be written.
        """
        found: dict[str, frozenset[str]] = {}
        self.gather(findings, found)
        dates = self.remember(references, platform, found, ran)
        self.settle()
        return self.dated(findings, dates)

    def gather(self, findings: Sequence[MergedFinding], found: dict[str, frozenset[str]]) -> None:
        """Add to what was found in a target, by key the scans that found it, some of its findings."""
        for finding in findings:
            scans = _set_of(finding.found_by)
            known = found.get(finding.key)
            found[finding.key] = scans if known is None or known is scans else known | scans

    def remember(
        self, references: Iterable[str], platform: str, found: Mapping[str, frozenset[str]], ran: Collection[str]
    ) -> dict[str, str]:
        """Remember what was found in a target; gives by key when each was first seen, where that is before this run.

        It is on the volume for certain once it is settled.

        Args:
            references: as of `date`.
            platform: likewise.
            found: all of the target, as `gather` gives it.
            ran: as of `date`.

        Raises:
            OSError: the volume cannot be written.
        """
        dates: dict[str, str] = {}
        created = self._created
        for reference in dict.fromkeys(references):
            for key, (date, _) in self._remember(reference, platform, found, frozenset(ran)).items():
                if date < created and key in found and date < dates.get(key, created):
                    dates[key] = date
        return dates

    def dated(self, findings: Sequence[MergedFinding], dates: Mapping[str, str]) -> list[MergedFinding]:
        """The findings, or some of them, with `first_seen` as `remember` gives it."""
        created = self._created
        return [msgspec.structs.replace(each, first_seen=dates.get(each.key, created)) for each in findings]

    def _remember(
        self, reference: str, platform: str, found: Mapping[str, frozenset[str]], ran: frozenset[str]
    ) -> _Entries:
        """Bring one file up to date; gives what is in it."""
        path = self._volume.ages(reference, platform)
        if path in self._files:  # of another target of this run
            self._files.settle()
        old, newest = _read(path, reference, platform)
        new = self._up_to_date(old, found, ran) if newest <= self._seconds else self._earlier(old, found)
        if new != old or newest == _DAMAGED:
            self._files.write(path, encode(_memory(reference, platform, new)), modified=max(newest, self._seconds))
        elif _NOTHING < newest < self._seconds:
            os.utime(path, (self._seconds, self._seconds))
        return new

    def _up_to_date(self, old: _Entries, found: Mapping[str, frozenset[str]], ran: frozenset[str]) -> _Entries:
        """What to remember after this run, the newest one."""
        new: _Entries = {}
        created = self._created
        # There are few sets of scans, and many findings: of each what is left when those that ran are taken away.
        known = {scans: scans - ran for scans in {scans for _, scans in old.values()}}
        for key, entry in old.items():
            date, scans = entry
            left, here = known[scans], found.get(key)
            if here is not None:
                same = here == scans and date <= created
                new[key] = entry if same and left <= here else (min(date, created), here | left)
            elif left:
                new[key] = date, left
        for key, scans in found.items():
            if key not in new:
                new[key] = created, scans
        return new

    def _earlier(self, old: _Entries, found: Mapping[str, frozenset[str]]) -> _Entries:
        """What to remember after this run, when a newer one has told what is still there."""
        return {key: (min(date, self._created) if key in found else date, scans) for key, (date, scans) in old.items()}


def _read(path: Path, reference: str, platform: str) -> tuple[_Entries, int]:
    """What is remembered, and when the newest run that it knows of was planned, seconds since 1970."""
    try:
        with path.open("rb") as file:
            newest = max(int(os.fstat(file.fileno()).st_mtime), _NOTHING)
            return _entries(file.read(), reference, platform), newest
    except FileNotFoundError:
        return {}, _NOTHING
    # Among the ValueErrors are those of msgspec and of text that is not UTF-8.
    except (OSError, ValueError, LookupError, RecursionError) as error:
        _log.warning("%s: since when findings of %s are known is lost, and begins again: %s", path, reference, error)
        return {}, _DAMAGED


def _entries(data: bytes, reference: str, platform: str) -> _Entries:
    """What a file says; ValueError or LookupError where it is damaged, or about another name."""
    memory = msgspec.json.decode(data, type=_Memory)
    if (memory.reference, memory.platform) != (reference, platform):
        raise ValueError(f"it is about {memory.reference} {memory.platform}")
    sets = {number: frozenset(each) for number, each in enumerate(memory.scans)}
    return {key: (date, sets[number]) for key, (date, number) in memory.findings.items()}


def _memory(reference: str, platform: str, entries: _Entries) -> _Memory:
    numbers: dict[frozenset[str], int] = {}
    findings = {key: (date, numbers.setdefault(scans, len(numbers))) for key, (date, scans) in entries.items()}
    scans = tuple(tuple(sorted(each)) for each in numbers)
    return _Memory(reference=reference, platform=platform, scans=scans, findings=findings)
