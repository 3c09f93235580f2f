"""The job configuration that an event is about: read from git as its commit has it, and kept by commit."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from orchestrator.config.jobs import PLACEHOLDERS
from orchestrator.errors import PermanentError
from orchestrator.jobs.order import JobFiles
from orchestrator.jobs.reading import MOST_BYTES, decode_job
from orchestrator.repositories.chosen import WantedFiles, read_chosen
from orchestrator.repositories.history import check_history
from orchestrator.repositories.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.jobs import JobsSection
    from orchestrator.jobs.matching import JobEvent
    from orchestrator.jobs.model import JobConfiguration

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

#: Configurations, and commits of the branch, that are remembered.
_REMEMBERED = 128
_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,253}")


class FoundConfiguration(NamedTuple):
    """A job configuration, and where its files are.

    Attributes:
        configuration: what it says.
        files: where the files of its tasks are looked for.
    """

    configuration: JobConfiguration
    files: JobFiles


class EventNameError(PermanentError):
    """What an event says it is about cannot be the name of a folder."""


class JobConfigurations:
    """Reads job configurations; for use by several threads.

    Args:
        section: says where they are.
        retries: further attempts when the host of the repository does not answer.
        environment: instead of the process's own; holds git's credentials.
    """

    def __init__(self, section: JobsSection, *, retries: int, environment: Mapping[str, str] | None = None) -> None:
        self._section = section
        self._retries = retries
        self._environment = environment
        self._known: OrderedDict[tuple[str, tuple[str, ...]], JobConfiguration] = OrderedDict()
        self._own: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, event: JobEvent, commit: str = "") -> FoundConfiguration:
        """The configuration for an event.

        Args:
            event: says what it is about, and may name the commit.
            commit: of which it was read before; empty for the one that the event names, or else that of the branch now.

        Raises:
            EventNameError: the event is about what cannot be a folder.
            ChosenFileError: there is none, or it is no file.
            JobError: it has mistakes.
            ForeignCommitError: the event names a commit that does not belong to the branch.
            SourceUnavailableError, SourceBrokenError: the repository cannot be read.
        """
        folders = folders_for(self._section.folders, event)
        commit = commit or self._commit(event)
        files = JobFiles(self._section.git.url, commit, folders)
        key = (commit, folders)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return FoundConfiguration(known, files)
        wanted = WantedFiles(self._section.git.url, commit, folders, (self._section.path,), MOST_BYTES)
        found = read_chosen(wanted, environment=self._environment, retries=self._retries)
        place = "/".join(filter(None, (found.folder, self._section.path)))
        configuration = decode_job(found.data, place).configuration
        with self._lock:
            _remember(self._known, key, configuration)
        return FoundConfiguration(configuration, files)

    def _commit(self, event: JobEvent) -> str:
        """The commit that an event names, if it belongs to the branch, or else the branch's own."""
        repository, branch = self._section.git.url, self._section.git.ref
        if not event.commit:
            return resolve(repository, branch, environment=self._environment, retries=self._retries).commit
        with self._lock:
            if event.commit in self._own:
                return event.commit
        check_history(repository, branch, event.commit, environment=self._environment, retries=self._retries)
        with self._lock:
            _remember(self._own, event.commit, None)
        return event.commit


def folders_for(folders: tuple[str, ...], event: JobEvent) -> tuple[str, ...]:
    """The folders of the look-up for an event; those that are for something that it does not name are left out.

    Raises:
        EventNameError: what it names cannot be a folder.
    """
    names: dict[str, str] = {}
    for what in PLACEHOLDERS:
        value = event.of_data(what)
        if value is None or value == "":
            continue
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise EventNameError(
                f"the event's {what} is {str(value)[:80]!r}; in a path there may be letters, digits, '.', '_' and '-'"
            )
        names[what] = value
    found = []
    for folder in folders:
        wanted = [what for what in PLACEHOLDERS if f"{{{what}}}" in folder]
        if all(what in names for what in wanted):
            for what in wanted:
                folder = folder.replace(f"{{{what}}}", names[what])  # noqa: PLW2901
            found.append(folder)
    if not found:
        raise EventNameError(
            f"the event names no {', '.join(PLACEHOLDERS)}, so that it is about no folder of the look-up"
        )
    return tuple(dict.fromkeys(found))


def _remember(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> None:
    kept[key] = value
    while len(kept) > _REMEMBERED:
        kept.popitem(last=False)
