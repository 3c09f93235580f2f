"""Where the content of a blob goes, and how it gets there from a file."""

import threading
from typing import BinaryIO, Final, Protocol

from orchestrator.errors import Cancelled
from orchestrator.images.digests import new_hash
from orchestrator.model import Blob

#: Bytes that are read at once.
CHUNK: Final = 1024 * 1024


class Sink(Protocol):
    """Where the content of a blob goes."""

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Put bytes at an offset of the blob; what was there before is void.

        A memoryview has other bytes in it after this returns.
        """


def copy(stream: BinaryIO, blob: Blob, sink: Sink, stopped: threading.Event) -> bool:
    """Hand a blob's bytes from a file to a sink; False when they are not what its digest stands for.

    Raises:
        Cancelled: told to stop meanwhile.
    """
    state, at = new_hash(blob.digest), 0
    while data := stream.read(CHUNK):
        if stopped.is_set():
            raise Cancelled("stopped on request")
        state.update(data)
        sink.write(at, data)
        at += len(data)
    return at == blob.size and state.hexdigest() == blob.digest.partition(":")[2]
