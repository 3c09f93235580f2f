"""A CSV of targets, a local file or one out of a git repository.

    image,scans,owner,environment
    ubuntu:20.04,general;virus,platform@example.com,production
    java-tool:12,*,java@example.com,production

    repository,ref,scans,owner
    https://github.com/example/shop,main,scorecard;secrets,shop@example.com

RFC 4180 with a header line, columns in any order and separated by commas or tabs, or by `;` where no cell can mean two
things (`orchestrator.inventory.csv_layout`). Tag and digest may stand in columns of their own (`csv_references`).
Each row is an `image` or a source `repository` (its URL, with `ref` where that is not HEAD); a file may have both
columns. `scans` and `owner` mean what they say; every other column becomes a label. Blank lines and lines that begin
with `#` are skipped. Mistakes of the file refuse it whole, all told at once, because a misspelt scan or
column would silently scan less. A malformed image reference is no mistake of the file: planning makes it a failed row.
"""

from __future__ import annotations

import csv
import io
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.catalog.loading import unknown_scan
from orchestrator.config.targets import judge_lifetime
from orchestrator.git.checkout import read_file
from orchestrator.git.url import NO_CREDENTIALS, holds_credentials
from orchestrator.inventory.csv_layout import (
    SEMICOLON,
    Layout,
    layout_of,
    means_two_things,
    name_of,
    names_columns,
    seems_separated_by,
)
from orchestrator.inventory.csv_references import joined, misplaced, plain
from orchestrator.inventory.csv_row import CsvRow
from orchestrator.inventory.interface import HEAD, Context, Entry, InventoryError
from orchestrator.inventory.labels import MAX_LIFETIME
from orchestrator.kit.sources import Problem, SourceError, decode_text, read_text, suggest
from orchestrator.model import TargetKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.config.targets import TargetSource

_log = logging.getLogger(__name__)

_OWN = tuple(CsvRow.model_fields)
_NAMING = frozenset(CsvRow.choices)
#: Labels that mean something to scans, by the names that spreadsheets and people make of theirs.
_LABELS = {MAX_LIFETIME.lower(): MAX_LIFETIME}
_AMBIGUOUS = (
    "columns are separated by ';', which separates scans too, and line {line} is ambiguous: {why}; save the file with"
    " commas, or put the scans in quotes"
)


def read_csv(source: TargetSource, context: Context) -> list[Entry]:
    """Entries of a CSV; see `Reader`."""
    assert source.csv is not None  # noqa: S101 - the reader is chosen by this key
    written = source.csv.path
    try:
        if source.csv.git is None:
            path = context.base / Path(written).expanduser()
            name = written
            text = read_text(path, name=str(path) if context.base != Path.cwd() else written, marked=True)
        else:
            git, left = source.csv.git, context.allowance.seconds_left
            file = read_file(git.url, git.ref, written, retries=context.retries, left=left)
            name = f"{git.url}@{file.commit}:{written}"
            text = decode_text(file.data, name, marked=True)
    except InventoryError:
        raise
    except SourceError as error:
        raise InventoryError(error.problems) from error
    entries = parse_csv(text, name, context.scans)
    if not entries:
        _log.warning("%s names columns but no target; it adds nothing to the run", name)
    return entries


def parse_csv(text: str, name: str, scans: tuple[str, ...]) -> list[Entry]:
    """Entries of a CSV's text.

    Args:
        text: the file.
        name: what to call it in messages and origins.
        scans: names of every scan there is.

    Raises:
        InventoryError: it has mistakes.
    """
    problems: list[Problem] = []
    layout = layout_of(text, _NAMING)
    rows = _rows(text, layout, name, problems)
    line, header = next(rows, (0, []))
    if problems or not header:
        raise InventoryError(
            problems or [Problem(name, 1, "is empty; the first line names the columns: image,scans,owner")]
        )
    header = [_LABELS.get(plain(name), name) for name in map(name_of, header)]
    header_line, columns = line, [name.lower() for name in header]
    problems += [Problem(name, line, message) for message in _judge_header(columns, header)]
    if problems:
        raise InventoryError(problems)
    entries: list[Entry] = []
    for line, row in rows:
        cells = [cell.strip() for cell in row]
        if layout.separator == SEMICOLON and (why := means_two_things(columns, cells, scans)):
            raise InventoryError([Problem(name, header_line, _AMBIGUOUS.format(line=line, why=why))])
        wrong = list(_judge_row(columns, cells, scans))
        if wrong:
            problems += [Problem(name, line, message) for message in wrong]
        else:
            entries.append(_entry(columns, header, cells, f"{name}:{line}"))
    if problems:
        raise InventoryError(problems)
    return entries


