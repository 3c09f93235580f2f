"""The run on one page, as Markdown: the `summary.md` that its aggregate step wrote."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from orchestrator.exports.files import place, writing
from orchestrator.kit.advice import resuming
from orchestrator.results.errors import NoResultsError

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.results.run import RunResults

name = "markdown"
description = "the run on one page, for comments and job summaries: summary.md"
text = True

FILE = "summary.md"
"""Name of the summary in the run's results folder."""


def export(results: RunResults, config: Config, to: str = "") -> str:  # noqa: ARG001 - needs no configuration
    """Copy the summary; without `to`, that is the file which is there already.

    Raises:
        NoResultsError: the run has none.
        ExportRefusedError: the file cannot be written.
    """
    summary = results.folder / FILE
    if not summary.is_file():
        raise NoResultsError(f"{summary}: no summary of run {results.run}; {resuming(results.run)} makes it again")
    path = place(results, to, FILE)
    if path != summary:
        with summary.open("rb") as source, writing(path) as file:
            shutil.copyfileobj(source, file)
    return str(path)
