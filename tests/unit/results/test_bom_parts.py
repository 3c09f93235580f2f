"""A document that is checked some items at a time is valid where the whole is."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.results.bom import ARRAYS, usual
from orchestrator.results.bom.parts import is_valid_by_parts
from orchestrator.results.bom.validity import VERSIONS, _schema, mistakes
from tests.examples import examples

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
    "the same component without a reference, once among unusual ones": document(
        components=[
            {"type": "library", "name": "a"},
            *document()["components"],
            component("x", evidence={}),
            {"name": "a", "type": "library"},
        ]
    ),
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


TEXTS = st.sampled_from(
    ["", "MIT", "a", "https://a.example/b", "sha256", "0" * 64, "0" * 32, "g" * 64, "library", "vcs"]
)
LICENSES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "license": st.fixed_dictionaries({}, optional={"id": TEXTS, "name": TEXTS, "url": TEXTS}),
            "expression": TEXTS,
        },
    ),
    max_size=2,
)
HASHES = st.lists(
    st.fixed_dictionaries({"alg": st.sampled_from(["SHA-256", "MD5", "CRC"]), "content": TEXTS}), max_size=2
)
LINKS = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["vcs", "rfc-9116", "other"]),
            "url": st.one_of(TEXTS, st.text(max_size=9).map("https://{}".format)),
        },
        optional={"comment": TEXTS, "hashes": HASHES},
    ),
    max_size=2,
)
ANY = st.one_of(TEXTS, st.none(), st.integers(0, 1), st.just([]), st.just({}))
COMPONENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["library", "file", "data", "x"]), "name": TEXTS},
    optional={
        **dict.fromkeys(("bom-ref", "version", "purl", "cpe", "group", "description", "author"), st.one_of(TEXTS, ANY)),
        **dict.fromkeys(("publisher", "copyright", "scope", "mime-type", "strange"), ANY),
        "supplier": st.one_of(ANY, st.fixed_dictionaries({}, optional={"name": TEXTS, "url": ANY})),
        "properties": st.lists(st.fixed_dictionaries({}, optional={"name": TEXTS, "value": ANY}), max_size=2),
        "licenses": st.one_of(LICENSES, ANY),
        "hashes": st.one_of(HASHES, ANY),
        "externalReferences": LINKS,
    },
)


@settings(max_examples=examples(50))
@given(component=COMPONENTS, version=st.sampled_from(sorted(usual.VERSIONS)))
def test_what_is_usual_is_valid(component, version):
    if usual.components(json.dumps([component]).encode()) is not None:
        assert not mistakes(document(version, components=[component]))


def shape_of(type_: object) -> st.SearchStrategy[object]:
    """Whatever a type of `usual` allows, as JSON; what has a default, or may be left out, is sometimes left out."""
    match msgspec.inspect.type_info(type_) if not isinstance(type_, msgspec.inspect.Type) else type_:
        case msgspec.inspect.StructType(fields=fields):
            must = {one.encode_name: shape_of(one.type) for one in fields if one.required}
            may = {one.encode_name: shape_of(one.type) for one in fields if not one.required}
            return st.fixed_dictionaries(must, optional=may)
        case msgspec.inspect.ListType(item_type=item):
            return st.lists(shape_of(item), max_size=2)
        case msgspec.inspect.UnionType(types=types):
            return st.one_of(shape_of(one) for one in types if not isinstance(one, msgspec.inspect.UnsetType))
        case msgspec.inspect.LiteralType(values=values):
            return st.sampled_from(values)
        case msgspec.inspect.StrType(pattern=str(pattern)):
            return st.from_regex(pattern, fullmatch=True)
        case msgspec.inspect.StrType():
            return st.one_of(TEXTS, st.sampled_from(["MIT", "a" * 32, "0" * 64]))
    raise NotImplementedError(type_)


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.too_slow])
@given(component=shape_of(usual.UsualComponent), version=st.sampled_from(sorted(usual.VERSIONS)))
def test_what_its_types_allow_is_valid(component, version):
    if usual.components(json.dumps([component]).encode()) is not None:
        assert not mistakes(document(version, components=[component]))


FULL = component(
    1, purl="pkg:deb/a@1", cpe="cpe:2.3:a:b", group="g", author="a", supplier={"name": "s"}, scope="optional",
    hashes=[HASH], licenses=[{"license": {"id": "MIT"}}, {"license": {"name": "Own"}}],
    externalReferences=[{"type": "vcs", "url": "https://git.example/a/b.git", "comment": "c", "hashes": [HASH]}],
    properties=[{"name": "a", "value": "b"}],
)  # fmt: skip
UNUSUAL = {
    "a license of no id": {"licenses": [{"license": {"id": "Mine"}}]},
    "a license of two names": {"licenses": [{"license": {"id": "MIT", "name": "MIT"}}]},
    "a license of none": {"licenses": [{"license": {}}]},
    "two expressions": {"licenses": [{"expression": "MIT"}] * 2},
    "an expression and a license": {"licenses": [{"license": {"id": "MIT"}}, {"expression": "MIT"}]},
    "a digest that is none": {"hashes": [HASH, {"alg": "SHA-256", "content": "g" * 64}]},
    "digests of other lengths": {"hashes": [{"alg": "MD5", "content": "0" * 31}, {"alg": "MD5", "content": "0" * 33}]},
    "a URL that is none": {"externalReferences": [{"type": "vcs", "url": "https://a b"}]},
    "no text": {"name": None},
    "an empty reference": {"bom-ref": ""},
    "a property that nobody knows": {"strange": 1},
    "a property without a name": {"properties": [{"value": "b"}]},
}


@pytest.mark.parametrize("version", sorted(usual.VERSIONS))
def test_a_component_as_tools_write_it_is_usual_and_valid(version):
    assert usual.components(json.dumps([FULL, component(2, licenses=[{"expression": "MIT"}])]).encode()) is not None
    assert not mistakes(document(version, components=[FULL]))


@pytest.mark.parametrize("what", UNUSUAL)
def test_what_no_schema_allows_is_not_usual(what):
    assert usual.components(json.dumps([FULL | UNUSUAL[what]]).encode()) is None
