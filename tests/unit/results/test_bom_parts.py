"""A document that is checked some items at a time is valid where the whole is."""

import json

import pytest

from orchestrator.results.bom import ARRAYS
from orchestrator.results.bom.parts import is_valid_by_parts
from orchestrator.results.bom.validity import VERSIONS, _schema, mistakes

MANY = 300
HASH = {"alg": "SHA-256", "content": "0" * 64}


def component(number, **more):
    return {"type": "library", "bom-ref": f"r{number}", "name": f"n{number}", "version": "1"} | more


def document(version="1.5", **more):
    components = [component(number) for number in range(MANY)]
    head = {"bomFormat": "CycloneDX", "specVersion": version, "version": 1}
    return head | {"components": components, "dependencies": [{"ref": "r1", "dependsOn": ["r2"]}]} | more


DOCUMENTS = {
    "valid": document(),
    "of another version": document("1.7"),
    "of an unknown version": document("2.0"),
    "without lists": {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1},
    "without a format": {"specVersion": "1.5", "version": 1, "components": []},
    "with an unknown property": document(strange=1),
    "the same component twice, far apart": document(components=[*document()["components"], component(0)]),
    "alike components": document(components=[component(0, hashes=[HASH]), *document()["components"][1:], component(0)]),
    "the same component twice, one among some without a reference": document(
        components=[{"type": "library", "name": "a"}, *document()["components"], component(0)]
    ),
    "a component without a reference twice": document(
        components=[{"type": "library", "name": "a"}, *document()["components"], {"name": "a", "type": "library"}]
    ),
    "different components with one reference": document(components=[component(0), component(0, version="2")]),
    "numbers that are equal": document(
        vulnerabilities=[{"id": "a", "ratings": [{"score": score}]} for score in (1, 1.0)]
    ),
    "the last component is invalid": document(components=[*document()["components"], component("x", scope="none")]),
    "a component is no object": document(components=[*document()["components"], 1]),
    "components are no list": document(components={}),
    "a dependency twice": document(dependencies=[{"ref": "r1"}] * 2),
    "an invalid subject": document(metadata={"component": {"name": "x"}}),
}


@pytest.mark.parametrize("what", DOCUMENTS)
def test_parts_are_valid_where_the_whole_is(what):
    whole = DOCUMENTS[what]
    assert is_valid_by_parts(json.dumps(whole).encode()) is (not mistakes(whole))


@pytest.mark.parametrize("version", VERSIONS)
def test_schemas_say_nothing_about_several_items_but_that_none_is_there_twice(version):
    schema = _schema(f"bom-{version}{'-strict' if version in {'1.2', '1.3'} else ''}.SNAPSHOT.schema.json")
    assert not schema.keys() & {"allOf", "anyOf", "oneOf", "not", "if", "dependencies", "dependentSchemas"}
    for name in ARRAYS:
        said = schema["properties"].get(name, {}).keys()
        assert said <= {"$id", "type", "title", "description", "additionalItems", "items", "uniqueItems"}, (name, said)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"components": ' + b"[" * 100_000, b"\xff"])
def test_what_is_no_document_is_not_valid(data):
    assert is_valid_by_parts(data) is False
