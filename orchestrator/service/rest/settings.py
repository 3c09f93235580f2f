"""The bounds of the service: nothing that a caller sends or asks for is without one."""

from __future__ import annotations

from typing import NamedTuple

LOOPBACK = "127.0.0.1"
PORT = 8000


class ServeSettings(NamedTuple):
    """How the service listens, and what one request may cost.

    Attributes:
        host: address to listen on.
        port: of it; 0 for any free one.
        body_bytes: most bytes of a request's body, where its route does not say otherwise.
        event_bytes: most bytes of a body with events.
        report_bytes: most bytes of the body of `PUT /scan-results`.
        bodies_bytes: most bytes of all bodies that are being received or worked on; more are refused for now.
            Those of senders of events, who prove themselves by them, have an eighth of it for themselves.
        body_seconds: time in which a body must have arrived.
        query_seconds: time that a question may take, waiting for its turn included.
        questions: questions that are answered at the same time.
        works: plans, starts and other changes that are made at the same time, beside the questions.
        waiting: questions, and works, that wait for their turn; more are refused.
        most_page: most rows of a page.
        refresh_seconds: pause between two looks for runs that have ended.
        grace_seconds: time that requests get to end when the service is stopped.
    """

    host: str = LOOPBACK
    port: int = PORT
    body_bytes: int = 1024 * 1024
    event_bytes: int = 2 * 1024 * 1024
    report_bytes: int = 64 * 1024 * 1024
    bodies_bytes: int = 256 * 1024 * 1024
    body_seconds: float = 30.0
    query_seconds: float = 20.0
    questions: int = 8
    works: int = 8
    waiting: int = 64
    most_page: int = 1000
    refresh_seconds: float = 5.0
    grace_seconds: float = 10.0
