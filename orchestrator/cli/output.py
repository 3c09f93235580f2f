"""What commands print: tables for people, JSON and YAML for programs.

Every line goes through here, every table through `orchestrator.cli.tables`, and nowhere else: what strangers wrote is
made visible (see `orchestrator.kit.text`). Programs get it exactly, hidden characters as the escapes of their format.
"""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from orchestrator.cli.tables import Fit, TableColumn, print_table
from orchestrator.kit.masking import mask
from orchestrator.kit.text import escape_json, has_hidden, visible_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import BinaryIO

    from orchestrator.api.printed import KeyExplanation
    from orchestrator.model import Scan
    from orchestrator.store.documents import Pruned, TakenInAll


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
        sys.stdout.flush()
        return
    for line in file:
        say(line.decode(errors="backslashreplace").rstrip("\n"))


def print_data(data: object, output: OutputFormat) -> None:
    """Print documents as JSON or YAML, with every field, defaults too."""
    import msgspec

    from orchestrator.api.json_documents import plain as plain_of

    plain = plain_of(data)
    if output is OutputFormat.JSON:
        text = msgspec.json.format(msgspec.json.encode(plain), indent=2).decode()
        sys.stdout.buffer.write(escape_json(text).encode() + b"\n")
    else:
        import yaml

        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text = yaml.dump(plain, Dumper=dumper, sort_keys=False, allow_unicode=True)
        # YAML escapes either all that is not ASCII, or only some of what is hidden.
        sys.stdout.write(yaml.dump(plain, Dumper=dumper, sort_keys=False) if has_hidden(text) else text)


# Workloads that are printed of one target.
_WORKLOADS = 10
#: Stands where a scan could run, were its scanner here.
LACKING = "!"


def print_missing(missing: Mapping[str, str], scans: Iterable[str]) -> None:
    """What `!` means, a line for each of these scans that has no scanner here."""
    for name in sorted(missing.keys() & set(scans)):
        say(f"{LACKING} {name}: {missing[name]}")


def names_of(references: Iterable[str]) -> list[str]:
    """Every name of a target once, a line each; archives below the working directory without the way there."""
    here = f"{Path.cwd()}{os.sep}"
    return [reference.removeprefix(here) for reference in dict.fromkeys(references)]


def indented(workloads: Sequence[str]) -> list[str]:
    """What runs a target, below its names."""
    from orchestrator.results.naming import first

    return [f"  {each}" for each in first(workloads, _WORKLOADS)]


def print_explanation(found: KeyExplanation) -> None:
    """What a key means: its name, meaning, type, default, the keys below it, and an example."""
    import textwrap

    say(f"{found.file}: {found.key}")
    for line in textwrap.wrap(found.meaning, 96):
        say(f"  {line}")
    say(f"type:    {found.type}")
    say(f"default: {found.default}")
    if found.keys:
        names = ", ".join(key.rpartition(".")[2] for key in found.keys)
        for line in textwrap.wrap(f"keys:    {names}", 96, subsequent_indent=" " * 9):
            say(line)
    say("example:")
    for line in found.example.splitlines():
        say(f"  {line}")


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
    columns = [
        TableColumn("Scan"),
        TableColumn("What it does", Fit.FOLD),
        TableColumn("Image", Fit.MIDDLE, 1),
        TableColumn("Format", rank=2),
        TableColumn("Limits", rank=3),
        TableColumn("Time", rank=4),
        TableColumn("Platforms", rank=5),
    ]
    print_table("", columns, rows)
    print_missing(missing, [scan.name for scan in scans])


def print_taken_in(found: TakenInAll) -> None:
    """What came into the store, a line for each run."""
    rows = [[run.run, *(str(getattr(run, name)) for name in _OF_RUN)] for run in found.runs]
    if rows:
        print_table("", [TableColumn("Run"), *(TableColumn(name.capitalize(), Fit.NUMBER) for name in _OF_RUN)], rows)
    damaged = f", {len(found.damaged)} damaged" if found.damaged else ""
    say(f"{len(rows)} runs imported, {found.known} known already{damaged}")


_OF_RUN = ("cells", "findings", "opened", "closed")


def print_pruned(pruned: Pruned) -> None:
    """What was deleted, in one line."""
    counts = ", ".join(f"{getattr(pruned, name)} {name}" for name in pruned.__struct_fields__)
    say(f"deleted: {counts}")
