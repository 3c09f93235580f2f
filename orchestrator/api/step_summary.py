"""The summary of a run for GitHub Actions, which shows what a step appends to the file `$GITHUB_STEP_SUMMARY`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config
    from orchestrator.model import Ledger

VARIABLE = "GITHUB_STEP_SUMMARY"
#: GitHub shows nothing of a step that wrote more ("Workflow commands", "Step isolation and limits").
MOST = 1024 * 1024
_CUT = b"\n\nThe rest is left out: GitHub shows one MiB.\n"


def append_summary(config: Config, ledger: Ledger, environment: Mapping[str, str] = os.environ) -> str:
    """Append the run's `summary.md` to the step's summary, where there is one.

    Args:
        config: names the volume.
        ledger: of the run, with the verdict that its command ends with.
        environment: names the file.

    Returns:
        Why it could not be written; empty where it was, or nobody asked for it.
    """
    from orchestrator.exports.markdown import FILE
    from orchestrator.kit.text import markdown
    from orchestrator.model.documents import DocumentError
    from orchestrator.results.run import RunResults

    if not (to := environment.get(VARIABLE, "")):
        return ""
    results = RunResults(volume_of(config), ledger.run)
    try:
        text, judged = (results.folder / FILE).read_bytes(), b""
        if ledger.verdict != results.ledger.verdict:
            heading = "passed" if ledger.verdict.passed else "**broken**"
            lines = [f"- {markdown(line)}" for line in ledger.verdict.broken]
            judged = "\n".join(["", f"With `--fail-on`: {heading}.", "", *lines, ""]).encode()
        path = Path(to)
        room = MOST - (path.stat().st_size if path.exists() else 0) - len(_CUT) - len(judged)
        if room < 0:
            return f"${VARIABLE}: the summary is left out: GitHub shows one MiB, which the step has written already"
        if len(text) > room:
            text = text[: max(0, text.rfind(b"\n", 0, room))] + _CUT
        with path.open("ab") as file:
            file.write(text + judged)
    except (OSError, DocumentError) as error:
        return f"${VARIABLE}: the summary cannot be written there: {error}"
    return ""
