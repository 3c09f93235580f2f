"""YAML as people write it, and as they get it wrong."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kit.sources import MAX_BYTES, SourceError, suggest
from orchestrator.kit.yaml_source import parse_yaml, read_yaml
from orchestrator.model import Severity


def problems(text: str | bytes, tmp_path: Path) -> list[tuple[int, str]]:
    """Line and message of each mistake."""
    file = tmp_path / "file.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SourceError) as caught:
        read_yaml(file)
    assert all(problem.file == str(file) for problem in caught.value.problems)
    return [(problem.line, problem.message) for problem in caught.value.problems]


def test_plain_data_and_the_line_of_everything(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb:\r\n  - x\r\n  - {c: 'yes', d: no}\r\n")
    source = read_yaml(file)
    assert source.data == {"a": 1, "b": ["x", {"c": "yes", "d": False}]}
    assert source.lines["a",] == 1
    assert source.lines["b", 0] == 3
    assert source.lines["b", 1, "d"] == 4
    assert str(source.problem(("b", 1, "missing", "deeper"), "m")) == f"{file}:4: m"


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("a:\n\tb: 1\n", 2, "tab"),
        ("a:\n  b: 1\n c: 2\n", 3, "YAML"),
        ("a: [1, 2\n", 2, "YAML"),
        ('a: "x\n', 2, "YAML"),
        ("a: 1\n---\nb: 2\n", 2, "document"),
        ("a: *nowhere\n", 1, "alias"),
        ("a: !!python/object/apply:os.system [id]\n", 1, "python"),
        ("a: !!set {x: null}\n", 1, "set"),
        ("a: !!python/name:os.system x\n", 1, "python"),
        ("a: 1\nb: 2\na: 3\n", 3, "twice"),
        ("a: {x: 1, y: 2, x: 3}\n", 1, "twice"),
        ("1: a\n", 1, "text"),
        ("a: 2024-13-45\n", 1, "quotes"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n", 3, "merge"),
        ("", 1, "empty"),
        ("# only a comment\n", 1, "empty"),
        ("a: b\nc: d\x00\n", 2, "control"),
        (b"a: b\nc: \xff\xfe\n", 2, "UTF-8"),
        ("a: b\n".encode("utf-16"), 1, "UTF-8"),
        ("a: !!binary aGVsbG8=\n", 1, "a: tag"),
        ("a:\n  b: [1, !mine x]\n", 2, "a.b[1]: tag"),
        ("a: !!bool x\n", 1, "tag"),
        ("a: !!null x\n", 1, "tag"),
        ("a: !!int '5'\n", 1, "tag"),
        ("a: !!timestamp x\n", 1, "tag"),
        ("a: 0x" + "f" * 5000, 1, "a: a number of"),
        ("a: " + "1:" * 3000 + "1", 1, "a: a number of"),
        ('a: "b\\0"\n', 1, "a: control"),
        ('a: {"b\\e": 1}\n', 1, "a: control"),
        ("a: {1e3: b}\n", 1, "a: a key must be text"),
        ("a: {=: b}\n", 1, "a: a key must be text"),
        ("a: {b: 1, b: 2}\n", 1, "a: key 'b' is there twice"),
    ],
)
def test_each_mistake_at_its_line(tmp_path, text, line, word):
    [(found, message)] = problems(text, tmp_path)
    assert (found, word.lower() in message.lower()) == (line, True), message


@pytest.mark.parametrize(
    ("text", "value"),
    [("!!str 1.20", "1.20"), ("=", "="), ("<<", "<<"), ("! x", "x"), ("!!map {}", {}), ("!!int 5", 5)],
)
def test_what_is_taken_as_it_is(text, value):
    assert parse_yaml(f"a: {text}", "x").data == {"a": value}


def test_several_mistakes_at_once(tmp_path):
    assert [line for line, _ in problems("a: 1\na: 2\nb: 1\nb: 2\n", tmp_path)] == [2, 4]


def test_a_multiplying_alias_is_cut_off(tmp_path):
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 10):
        laughs += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    [(_, message)] = problems(laughs, tmp_path)
    assert "alias" in message


def test_an_alias_to_its_own_parent_is_cut_off(tmp_path):
    [(_, message)] = problems("a: &a [*a]\n", tmp_path)
    assert "alias" in message


def test_deep_nesting_is_refused_before_anything_recurses(tmp_path):
    [(line, message)] = problems("a: " + "[" * 100_000, tmp_path)
    assert line == 1
    assert "deep" in message


def test_an_oversized_file_is_refused(tmp_path):
    [(_, message)] = problems(b"a: 1\n" + b"#" * MAX_BYTES, tmp_path)
    assert "larger" in message


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(SourceError, match=str(path)):
            read_yaml(path)


_text = st.text(
    alphabet=st.characters(codec="utf-8", exclude_characters="".join(map(chr, [*range(9), *range(11, 32), 127])))
)
_keys = _text.map("k{}".format)  # one that is a number in YAML 1.2, such as 0E0, wants quotes
_scalars = st.one_of(_text, st.integers(-(10**9), 10**9), st.booleans(), st.none())
_data = st.dictionaries(
    _keys,
    st.recursive(
        _scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(_keys, inner, max_size=4)),
        max_leaves=20,
    ),
    min_size=1,
    max_size=5,
)


@given(_data)
def test_what_yaml_writes_is_read_back(data):
    assert parse_yaml(yaml.safe_dump(data, allow_unicode=False), "x").data == data


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_data_or_a_told_mistake(text):
    try:
        source = parse_yaml(text, "x.yaml")
    except SourceError as error:
        told = {problem.file for problem in error.problems}
    else:
        told = {"x.yaml"} if () in source.lines else set()
    assert told == {"x.yaml"}


def test_suggest():
    assert suggest("limts", ["limits", "policy"]) == ", did you mean 'limits'?"
    assert suggest("imagesinflight", ["imagesInFlight"]) == ", did you mean 'imagesInFlight'?"
    assert suggest("zzz", ["limits"]) == ""
    assert suggest("hihg", Severity) == ", did you mean 'high'?"
