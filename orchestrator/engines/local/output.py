"""What a process prints, read as it comes; only the end of it is kept."""

import os
import re
import selectors
import subprocess
from types import TracebackType
from typing import Self

#: Bytes of a scanner's last output that go into the cell's record.
LOG_BYTES = 4096

_CHUNK = 1 << 16
_MOST_AFTER_EXIT = 1 << 20
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]|[^\S\n\t ]|[\x00-\x08\x0e-\x1f\x7f-\x9f]")


class ProcessOutput:
    """Reads all that a process prints as it comes, and keeps the end of it; the pipes end with the block."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._pipes = [pipe for pipe in (process.stderr, process.stdout) if pipe]
        self._kept = dict.fromkeys((pipe.fileno() for pipe in self._pipes), b"")
        self._selector = selectors.DefaultSelector()
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._selector.close()
        for pipe in self._pipes:
            pipe.close()

    @property
    def closed(self) -> bool:
        """Whether nothing can come any more."""
        return not self._selector.get_map()

    def read(self, timeout: float) -> int:
        """Wait for output, and read some; the number of bytes."""
        taken = 0
        for key, _ in self._selector.select(timeout):
            data = os.read(key.fd, _CHUNK)
            if not data:
                self._selector.unregister(key.fileobj)
            self._kept[key.fd] = (self._kept[key.fd] + data)[-LOG_BYTES:]
            taken += len(data)
        return taken

    def drain(self) -> None:
        """Read what is left; a child that escaped and still prints must not keep us."""
        taken = 0
        while taken < _MOST_AFTER_EXIT and (length := self.read(0)):
            taken += length

    def text(self) -> str:
        """The last whole lines of standard error, else of standard output; printable characters only."""
        return whole_lines(next((kept for kept in self._kept.values() if kept.strip()), b""))


def whole_lines(kept: bytes) -> str:
    """The whole lines of the end of an output, of `LOG_BYTES` at most; printable characters only."""
    text = kept.decode(errors="replace")
    if len(kept) == LOG_BYTES and "\n" in text[:-1]:
        text = text.partition("\n")[2]
    return _ESCAPES.sub("", text).strip()
