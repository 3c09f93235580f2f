"""Where the results of a run go: exports, notifications, and both as the configuration wants them.

export(config, run, "html", to="report.html")
notify(config, run)                               # nobody twice about the same
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.api.results import asking_store, open_results
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from orchestrator.config.loading import Config
    from orchestrator.notifications.interface import Delivery


def export(config: Config, run: str | None, name: str, *, to: str = "") -> str:
    """Write or send the results of a run by one of the exports.

    Args:
        config: names the volume, the destinations and their credentials.
        run: id of the run; None for the latest.
        name: of the export (`html`, `sarif`, `s3`, …).
        to: for exports that write a file, its path; by default in the run's results folder.

    Returns:
        Where it went.

    Raises:
        UsageError: there is no such run or export, or the configuration does not say where to.
        ExportRefusedError: the destination will not take it.
        ExportUnavailableError: the destination cannot be reached now.
    """
    from orchestrator.exports import load

    return load(name).export(open_results(config, run), config, to)


@contextmanager
def exported_text(config: Config, run: str | None, name: str) -> Iterator[BinaryIO]:
    """One of the exports as an open file that is gone afterwards, for standard output.

    Args:
        config: as for `export`.
        run: id of the run; None for the latest.
        name: of an export that writes one file of text.

    Raises:
        UsageError: there is no such run or export, or it writes no such file.
    """
    from orchestrator.exports import load, names

    if not load(name).text:
        others = ", ".join(each for each in names() if load(each).text)
        raise UsageError(f"{name} writes no text that could go to standard output; those that do: {others}")
    with tempfile.TemporaryDirectory(prefix="scanmatrix-export-") as folder:
        path = Path(export(config, run, name, to=str(Path(folder) / "export")))
        with path.open("rb") as file:
            yield file


def notify(config: Config, run: str | None = None) -> tuple[Delivery, ...]:
    """Notify the configured recipients about what changed; nobody is notified twice about the same thing.

    Raises:
        UsageError: there is no such run.
    """
    from orchestrator.notifications import notify

    results = open_results(config, run)
    if not config.notify.routes:
        return ()
    with asking_store(config) as store:
        changed, earlier = store.differences(results.run, still=False), store.earlier(results.run)
    return notify(config, results, changed, earlier)


def deliver(config: Config, run: str) -> list[str]:
    """Do everything that the configuration wants done with the results of a run: exports, then notifications.

    Args:
        config: names destinations and routes.
        run: id of a run that has ended.

    Returns:
        What went wrong, a sentence each; it is reported, never raised, because the run itself is done. Doing it again
        sends only what did not arrive.
    """
    from orchestrator.errors import ScanmatrixError
    from orchestrator.exports.interface import NothingToExportError
    from orchestrator.kit.guarding import guarded

    trouble = []
    for name in config.exports.always:
        try:
            with guarded(f"making the export {name}"):
                export(config, run, name)
        except NothingToExportError:
            continue
        except (ScanmatrixError, OSError) as error:
            trouble.append(f"export {name}: {error}")
    if config.notify.routes:
        try:
            with guarded("sending notifications"):
                told = notify(config, run)
        except (ScanmatrixError, OSError) as error:
            return [*trouble, f"notifications: {error}"]
        trouble += [f"notification by {one.route}: {one.reason}" for one in told if one.state != "sent"]
    return trouble