def names_targets(text: str) -> bool:
    """Whether a text begins as a CSV of targets does: with the names of its columns."""
    return names_columns(text, _NAMING)


def _rows(text: str, layout: Layout, name: str, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """Rows with content and the line each begins in; a row that cannot be read ends them with a problem."""
    reader = csv.reader(_without_comments(text, layout), delimiter=layout.separator, strict=True)
    while True:
        begin = reader.line_num + 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            what = "a quote is opened here and never closed" if "end of data" in str(error) else str(error)
            problems.append(Problem(name, begin, what))
            return
        if row is None:
            return
        if any(cell.strip() for cell in row) and not row[0].lstrip().startswith("#"):
            yield begin, row


def _without_comments(text: str, layout: Layout) -> Iterator[str]:
    """Lines, those that begin with `#` made blank (unless a quoted cell continues in them), and the declaration."""
    quoted, declared = False, layout.declared
    for line in io.StringIO(text, newline=""):
        if not quoted and line.lstrip().startswith("#"):
            yield "\n"
            continue
        if declared and line.strip():
            declared = False
            yield "\n"
            continue
        quoted ^= line.count('"') % 2 == 1
        yield line


def _judge_header(columns: list[str], header: list[str]) -> Iterator[str]:
    """What is wrong with the names of the columns."""
    named = {"image", "repository"} & set(columns)
    if not named:
        near = next((found for column in columns if (found := suggest(column, ["image", "repository"]))), "")
        seems = seems_separated_by(columns)
        what = f"there is no column 'image' nor 'repository'{near}{seems}"
        yield f"{what}; the first line names them, as image,scans,owner"
    for twice in sorted({column for column in columns if column and columns.count(column) > 1}):
        yield f"column {twice!r} is there twice"
    # As a label it would be legal, and every row would silently get the default.
    missing = [own for own in ("scans", "owner") if own not in columns and named]
    for column, written in zip(columns, header, strict=True):
        if column not in _OWN and column and (near := suggest(column, missing)):
            yield f"unknown column {written!r}{near}"


def _judge_row(columns: list[str], cells: list[str], scans: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with one row."""
    if len(cells) > len(columns) and any(cells[len(columns) :]):
        yield f"{len(cells)} cells for {len(columns)} columns; put a cell that holds a comma in quotes"
        return
    row = dict(zip(columns, cells, strict=False))
    yield from _judge_target(row)
    if wrong := judge_lifetime(row.get(MAX_LIFETIME.lower(), "")):
        yield f"{MAX_LIFETIME}: {wrong}"
    if row.get(""):
        yield f"{row['']!r} stands in a column without a name"
    for scan in _split(row.get("scans", "")):
        if scan != "*" and scan not in scans:
            yield f"scans: {unknown_scan(scan, scans)}"


def _judge_target(row: dict[str, str]) -> Iterator[str]:
    """What is wrong with what a row names."""
    image, repository = row.get("image", ""), row.get("repository", "")
    if image and repository:
        yield "image: stands beside a repository; give each a row of its own"
    elif not image and not repository:
        known = [column for column in ("image", "repository") if column in row]
        yield f"{known[0]}: the {' or the '.join(known)} is missing"
    if row.get("ref") and not repository:
        yield "ref: a ref belongs to a repository; an image has its tag in its name"
    if repository and holds_credentials(repository):
        yield f"repository: the URL of the repository: {NO_CREDENTIALS}"
    if not (image and repository):
        yield from misplaced(row)


def _split(text: str) -> list[str]:
    return [name for part in text.split(";") if (name := part.strip())]


def _entry(columns: list[str], header: list[str], cells: list[str], origin: str) -> Entry:
    row = dict(zip(columns, cells, strict=False))
    repository = row.get("repository", "")
    return Entry(
        reference=repository or joined(row),
        scans=tuple(_split(row.get("scans", ""))),
        owner=row.get("owner", ""),
        labels={
            written: cell
            for column, written, cell in zip(columns, header, cells, strict=False)
            if column and column not in _OWN and cell
        },
        origin=origin,
        kind=TargetKind.REPOSITORY if repository else TargetKind.IMAGE,
        ref=(row.get("ref") or HEAD) if repository else "",
    )
