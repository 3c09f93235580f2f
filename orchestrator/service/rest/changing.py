"""Ends a service whose configuration has changed, for where something starts it again: a pod of the Helm chart.

What makes the ConfigMap there, an installation or a ScanMatrix resource, does not know of that pod.
"""

from __future__ import annotations

import hashlib
import logging
import random
from typing import TYPE_CHECKING

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import load_config
from orchestrator.errors import ScanmatrixError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from pathlib import Path

_log = logging.getLogger(__name__)

#: Seconds between two looks; and until the end, at most, so that not all pods end at the same moment.
PAUSE, SPREAD = 10.0, 20.0


def end_when_changed(
    path: Path,
    before: str,
    end: Callable[[], None],
    stop: threading.Event,
    *,
    pause: float = PAUSE,
    spread: float = SPREAD,
) -> None:
    """Wait until the configuration, or a file beside it, is another one that can be read; then have the service end.

    Args:
        path: of the configuration.
        before: what `digest_of_files` said of it.
        end: called once.
        stop: ends the waiting.
        pause: seconds between two looks.
        spread: most seconds from the change to the end.
    """
    refused = before
    while not stop.wait(pause):
        now = digest_of_files(path)
        if not now or now in {before, refused}:
            continue
        try:
            load_catalog(load_config(path))
        except (ScanmatrixError, OSError) as error:
            refused = now
            _log.warning("the configuration has changed, and cannot be used; the one before stays: %s", error)
            continue
        _log.warning("the configuration has changed; the service ends, to be started again with it")
        if not stop.wait(random.uniform(0, spread)):  # noqa: S311 - no secret
            end()
        return


def digest_of_files(path: Path) -> str:
    """Of the file and those beside it, as a ConfigMap has them; empty while they cannot be read."""
    found = hashlib.sha256()
    try:
        for file in sorted(path.parent.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                found.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    except OSError:
        return ""
    return found.hexdigest()
