"""What commands print: tables for people, JSON and YAML for programs.

Every line and every table goes through here, and nowhere else: what strangers wrote is made visible (see
`orchestrator.kit.text`). Programs get it exactly, hidden characters as the escapes of their format.
"""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from orchestrator.kit.masking import mask
from orchestrator.kit.text import escape_json, has_hidden, visible, visible_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import BinaryIO

    from rich.table import Table

    from orchestrator.model import Ledger, LedgerRow, Plan, Scan
    from orchestrator.store.documents import Pruned, TakenInAll


Cell: TypeAlias = "str | Sequence[str]"
"""What stands in a cell of a table: a line, or several."""


class OutputFormat(StrEnum):
    """How a command prints its data."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def say(line: str) -> None:
    """Print a line on stdout."""
    sys.stdout.write(f"{visible_message(line)}\n")


def complain(line: str) -> None:
    """Print a line on stderr."""
    sys.stdout.flush()
    sys.stderr.write(f"{visible_message(mask(line))}\n")
    sys.stderr.flush()


def print_file(file: BinaryIO) -> None:
    """Print a file of text: exactly, but on a terminal with what is hidden in it made visible."""
    if not sys.stdout.isatty():
        sys.stdout.flush()
        shutil.copyfileobj(file, sys.stdout.buffer, 1 << 20)
        return
    for line in file:
        say(line.decode(errors="backslashreplace").rstrip("\n"))


def print_data(data: object, output: OutputFormat) -> None:
    """Print documents as JSON or YAML, with every field, defaults too."""
    import msgspec

    plain = _plain(data)
    if output is OutputFormat.JSON:
        text = msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()
        sys.stdout.buffer.write(escape_json(text).encode() + b"\n")
    else:
        import yaml

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text = yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True)
        # YAML escapes either all that is not ASCII, or only some of what is hidden.
        sys.stdout.write(yaml.dump(plain, Dumper=dumper, sort_keys=False) if has_hidden(text) else text)


def _plain(value: Any) -> Any:
    """Documents as plain mappings; unlike the files we write, with the fields that hold their default."""
    import msgspec

    if isinstance(value, msgspec.Struct):
        return {field: _plain(getattr(value, field)) for field in value.__struct_fields__}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return msgspec.to_builtins(value)


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, right: frozenset[str] = frozenset()
) -> None:
    """Print a table as wide as the terminal; in a pipe, as wide as its content, so that no line is broken."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    if title:
        console.print(Text(visible(title), style="bold"))
    console.print(make_table(columns, rows, right=right))


