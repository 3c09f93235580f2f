"""What is worth saying of the names of targets, beside the names themselves."""

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.model import Name


def remarks(names: Mapping[str, Sequence[Name]]) -> list[str]:
    """A sentence for each thing that is noted of names, and for each wish to be left out that could not be followed.

    Args:
        names: of each target.
    """
    found: dict[str, list[Name]] = {}
    for of_target in names.values():
        others_want_it = any(not name.skip for name in of_target)
        for name in of_target:
            if name.note:
                found.setdefault(name.note, []).append(name)
            if name.skip and others_want_it:
                said = f"{name.skip}; what others ask for of the same image is scanned nevertheless"
                found.setdefault(said, []).append(name)
    return [f"{said}: {_such_as(of)}" for said, of in found.items()]


def first(things: Iterable[str], most: int) -> list[str]:
    """The first few of them, and how many more there are."""
    every = list(things)
    more = len(every) - most
    return [*every[:most], *([f"… and {more} more"] if more > 0 else [])]


def _such_as(names: Sequence[Name]) -> str:
    one = names[0]
    where = f" in {one.workload}" if one.workload else ""
    return f"{one.reference}{where}" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
