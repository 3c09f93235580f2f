"""What an event asks for, decided: an action whose tasks have their images, their variables and their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.jobs.model import LEAST_KEPT

if TYPE_CHECKING:
    from orchestrator.jobs.matching import JobEvent, MatchedTask


class JobFiles(NamedTuple):
    """Where the files of tasks come from.

    Attributes:
        repository: URL of the git repository.
        commit: full hash.
        folders: where each is looked for, one after the other.
        addresses: of the repository's host, so that pods need not ask for them; none for a host without a name.
    """

    repository: str
    commit: str
    folders: tuple[str, ...]
    addresses: tuple[str, ...] = ()


class OrderedTask(NamedTuple):
    """A task that is to be run.

    Attributes:
        matched: the task, and what it is given.
        image: that runs; as admission pinned it.
        entrypoint: program of the image and its first arguments, for a task without a command; empty where nobody
            knows it.
        defaults: arguments of the image, for a task without any.
    """

    matched: MatchedTask
    image: str
    entrypoint: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()


class JobOrder(NamedTuple):
    """An action that is to be run for an event.

    Attributes:
        run: the id of what the event asked for; several actions of it have the same.
        number: the place of the action in its configuration, from 0.
        action: its name.
        silent: whether nobody is sent anything about it.
        event: that started it.
        source: of the event.
        id: of the event there.
        tasks: in order.
        files: where their files come from.
        namespace: where it runs.
    """

    run: str
    number: int
    action: str
    silent: bool
    event: JobEvent
    source: str
    id: str
    tasks: tuple[OrderedTask, ...]
    files: JobFiles
    namespace: str

    @property
    def name(self) -> str:
        """Of its Workflow: the same, however often it is made."""
        return job_name(self.run, self.number)

    @property
    def kept(self) -> int:
        """Seconds that it is kept after its end: as long as the task that asks for most."""
        return max(LEAST_KEPT, *(each.matched.task.ttl_seconds_after_finished for each in self.tasks))


def job_name(run: str, number: int) -> str:
    """The name of a Workflow: of an action by its place, of what an event asked for."""
    return f"{run}-{number}"