def make_table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, right: frozenset[str] = frozenset(), fold: bool = True
) -> Table:
    """A table as all our commands print it.

    Args:
        columns: their names.
        rows: of lines, or of several of them.
        right: columns with numbers.
        fold: whether text that is too long continues in a further line, or else is cut off.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(visible(column), overflow="fold" if fold else "ellipsis", no_wrap=not fold, justify=justify)
    for row in rows:
        cells = ([cell] if isinstance(cell, str) else cell for cell in row)
        table.add_row(
            *(Text("\n".join(map(visible, lines)), style=_STYLES.get("".join(lines[:1]), "")) for lines in cells)
        )
    return table


# Workloads that are printed of one target.
_WORKLOADS = 10
#: Stands where a scan could run, were its scanner here.
LACKING = "!"
_STYLES = {
    "x": "bold green",
    LACKING: "bold red",
    "ok": "green",
    "failed": "bold red",
    "skipped": "yellow",
    "suspect": "bold red",
}


def print_plan(plan: Plan, missing: Mapping[str, str] = MappingProxyType({})) -> None:
    """The matrix: a row per target, a column per scan, `x` where a cell runs and why not where it does not.

    Args:
        plan: to show.
        missing: why scans cannot run here, by their names: their cells are `!`.
    """
    from orchestrator.model import Decision
    from orchestrator.results.naming import remarks

    scans = [scan.name for scan in plan.scans]
    marks: dict[str, dict[str, str]] = {}
    for cell in plan.cells:
        runs = cell.decision is Decision.RUN
        mark = LACKING if cell.scan in missing else "x"
        marks.setdefault(cell.target, {})[cell.scan] = mark if runs else f"{cell.decision}: {cell.reason}"
    # A repository has none, nor has what is no image.
    several = len({str(target.platform) for target in plan.targets} - {""}) > 1
    rows: list[list[Cell]] = []
    for target in plan.targets:
        of_target = marks.get(target.id, {})
        note = f" ({target.platform})" if several and str(target.platform) else ""
        references = names_of((name.reference for name in target.names), note)
        names = [*references, *_indented(target.workloads)]
        # One reason for the whole row is said once, under the name, not in every column.
        reasons = set(of_target.values()) - {"x", LACKING}
        if target.error and len(reasons) == 1:
            rows.append([[*names, f"  {target.error}"], *("fail" if scan in of_target else "" for scan in scans)])
        else:
            # One cell, but each of the image's names gets its result.
            found = (of_target.get(scan, "") for scan in scans)
            rows.append([names, *([mark] * len(references) if mark in {"x", LACKING} else mark for mark in found)])
    print_table(f"Plan {plan.run}", ["Target", *scans], rows)
    print_missing(missing, {cell.scan for cell in plan.cells if cell.decision is Decision.RUN})
    for passed_over in dict.fromkeys(note for target in plan.targets for note in target.passed_over):
        say(f"passed over: {passed_over}")
    for remark in remarks({target.id: target.names for target in plan.targets}):
        say(f"note: {remark}")
    say(budget_line(plan))


def print_missing(missing: Mapping[str, str], scans: Iterable[str]) -> None:
    """What `!` means, a line for each of these scans that has no scanner here."""
    for name in sorted(missing.keys() & set(scans)):
        say(f"{LACKING} {name}: {missing[name]}")


def budget_line(plan: Plan) -> str:
    """What the plan will cost the way it will run, in one sentence."""
    from orchestrator.kit.quantities import spell_size

    budget, several = plan.budget, len(plan.waves)
    together = f"{budget.at_once} at a time" if budget.at_once > 1 else "one after the other"
    line = (
        f"{budget.cells} of {len(plan.cells)} cells to run on {budget.images} targets"
        f"{f' in {several} batches, {together}' if several > 1 else ''}:"
        f" {spell_size(budget.pull_bytes)} to pull, {spell_size(budget.volume_bytes)} on the volume at most"
    )
    if budget.spec_bytes:
        line += f", {budget.pods} pods, a Workflow of {spell_size(budget.spec_bytes)}"
    return line + (f"; {budget.unknown} targets of unknown size not counted" if budget.unknown else "")


def print_ledger(ledger: Ledger) -> None:
    """Every cell and how it ended; how many components it has, where a scan wrote a BOM."""
    from orchestrator.results.naming import remarks

    columns = ["Target", "Scan", "Outcome", "Findings", "Components", "Why"]
    rows: list[list[Cell]] = [
        [
            [*names_of(row.references), *_indented(row.workloads)],
            row.scan,
            _outcome(row),
            _count(row.findings),
            _count(row.components),
            _why(row),
        ]
        for row in ledger.rows
    ]
    if all(row.components is None for row in ledger.rows):
        where = columns.index("Components")
        del columns[where]
        for line in rows:
            del line[where]
    print_table(f"Ledger of {ledger.run}", columns, rows, right=frozenset({"Findings", "Components"}))
    for remark in remarks(ledger.names):
        say(f"note: {remark}")


def _count(number: int | None) -> str:
    return "" if number is None else str(number)


def names_of(references: Iterable[str], note: str = "") -> list[str]:
    """Every name of a target once, a line each; archives below the working directory without the way there."""
    here = f"{Path.cwd()}{os.sep}"
    return [f"{reference.removeprefix(here)}{note}" for reference in dict.fromkeys(references)]


def _indented(workloads: Sequence[str]) -> list[str]:
    """What runs a target, below its names."""
    from orchestrator.results.naming import first

    return [f"  {each}" for each in first(workloads, _WORKLOADS)]


def _outcome(row: LedgerRow) -> str:
    return "suspect" if row.suspect else row.outcome.value


def _why(row: LedgerRow) -> str:
    if row.suspect:
        return row.suspect
    return f"{row.reason} (after {row.attempts} attempts)" if row.reason and row.attempts > 1 else row.reason


def print_scans(scans: Sequence[Scan], missing: Mapping[str, str] = MappingProxyType({})) -> None:
    """The catalog: what each scan is, and within which bounds it runs; `!` marks those whose scanner is not here."""
    rows = [
        [
            f"{scan.name} {LACKING}" if scan.name in missing else scan.name,
            scan.description,
            scan.image,
            scan.format,
            f"{scan.resources.cpu} CPU, {scan.resources.memory_limit}",
            f"{scan.timeout} s × {scan.retries + 1}",
            ", ".join(scan.platforms) or "all",
        ]
        for scan in scans
    ]
    print_table("", ["Scan", "What it does", "Image", "Format", "Limits", "Time", "Platforms"], rows)
    print_missing(missing, [scan.name for scan in scans])


def print_taken_in(found: TakenInAll) -> None:
    """What came into the store, a line for each run."""
    rows = [[run.run, *(str(getattr(run, name)) for name in _OF_RUN)] for run in found.runs]
    if rows:
        print_table("", ["Run", *(name.capitalize() for name in _OF_RUN)], rows, right=_RIGHT)
    damaged = f", {len(found.damaged)} damaged" if found.damaged else ""
    say(f"{len(rows)} runs imported, {found.known} known already{damaged}")


_OF_RUN = ("cells", "findings", "opened", "closed")
_RIGHT = frozenset(name.capitalize() for name in _OF_RUN)


def print_pruned(pruned: Pruned) -> None:
    """What was deleted, in one line."""
    counts = ", ".join(f"{getattr(pruned, name)} {name}" for name in pruned.__struct_fields__)
    say(f"deleted: {counts}")
