"""From when to when a finding was there: the same spans, in whatever order the cells of a target and scan come in.

Think of all its ok cells in a line, by time. A span is a longest stretch of them that all have the finding: it begins
with the first of these cells, and is gone with the next cell after them. So nothing is written for a finding that is
still there, and a cell that comes late, or one that is taken back, changes only the spans around its place.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Position(NamedTuple):
    """A cell's place in the line: seconds since 1970; the run's id decides between equal ones."""

    at: int
    run: str


class Span(NamedTuple):
    """A stretch of cells with one finding; `last` and `gone` are None while it is still there.

    Attributes:
        fact: which finding.
        first: the first cell that has it.
        last: the last cell that has it.
        gone: the cell after that, which lacks it.
        seen: since when it is known under a name of the target, seconds since 1970; 0 where nobody said.
    """

    fact: int
    first: Position
    last: Position | None = None
    gone: Position | None = None
    seen: int = 0


class Reweaving(NamedTuple):
    """Spans to take out, and spans to put in; one whose end changed is in both."""

    out: list[Span]
    into: list[Span]


def weave(
    spans: Iterable[Span], facts: Mapping[int, int], here: Position, before: Position | None, after: Position | None
) -> Reweaving:
    """Put a cell into the line.

    Args:
        spans: known ones of this target and scan; closed ones are needed only when there is a cell after it.
        facts: what the cell found, and since when each is known (`Span.seen`).
        here: its place.
        before: place of the ok cell before it, None for none.
        after: place of the ok cell after it, None for none.
    """
    out: list[Span] = []
    into: list[Span] = []
    settled: set[int] = set()
    for span in spans:
        if span.first < here and (span.gone is None or span.gone > here):
            settled.add(span.fact)
            if span.fact not in facts:
                out.append(span)
                into.append(span._replace(last=before or span.first, gone=here))
                if after is not None and span.gone != after:
                    into.append(span._replace(first=after))
            elif span.gone is not None and span.gone == after:
                out.append(span)
                into.append(span._replace(last=here))
        elif span.first == after and span.fact in facts:
            settled.add(span.fact)
            out.append(span)
            known = [seen for seen in (span.seen, facts[span.fact]) if seen]
            into.append(span._replace(first=here, seen=min(known, default=0)))
    last = None if after is None else here
    into += [Span(fact, here, last, after, facts[fact]) for fact in sorted(facts.keys() - settled)]
    return Reweaving(out, into)


def unweave(spans: Iterable[Span], here: Position, before: Position | None, after: Position | None) -> Reweaving:
    """Take a cell out of the line again; the arguments are those of `weave`, with all spans."""
    out: list[Span] = []
    into: list[Span] = []
    spans = list(spans)
    following = {span.fact: span for span in spans if after is not None and span.first == after}
    for span in spans:
        if span.first == here:
            out.append(span)
            if after is not None and span.gone != after:
                into.append(span._replace(first=after))
        elif span.gone == here:
            out.append(span)
            joined = following.get(span.fact)
            if joined is not None:
                out.append(joined)
                into.append(joined._replace(first=span.first))
            else:
                into.append(span._replace(last=None if after is None else span.last, gone=after))
        elif span.last == here:
            out.append(span)
            into.append(span._replace(last=before or span.first))
    return Reweaving(out, into)
