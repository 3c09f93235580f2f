"""The placeholders of a command line, filled in."""

from collections.abc import Mapping, Sequence

from orchestrator.model import Scan


def fill(texts: Sequence[str], scan: Scan, places: Mapping[str, str]) -> tuple[str, ...]:
    """Put values in place of `{tarball}`, `{report}`, …; each occurrence once, so a value is never read again."""
    values = {**places, **{f"parameter.{name}": value for name, value in scan.parameters.items()}}
    return tuple(_fill(text, values) for text in texts)


def _fill(text: str, values: Mapping[str, str]) -> str:
    head, *pieces = text.split("{")
    filled = [head]
    for piece in pieces:
        name, closed, rest = piece.partition("}")
        filled.append(f"{values[name]}{rest}" if closed and name in values else "{" + piece)
    return "".join(filled)
