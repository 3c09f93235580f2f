"""What a client of the service does, step by step, written once for both kinds of client.

A *script* is a generator: it yields what is to be asked (`ServiceRequest`), listened to (`ServiceNext`), waited
(`ServicePause`) or given to those who iterate (`ServiceRows`), is sent the document of each answer, and returns what
was wanted. It knows no socket and no event loop; `orchestrator.client.clients` plays scripts.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from orchestrator.errors import ScanmatrixError

T = TypeVar("T")


class ServiceRequest(NamedTuple):
    """A request to the service.

    Attributes:
        path: with everything percent-encoded.
        query: names and values of its parameters.
        method: of HTTP.
        body: JSON; None for none.
        headers: beside those of every request.
        repeatable: whether it may be sent again when nobody knows whether it arrived.
        rows: most rows of a page that are wanted, of which the client may ask for fewer; 0 where there are no pages.
    """

    path: str
    query: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()
    repeatable: bool = True
    rows: int = 0

    def __str__(self) -> str:
        """For messages."""
        return f"{self.method} {self.path}"


class ServiceNext(NamedTuple):
    """The next event of a stream of server-sent events, which is opened when it is wanted first.

    Its document is what `orchestrator.client.streams` makes of it; an empty one means that the stream has ended.

    Attributes:
        request: of the stream.
    """

    request: ServiceRequest


class ServicePause(NamedTuple):
    """A pause, in seconds."""

    seconds: float


class ServiceRows(NamedTuple):
    """Some of the values that are iterated over."""

    values: Sequence[Any]


#: A script that returns what was wanted.
Script: TypeAlias = Generator[ServiceRequest | ServiceNext | ServicePause, bytes, T]

#: The same of one whose values are iterated over.
RowSteps: TypeAlias = Generator[ServiceRequest | ServiceNext | ServicePause | ServiceRows, bytes, None]


class RowScript(Generic[T]):
    """A script whose values are iterated over.

    Args:
        steps: the script.
    """

    def __init__(self, steps: RowSteps) -> None:
        self.steps = steps


class PlayedScript(Generic[T]):
    """A script on its way, for those who do what it wants.

    Args:
        steps: the script, which has not begun.

    Attributes:
        step: what it wants now; None at its end.
        value: what it returned.
    """

    def __init__(self, steps: Generator[Any, bytes, T]) -> None:
        self._steps = steps
        self.value: T
        self.step: ServiceRequest | ServiceNext | ServicePause | ServiceRows | None = None
        self._move(lambda: next(steps))

    def answer(self, data: bytes) -> None:
        """What it wanted is done, and this came of it."""
        self._move(lambda: self._steps.send(data))

    def fail(self, error: Exception) -> None:
        """What it wanted failed; raises the error where the script does nothing about it."""
        self._move(lambda: self._steps.throw(error))

    def _move(self, move: Callable[[], Any]) -> None:
        try:
            self.step = move()
        except StopIteration as end:
            self.step, self.value = None, end.value


def collected(script: RowScript[T]) -> Script[list[T]]:
    """All values of a script, as part of another one."""
    found: list[T] = []
    played = PlayedScript(script.steps)
    while (step := played.step) is not None:
        if isinstance(step, ServiceRows):
            found += step.values
            played.answer(b"")
            continue
        try:
            data = yield step
        except ScanmatrixError as error:
            played.fail(error)
        else:
            played.answer(data)
    return found
