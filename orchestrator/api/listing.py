"""The runs of a volume in numbers, without loading configuration and store where the answer is known."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.config.file import find_config
from orchestrator.config.likely import likely_volume
from orchestrator.queries.remembered import SETTLES_IN, RememberedRuns, basis, contents, digest, recall, remember
from orchestrator.volume.layout import Volume

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.results.overview import RunSummary

_VARIABLES = "SCANMATRIX_"
#: Times that the store is asked, where what it rests on changes meanwhile: by the runs that asking imports.
_TIMES = 2


class RunsQuestion(NamedTuple):
    """Who asks for the runs.

    Attributes:
        file: the configuration that holds; None for none.
        volume: the volume it most likely has; None where that takes reading all of it.
        digest: of all that the configuration is made of, but for files that it names.
    """

    file: Path | None
    volume: Path | None
    digest: str


def question_of(config: Path | None, volume: Path | None) -> RunsQuestion:
    """Who asks, by what `--config` and `--volume` say.

    Raises:
        UsageError: nobody can tell which configuration is meant.
    """
    file = find_config(Path()) if config is None else config
    found = likely_volume(file, os.environ) if volume is None else volume.expanduser().absolute()
    named = sorted((name, value) for name, value in os.environ.items() if name.startswith(_VARIABLES))
    path = Path.cwd() if file is None else file.absolute()
    parts = [str(path), contents([str(path)]), str(found), volume is not None, named]
    return RunsQuestion(file, found, digest(parts))


def known_runs(question: RunsQuestion, most: int | None) -> tuple[RunSummary, ...] | None:
    """The runs in numbers, the latest first, as they were and still are; None where they have to be asked for.

    Args:
        question: who asks.
        most: of them; None for all.
    """
    return None if question.volume is None else recall(Volume(question.volume), question.digest, most)


def ask_for_runs(config: Config, question: RunsQuestion, most: int | None) -> tuple[RunSummary, ...]:
    """The same, asked of the store, and remembered where nothing is missing in it.

    Args:
        config: of who asks.
        question: who asks.
        most: of them; None for all.
    """
    from orchestrator.queries import asking
    from orchestrator.scanners.rules import rule_files, volume_of

    for attempt in range(_TIMES):
        if attempt:
            time.sleep(SETTLES_IN)
        rules = contents(map(str, rule_files(config)))
        volume = volume_of(config)
        before = basis(volume)
        with asking(volume, config) as store:
            found, in_order = store.overview(most), store.is_index_of(volume)
        if not in_order or question.volume is None or volume.root != question.volume.resolve():
            break
        if before and before == basis(volume):
            remember(volume, RememberedRuns(question.digest, rules, before, most, found))
            break
    return found
