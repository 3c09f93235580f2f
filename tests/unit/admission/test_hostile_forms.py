"""Documents of strangers: whatever is in them, they are no signature, and nothing else happens."""

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.admission.signatures import forms
from orchestrator.admission.signatures.forms import NotSignedError
from orchestrator.admission.signatures.keyless import KeylessVerifier
from orchestrator.model import Signer
from tests.examples import examples
from tests.tools import sigstore
from tests.tools.sigstore import IDENTITY, ISSUER, Sigstore, payload, statement

DIGEST = "sha256:" + "a" * 64
OURS = Sigstore()
WHO = Signer(issuer=ISSUER, identity=IDENTITY)
BUNDLE = json.loads(OURS.bundle(statement(DIGEST)))
SIMPLE, BESIDE = OURS.simple(payload(DIGEST))
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    2**63,
    2**70,
    1.5,
    "",
    "x",
    "\ud7ff",
    "AAAA",
    [],
    {},
    [[]],
    {"a": 1},
    "9" * 99,
    1e308,
]


@pytest.fixture(scope="module")
def verifier() -> KeylessVerifier:
    return KeylessVerifier(OURS.trust_root(), "ours")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(inner, (*path, key))


def changed(whole: Any, path: tuple[Any, ...], to: Any) -> Any:
    if not path:
        return to
    made = copy.deepcopy(whole)
    at = made
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return made


@pytest.mark.parametrize("path", list(places(BUNDLE)), ids=str)
def test_a_bundle_with_anything_in_any_place_is_none_or_the_same(
    verifier: KeylessVerifier, path: tuple[Any, ...]
) -> None:
    for odd in ODD:
        data = json.dumps(changed(BUNDLE, path, odd)).encode()
        try:
            found = forms.bundled(data)
            kind, body = verifier.bundle(found, WHO)
        except NotSignedError:
            continue
        # What nobody signs may be anything: the hint of a signature's key, or a proof that another one stands beside.
        assert forms.said(kind, body).digests == {DIGEST}


@pytest.mark.parametrize("name", sorted(BESIDE))
def test_annotations_with_anything_in_them_are_none_or_the_same(verifier: KeylessVerifier, name: str) -> None:
    logged = json.loads(BESIDE["dev.sigstore.cosign/bundle"])
    others = [str(odd) for odd in ODD] + ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    if name.endswith("/bundle"):
        others += [json.dumps(changed(logged, path, odd)) for path in places(logged) for odd in ODD]
    for other in others:
        try:
            verifier.simple(forms.simple(SIMPLE, {**BESIDE, name: other}), WHO)
        except NotSignedError:
            continue
        assert name.endswith("/chain") or json.loads(other) == logged  # the chain is that of the roots


_READERS: list[Callable[[bytes], object]] = [
    lambda data: forms.simple(data, BESIDE),
    lambda data: forms.enveloped(data, {}),
    forms.bundled,
    forms.said_simply,
    lambda data: forms.said("application/vnd.in-toto+json", data),
]
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["payload", "payloadType", "signatures", "critical", "image", "subject", "digest", "mediaType"]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=examples(60), deadline=None)
@given(data=st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_are_no_signature(data: bytes) -> None:
    for read in _READERS:
        with suppress(NotSignedError):
            read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 10**6,
        b'{"a":' * 10**5,
        b" " * (forms.MOST_BYTES + 1),
        b'{"payload": "' + b"A" * 100 + b'"',
        b"\xff" * 100,
    ],
)
def test_what_costs_too_much_is_not_read(data: bytes) -> None:
    for read in (forms.bundled, forms.said_simply, lambda one: forms.enveloped(one, {})):
        with pytest.raises(NotSignedError):
            read(data)
    with pytest.raises(NotSignedError):
        forms.simple(b"x" * (forms.MOST_SIMPLE + 1), BESIDE)


def test_a_statement_about_very_many_things_is_refused() -> None:
    whole = json.loads(statement(DIGEST))
    whole["subject"] *= 5000
    with pytest.raises(NotSignedError, match="more than"):
        forms.said("application/vnd.in-toto+json", json.dumps(whole).encode())
    many = sigstore.envelope(b"x", b"y")
    many["signatures"] *= 17
    with pytest.raises(NotSignedError, match="17 signatures"):
        forms.enveloped(json.dumps(many).encode(), {})
