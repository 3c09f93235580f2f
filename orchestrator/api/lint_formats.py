"""Problems of files as other programs take them: SARIF for code scanning, and GitHub's lines for a workflow's log."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orchestrator.kit.own import own_version
from orchestrator.kit.sources import ProblemLevel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.kit.sources import Problem

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_RULES = {
    ProblemLevel.ERROR: "A file that scanmatrix refuses",
    ProblemLevel.WARNING: "A file that says something that is perhaps not meant so",
}
#: What code scanning takes of one run; more would refuse all of it.
_MOST = 25_000


def lint_sarif(problems: Iterable[Problem]) -> dict[str, Any]:
    """Problems as a SARIF 2.1.0 log, files relative to the working directory."""
    results = [_result(problem) for problem in problems]
    rules = [
        {"id": level.value, "shortDescription": {"text": text}, "defaultConfiguration": {"level": level.value}}
        for level, text in _RULES.items()
    ]
    driver = {"name": "scanmatrix lint", "version": own_version(), "rules": rules}
    run: dict[str, Any] = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results[:_MOST]}
    if len(results) > _MOST:
        text = f"{len(results) - _MOST:,} further problems are left out; code scanning takes no more"
        notes = [{"level": "warning", "message": {"text": text}}]
        run["invocations"] = [{"executionSuccessful": True, "toolExecutionNotifications": notes}]
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def lint_annotations(problems: Iterable[Problem]) -> Iterator[str]:
    """Problems as commands of GitHub's workflows, which shows them at their lines.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    for problem in problems:
        line = f",line={problem.line}" if problem.line else ""
        yield f"::{problem.level} file={_property(_relative(problem.file))}{line}::{_data(problem.message)}"


def _result(problem: Problem) -> dict[str, Any]:
    file = _relative(problem.file)
    place: dict[str, Any] = {
        "artifactLocation": {"uri": Path(file).as_uri() if Path(file).is_absolute() else quote(file)}
    }
    if problem.line:
        place["region"] = {"startLine": problem.line}
    return {
        "ruleId": problem.level.value,
        "level": problem.level.value,
        "message": {"text": problem.message},
        "locations": [{"physicalLocation": place}],
    }


def _relative(file: str) -> str:
    """A file below the working directory without the way there, with `/` between its parts."""
    path = Path(file)
    here = Path.cwd()
    return (path.relative_to(here) if path.is_relative_to(here) else path).as_posix()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
