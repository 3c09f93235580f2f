"""Choosing among merged findings, as the command line and Python callers ask for them."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Any

from orchestrator.analysis.suppression.targets import names_of_target
from orchestrator.errors import UsageError
from orchestrator.model import KINDS, Document, Severity
from orchestrator.packages.spellings import means

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd


class Choice(Document, frozen=True):
    """Which merged findings are wanted; every condition that is given must hold.

    Attributes:
        target: glob for a name of the target, with or without its tag, or its digest; as in ignore rules.
        owner: glob for an owner of it.
        scan: found by this one.
        id: glob for the id or an alias.
        package: glob for the package's name, as any scanner calls it, or for its package URL; as in ignore rules.
        kinds: one of these; none for all.
        severity: this one or above; None for all.
        fixable: only what has a fixed version.
        suppressed: also what is suppressed.
    """

    target: str = ""
    owner: str = ""
    scan: str = ""
    id: str = ""
    package: str = ""
    kinds: tuple[str, ...] = ()
    severity: Severity | None = None
    fixable: bool = False
    suppressed: bool = False


def choose(merged: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """The rows of a frame of merged findings that are wanted, the worst first; the columns stay as they are.

    Args:
        merged: as `orchestrator.results.read_merged` gives it.
        choice: what is wanted.

    Raises:
        UsageError: there is no such kind.
    """
    if unknown := sorted(set(choice.kinds) - set(KINDS)):
        raise UsageError(f"there is no kind of finding {', '.join(unknown)}; there are {', '.join(KINDS)}")
    chosen = _by_target(_by_finding(merged, choice), choice)
    return chosen.sort_values("severity", ascending=False, kind="stable")


def _by_finding(wanted: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """What fulfils the conditions on the finding itself."""
    if not choice.suppressed:
        wanted = wanted[wanted["suppressed"] == ""]
    if choice.kinds:
        wanted = wanted[wanted["kind"].isin(choice.kinds)]
    if choice.severity is not None:
        wanted = wanted[wanted["severity"] >= choice.severity.value]
    if choice.fixable:
        wanted = wanted[wanted["fixed_version"] != ""]
    if choice.package:
        columns = (wanted[name] for name in ("purl", "package", "version"))
        matches = list(map(means(choice.package), *columns))
        wanted = wanted.take([place for place, is_meant in enumerate(matches) if is_meant])
    if choice.id:
        wanted = wanted[
            wanted["id"].str.fullmatch(translate(choice.id)) | _any(wanted["aliases"], (choice.id,), wanted.index)
        ]
    return wanted


def _by_target(wanted: pd.DataFrame, choice: Choice) -> pd.DataFrame:
    """What fulfils the conditions on where it was found, and by whom."""
    for pattern, column in ((choice.owner, "owners"), (choice.scan, "found_by")):
        if pattern:
            wanted = wanted[_any(wanted[column], (pattern,), wanted.index)]
    if choice.target:
        meant = {target: _is_meant(choice.target, names) for target, names in _names(wanted).items()}
        wanted = wanted[wanted["target"].map(meant).astype("bool")]
    return wanted


def _names(frame: pd.DataFrame) -> dict[str, tuple[str, ...]]:
    """Every name of each target, Docker Hub's short ones too, as ignore rules know them."""
    targets = frame.drop_duplicates("target")
    columns = zip(targets["target"], targets["references"], targets["digest"], targets["indexes"], strict=True)
    return {target: names_of_target(tuple(names), digest, tuple(indexes)) for target, names, digest, indexes in columns}


def _is_meant(pattern: str, names: tuple[str, ...]) -> bool:
    return any(map(re.compile(translate(pattern)).match, names))


def _any(lists: Iterable[Iterable[str]], patterns: Iterable[str], index: pd.Index[Any]) -> pd.Series[bool]:
    """For each list, whether one of its values matches one of these globs."""
    import pandas as pd  # noqa: PLC0415 - whoever has a frame has it already

    compiled = [re.compile(translate(pattern)).match for pattern in patterns]
    found = [any(matches(value) for value in values for matches in compiled) for values in lists]
    return pd.Series(found, index=index, dtype="bool")
