"""What is known of one version of a database, in a file beside its own; and whether it is whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.kit.trees import walk
from orchestrator.model import DatabaseFacts
from orchestrator.model.documents import DocumentError, read

if TYPE_CHECKING:
    from pathlib import Path

#: Name of the facts' file in a version's folder; scanners pass over it.
FACTS = ".scanmatrix.json"


def read_facts(folder: Path) -> DatabaseFacts | None:
    """What is known of a version; None where an earlier scanmatrix had a scanner's command make it."""
    try:
        return read(folder / FACTS, DatabaseFacts)
    except (DocumentError, OSError):
        return None


def sizes(folder: Path) -> dict[str, int]:
    """Bytes of every file of a version, by its name there, but of the facts."""
    found = {entry.relative: entry.status.st_size for entry in walk(folder) if entry.is_file}
    return {name: found[name] for name in sorted(found) if name != FACTS}


def damage(folder: Path) -> str:
    """What is wrong with a version, by the sizes of its files alone; empty when nothing is.

    A disk that was full, a copy that was cut off and a hand that slipped show there. What somebody forged does not:
    the sums of the facts are for that, before anything is taken over into the next version.
    """
    facts = read_facts(folder)
    if facts is None:
        return "" if has_content(folder) else "it has no file with any content"
    there = sizes(folder)
    for name, size in facts.sizes.items():
        if there.get(name) != size:
            found = f"has {there[name]} bytes" if name in there else "is missing"
            return f"{name} {found}, it was written with {size}"
    return "" if there else "it has no file but its facts"


def has_content(folder: Path) -> bool:
    """Whether there is a regular file with a byte in it; links are not followed."""
    return any(entry.is_file and entry.status.st_size > 0 for entry in walk(folder))
