"""Whether containerd answers the kubelet: one call of the Container Runtime Interface, by hand.

`ctr plugins ls` says `ok` as soon as the plugin is loaded, but until it has found its containers again it answers each
call with "server is not initialized yet", and a kubelet that starts then gives up. Nothing that a Debian has speaks
CRI, and one call of gRPC is a few frames of HTTP/2 (RFC 9113) with headers that need no table (RFC 7541, 6.2.2).
"""

import socket
import struct
from pathlib import Path

_CALL = "/runtime.v1.RuntimeService/Status"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _AWAY = 0, 1, 3, 4, 6, 7
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4


def answers(path: Path, *, timeout: float = 2) -> bool:
    """Whether the runtime behind a socket tells its status; an error has no message, only trailers."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout)
            connection.connect(str(path))
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, b""))
            connection.sendall(_frame(_HEADERS, _END_HEADERS, _headers(), stream=1))
            connection.sendall(_frame(_DATA, _END_STREAM, bytes(5), stream=1))  # a message without a field
            return _answered(connection)
    except OSError:
        return False


def _answered(connection: socket.socket) -> bool:
    while True:
        header = _read(connection, 9)
        if len(header) < 9:
            return False
        size, kind, flags, stream = int.from_bytes(header[:3], "big"), header[3], header[4], header[5:]
        payload = _read(connection, size)
        if kind == _DATA and size > 0:
            return True
        if kind in {_RESET, _AWAY} or (kind == _HEADERS and flags & _END_STREAM and stream[-1] == 1):
            return False
        if kind in {_SETTINGS, _PING} and not flags & _ACK:
            connection.sendall(_frame(kind, _ACK, payload if kind == _PING else b""))


def _headers() -> bytes:
    method, scheme, path, authority = b"\x83", b"\x86", b"\x04", b"\x01"  # of the static table
    named = {"content-type": "application/grpc", "te": "trailers"}
    fields = b"".join(b"\x00" + _text(name) + _text(value) for name, value in named.items())
    return method + scheme + path + _text(_CALL) + authority + _text("localhost") + fields


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, payload: bytes, *, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream) + payload


def _read(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (more := connection.recv(size - len(found))):
        found += more
    return found
