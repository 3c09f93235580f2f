"""Ends a connection as a crashed peer or a firewall does: with a reset instead of a polite close."""

import fcntl
import socket
import struct
import termios
import time


def reset_on_close(connection: socket.socket) -> None:
    """Make the next close a reset; it would delete what was not sent yet, so wait for that, a second at most."""
    deadline = time.monotonic() + 1
    while _unsent(connection) and time.monotonic() < deadline:
        time.sleep(0.002)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _unsent(connection: socket.socket) -> int:
    waiting: int = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]
    return waiting
