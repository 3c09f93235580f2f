"""JSON of strangers: read as Go reads it, or refused; never another error, never dear."""

import json
import time
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.kit.go_folding import fold
from orchestrator.kit.json_shapes import reader


class Part(msgspec.Struct, rename="camel"):
    digest: str
    size: int = 0
    data: bytes = b""
    annotations: dict[str, str] | None = None


class Whole(msgspec.Struct, rename="camel"):
    media_type: str = ""
    layers: tuple[Part, ...] | None = None
    config: Part | None = None
    ratio: float = 0.0
    flag: bool = False
    os_version: str = msgspec.field(default="", name="os.version")
    names: list[str] = []
    volumes: dict[str, Any] | None = None


def read(text: str | bytes) -> Whole:
    return decode(text.encode() if isinstance(text, str) else text, Whole, origin="test")


@pytest.mark.parametrize(
    "text",
    [
        '{"layers":[{"digest":"a"}],"Layers":[{"digest":"b"}]}',
        '{"Layers":[{"digest":"b"}]}',
        '{"layer\\u017f":[{"digest":"b"}]}',
        '{"layer\u017f":[]}',
        '{"config":{"digest":"a","Digest":"b"}}',
        '{"config":{"digest":"a","digest":"b"}}',
        '{"layers":[{"digest":"a"},{"digest":"a","SIZE":1}]}',
        '{"flag":true,"flag":true}',
        '{"OS.version":"x"}',
        '{"unknown":1,"Unknown":2}',
        '{"unknown":1,"unknown":1}',
        '{"\\u212Aey":1,"key":2}',
        '{"ΣΑΣ":1,"σας":2}',
        '{"MEDIATYPE":null}',
    ],
)
def test_keys_that_are_one_to_go_are_refused_in_structures(text: str) -> None:
    with pytest.raises(ForeignJsonError, match="key"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"volumes":{"Maintainer":1,"maintainer":2}}',
        '{"config":{"digest":"a","annotations":{"K":"1","k":"2","\\u212a":"3"}}}',
        '{"unknown":{"User":1,"user":[{"A":1,"a":1}]}}',
        '{"volumes":{"layers":{},"Layers":{}}}',
    ],
)
def test_keys_of_maps_differ_by_their_bytes(text: str) -> None:
    read(text)


def test_the_last_of_exact_duplicates_in_a_map_counts_as_in_go_and_all_are_of_its_type() -> None:
    found = read('{"config":{"digest":"a","annotations":{"k":"1","k":"2","n":"x","n":null}}}').config
    assert found is not None
    assert found.annotations == {"k": "2", "n": ""}
    with pytest.raises(ForeignJsonError):
        read('{"config":{"digest":"a","annotations":{"k":1,"k":"2"}}}')


def test_null_is_the_zero_value() -> None:
    assert read("null") == read("{}") == Whole()
    assert read('{"mediaType":null,"layers":null,"ratio":null,"flag":null,"names":null,"volumes":null}') == Whole()
    assert read('{"names":[null,"x"]}').names == ["", "x"]
    with pytest.raises(ForeignJsonError, match="lacks 'digest'"):
        read('{"layers":[null]}')


@pytest.mark.parametrize(
    "size", ["1.0", "1e2", "-0.0", '"1"', "true", "[]", "{}", str(1 << 63), "-" + str((1 << 63) + 1), "9" * 5000]
)
def test_integers_are_written_as_integers(size: str) -> None:
    with pytest.raises(ForeignJsonError):
        read(f'{{"config":{{"digest":"a","size":{size}}}}}')


@pytest.mark.parametrize(("size", "value"), [("-0", 0), (str((1 << 63) - 1), (1 << 63) - 1), (str(-1 << 63), -1 << 63)])
def test_integers_have_64_bits(size: str, value: int) -> None:
    config = read(f'{{"config":{{"digest":"a","size":{size}}}}}').config
    assert config is not None
    assert config.size == value


