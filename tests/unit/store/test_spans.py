"""Spans against what they stand for: which of a line's cells have which findings."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.store.spans import Position, Span, unweave, weave

FACTS = st.sets(st.integers(1, 4)).map(lambda found: dict.fromkeys(found, 0))
CELLS = st.dictionaries(st.builds(Position, st.integers(1, 6), st.sampled_from("ab")), FACTS, min_size=1, max_size=8)


def _expected(line: dict[Position, dict[int, int]]) -> set[Span]:
    """The spans of a whole line, by walking it for each finding."""
    spans = set()
    for fact in {fact for facts in line.values() for fact in facts}:
        first = last = None
        for place in sorted(line):
            if fact in line[place]:
                first, last = first or place, place
            elif first:
                spans.add(Span(fact, first, last, place))
                first = None
        if first:
            spans.add(Span(fact, first))
    return spans


def _neighbours(line, here):
    return max((p for p in line if p < here), default=None), min((p for p in line if p > here), default=None)


def _apply(spans, change):
    assert set(change.out) <= spans
    return (spans - set(change.out)) | set(change.into)


@given(CELLS, st.randoms(use_true_random=False))
def test_any_order_gives_the_spans_of_the_whole_line(line, random):
    spans, known = set(), {}
    order = list(line)
    random.shuffle(order)
    for here in order:
        spans = _apply(spans, weave(spans, line[here], here, *_neighbours(known, here)))
        known[here] = line[here]
        assert spans == _expected(known)
    for here in reversed(order):
        del known[here]
        spans = _apply(spans, unweave(spans, here, *_neighbours(known, here)))
        assert spans == _expected(known)


@given(CELLS, FACTS)
def test_the_newest_cell_needs_the_open_spans_only(line, facts):
    spans, here = _expected(line), Position(9, "a")
    still_open = [span for span in spans if span.gone is None]
    assert set(weave(still_open, facts, here, max(line), None).into) <= _expected({**line, here: facts})
    assert _apply(spans, weave(still_open, facts, here, max(line), None)) == _expected({**line, here: facts})
