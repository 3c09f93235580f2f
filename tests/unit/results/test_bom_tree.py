"""The BOM of a target as a graph: circles, orphans, hostile references, and any document at all."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model import Severity
from orchestrator.results.bom import tree
from orchestrator.results.bom.tree import read_nodes, way_to
from orchestrator.results.errors import NoResultsError

REFS = ("a", "b", "c", "d", "e", "")


def document(needs, *, nested=(), vulnerabilities=()):
    components = [{"type": "library", "name": ref, "version": "1", "bom-ref": ref} for ref in needs]
    if components:
        components[0]["components"] = [{"name": ref, "bom-ref": ref} for ref in nested]
    listed = [{"ref": ref, "dependsOn": others} for ref, others in needs.items()]
    return json.dumps({"components": components, "dependencies": listed, "vulnerabilities": vulnerabilities}).encode()


def shape(nodes):
    return {node.name: [nodes[number].name for number in node.needs] for node in nodes}, [
        node.name for node in nodes if node.is_root
    ]


@pytest.mark.parametrize(
    ("needs", "roots"),
    [
        ({"a": ["b"], "b": []}, ["a"]),
        ({"a": ["b"], "b": ["a"]}, ["a"]),
        ({"a": ["a"]}, ["a"]),
        ({"a": ["b"], "b": ["c"], "c": ["b"], "d": ["e"], "e": ["d"]}, ["a", "d"]),
        ({"a": ["b", "nowhere", "b"], "b": []}, ["a"]),
        ({}, []),
    ],
)
def test_every_package_is_below_some_root(needs, roots):
    nodes = read_nodes(document(needs))
    assert shape(nodes)[1] == roots


def test_what_is_nested_is_needed_by_what_it_is_in():
    assert shape(read_nodes(document({"a": []}, nested=["z"])))[0] == {"a": ["z"], "z": []}


def test_a_package_has_the_worst_of_its_vulnerabilities_and_a_way_there():
    found = [
        {"ratings": [{"severity": "low"}], "affects": [{"ref": "c"}, {"ref": "c"}]},
        {"ratings": [{"severity": "critical"}, {"severity": "made-up"}], "affects": [{"ref": "c"}]},
        {"affects": [{"ref": "b"}, {"ref": "nowhere"}]},
    ]
    nodes = read_nodes(document({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["c"]}, vulnerabilities=found))
    b, c = nodes[1], nodes[2]
    assert (c.severity, c.vulnerabilities) == (Severity.CRITICAL, 2)
    assert (b.severity, b.vulnerabilities) == (Severity.UNKNOWN, 1)
    assert [node.name for node in way_to(nodes, 2)] == ["d", "c"]


def test_a_key_is_of_the_package_and_not_of_its_place():
    one, two = (read_nodes(document(needs)) for needs in ({"b": []}, {"a": [], "b": []}))
    assert one[0].key == two[1].key
    twice = read_nodes(b'{"components": [{"name": "x"}, {"name": "x"}]}')
    assert len({node.key for node in twice}) == 2


@pytest.mark.parametrize("data", [b"", b"[", b"[]", b'{"components": 1}', b"\xff", b'{"components": [{"name": 1}]}'])
def test_what_is_no_bom_is_an_error_of_ours(data):
    with pytest.raises(NoResultsError):
        read_nodes(data)


def test_a_document_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(tree, "MOST", 3)
    with pytest.raises(NoResultsError, match="more than 3 components"):
        read_nodes(document({name: [] for name in "abcd"}))


@given(st.dictionaries(st.sampled_from(REFS), st.lists(st.sampled_from(REFS), max_size=5)))
def test_any_graph_ends_and_leaves_nothing_out(needs):
    nodes = read_nodes(document(needs))
    assert len(nodes) == len(needs)
    for node in nodes:
        way = way_to(nodes, node.number)
        assert way[0].is_root
        assert way[-1] == node
        assert all(below.number in above.needs for above, below in pairwise(way))
