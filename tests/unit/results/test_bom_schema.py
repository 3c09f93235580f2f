"""Repair: afterwards every document is valid, and valid ones are left alone."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.results.bom.validity import repair, validator
from tests.examples import examples

HEAD = {"bomFormat": "CycloneDX", "specVersion": "1.6"}
COMPONENT = {
    "type": "library",
    "name": "a",
    "hashes": [{"alg": "MD5", "content": "a" * 32}],
    "licenses": [{"license": {"id": "MIT"}}],
    "externalReferences": [{"type": "website", "url": "https://example.org"}],
    "components": [{"type": "file", "name": "b", "evidence": {"occurrences": [{"location": "/x"}]}}],
}
VULNERABILITY = {"id": "C", "ratings": [{"severity": "high"}], "affects": [{"ref": "x"}], "cwes": [79]}
KEYS = st.sampled_from(["name", "type", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _document():
    return copy.deepcopy(
        HEAD | {"components": [COMPONENT, COMPONENT | {"name": "c"}], "vulnerabilities": [VULNERABILITY]}
    )


def test_a_valid_document_stays_as_it_is():
    document = _document()
    assert repair(document) == []
    assert document == _document()


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"foo": 1}, COMPONENT),
        ({"type": "quantum-thing"}, COMPONENT),
        ({"purl": 7}, COMPONENT),
        ({"licenses": [{"license": {"id": "Mine"}}]}, {k: v for k, v in COMPONENT.items() if k != "licenses"}),
        ({"hashes": [{"alg": "MD5", "content": "?"}, *COMPONENT["hashes"]]}, COMPONENT),
        ({"components": COMPONENT["components"] * 2}, COMPONENT),
        ({"externalReferences": [*COMPONENT["externalReferences"], {"type": "vcs", "url": "http://a b"}]}, COMPONENT),
        ({"components": [*COMPONENT["components"], {"type": "file"}]}, COMPONENT),
    ],
)
def test_only_the_bad_piece_goes(change, left):
    document = _document()
    document["components"][0] |= change
    changed = repair(document)
    assert changed
    assert all(place.startswith("components/0/") for place in changed)
    assert document["components"][0] == left
    assert document["components"][1:] == _document()["components"][1:]


def test_without_a_name_there_is_no_component():
    document = _document()
    del document["components"][0]["name"]
    repair(document)
    assert [each["name"] for each in document["components"]] == ["c"]


def _places(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


@settings(max_examples=examples(50), deadline=None)
@given(st.data(), JSON)
def test_anything_anywhere_can_be_repaired(data, value):
    document = _document()
    body = {key: document[key] for key in ("components", "vulnerabilities")}
    place = data.draw(st.sampled_from(list(_places(body))))
    holder = body
    for part in place[:-1]:
        holder = holder[part]
    holder[place[-1]] = value
    document |= body
    repair(document)
    assert validator().is_valid(document)
    assert document["bomFormat"] == "CycloneDX"
    json.dumps(document)