@pytest.mark.parametrize(
    "value",
    ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1" * 5000, "0." + "1" * 5000, "01", "+1", ".5", "1.", "0x1"],
)
@pytest.mark.parametrize("key", ["ratio", "unknown"])
def test_numbers_out_of_bounds(key: str, value: str) -> None:
    with pytest.raises(ForeignJsonError):
        read(f'{{"{key}":{value}}}')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"{}{}",
        b"{} x",
        b"{}\x00",
        b"\xff",
        '{"mediaType":"a"}'.encode("utf-16"),
        '{"mediaType":"a"}'.encode("utf-32-le"),
        b'{"mediaType":"\xff"}',
        b'{"mediaType":"\xed\xa0\x80"}',
        b'{"mediaType":"\\ud800"}',
        b'{"unknown":["\\udc00"]}',
        b'{"\\ud800":1}',
        b'{"volumes":{"\\ud800x":1}}',
        b'{"mediaType":"\n"}',
        b'{"mediaType":"\\x"}',
        b"{'mediaType':1}",
        b'{"mediaType":"a",}',
        b'{"mediaType":"a"',
        b"[" * 3000,
        b"[" * 3000 + b"]" * 3000,
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b'{"unknown":' + b"[" * 70 + b"]" * 70 + b"}",
        b"[]",
        b'"x"',
        b"1",
        b'{"names":{}}',
        b'{"names":"x"}',
        b'{"layers":{"0":{}}}',
        b'{"volumes":[]}',
        b'{"config":{"digest":"a","data":"%%%%"}}',
    ],
)
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(ForeignJsonError) as error:
        read(data)
    assert str(error.value).startswith("test: ")
    assert len(str(error.value)) < 400
    assert str(error.value).isprintable()


def test_what_is_odd_and_honest() -> None:
    assert read(b'\r\n\t {"mediaType" : "\\/\\u00e9\\ud83d\\ude00\\u0000"} \n').media_type == "/é😀\0"
    assert read('{"os.version":"10.0","OSVersion":1}').os_version == "10.0"
    assert read('{"ratio":1,"unknown":1e308}').ratio == 1.0
    part = read('{"config":{"digest":"a","data":"YW\\nI="}}').config
    assert part is not None
    assert part.data == b"ab"


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b"{}," * 4_000_000 + b"{}]",
        b"{" + b'"a":1,' * 2_000_000 + b'"a":1}',
        b"[" * 16_000_000,
        b'{"a":"' + b"x" * (17 << 20) + b'"}',
        b"[" + b"1," * 150_000 + b"1]",
        b"{" + b",".join(b'"%d":1' % number for number in range(120_000)) + b"}",
    ],
)
def test_bombs_are_cheap(data: bytes) -> None:
    tracemalloc.start()
    before = time.process_time()
    with pytest.raises(ForeignJsonError):
        decode(data, tuple[str, ...], origin="test")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150 << 20
    assert time.process_time() - before < 10  # a second without the tracing


@given(
    st.binary(max_size=300) | st.text(alphabet='{}[]":,\\ud8019.eE+-nulltruefasedigstzSK\u017f\u212a \n', max_size=300)
)
def test_whatever_comes_ends_in_a_value_or_an_error_of_ours(data: bytes | str) -> None:
    try:
        found = read(data)
    except ForeignJsonError:
        return
    assert isinstance(found, Whole)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=30,
)


@given(_JSON)
def test_every_document_of_maps_is_read_as_it_is(value: Any) -> None:
    assert decode(json.dumps({"x": value}).encode(), dict[str, Any], origin="test") == {"x": value}
    assert decode(json.dumps([value], ensure_ascii=False).encode(), list[Any], origin="test") == [value]


@given(st.text(max_size=5))
def test_folding_is_idempotent_and_blind_to_ascii_case(name: str) -> None:
    assert fold(fold(name)) == fold(name)
    assert fold("".join(c.upper() if c.isascii() else c for c in name)) == fold(name)


def test_what_folds_to_ascii() -> None:
    beyond = {chr(n) for n in range(128, 0x20000) if fold(chr(n)).isascii()}
    assert beyond == {"\u017f", "\u212a"}


def test_types_that_go_has_no_counterpart_for_are_a_mistake_of_ours() -> None:
    for kind in (set[str], str | int, dict[int, str], tuple[str, int]):
        with pytest.raises(TypeError):
            reader(kind)
