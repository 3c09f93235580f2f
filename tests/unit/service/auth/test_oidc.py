"""Tokens of an OpenID provider: what holds, what does not, and keys that change."""

import base64
import hmac
import json
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from orchestrator.config.auth import OidcSection
from orchestrator.service.auth.oidc import OidcTokens
from orchestrator.service.auth.provider import ProviderError, ProviderKeys
from orchestrator.service.rest.caller import Role
from orchestrator.service.rest.problems import RefusedError, UnauthenticatedError
from tests.oidc_issuer import ec_key, issuing, rsa_key


@pytest.fixture(scope="module")
def served():
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(served):
    served.asked.clear()
    served.keys, served.is_away, served.document = served.keys[:1], False, None
    return served


def section(issuer_, **changes):
    given = {"issuer": issuer_.url, "audience": "scanmatrix"}
    given |= {"roles": {"read": ["dev"], "submit": ["ops"], "admin": ["root"]}}
    return OidcSection.model_validate(given | changes)


@pytest.fixture
def clock():
    return [1000.0]


@pytest.fixture
def tokens(issuer, clock):
    return OidcTokens(section(issuer), ProviderKeys(issuer.url, clock=lambda: clock[0]))


def test_a_token_that_holds_has_the_highest_role_of_its_claim(issuer, tokens):
    assert tokens.caller(issuer.token()) == ("oidc:u1", Role.READ, None)
    assert tokens.caller(issuer.token(roles=["dev", "root", "ops"])).role is Role.ADMIN
    assert tokens.caller(issuer.token(roles="ops", preferred_username="ada")) == ("oidc:ada", Role.SUBMIT, None)
    assert tokens.caller(issuer.token(aud=["other", "scanmatrix"])).role is Role.READ


def _b64(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unsigned(issuer, alg="none"):
    _, body, signature = issuer.token().split(".")
    return f"{_b64({'alg': alg, 'kid': issuer.keys[0].kid})}.{body}.", f"{_b64({'alg': alg})}.{body}.{signature}"


def _by_public_key(issuer):
    """Signed with HS256 by what everybody can read: the old trick against verifiers that let a token choose."""
    now = int(time.time())
    claims = {"iss": issuer.url, "aud": "scanmatrix", "sub": "u1", "exp": now + 300, "roles": ["root"]}
    signed = f"{_b64({'alg': 'HS256', 'kid': issuer.keys[0].kid})}.{_b64(claims)}"
    # By hand: the library makes no such thing.
    made = hmac.digest(issuer.keys[0].as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def _forged(issuer):
    head, body, signature = issuer.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    return f"{head}.{_b64(claims | {'roles': ['root']})}.{signature}"


@pytest.mark.parametrize(
    "make",
    [
        _forged,
        _by_public_key,
        lambda issuer: _unsigned(issuer)[0],
        lambda issuer: _unsigned(issuer)[1],
        lambda issuer: _unsigned(issuer, "None")[0],
        lambda issuer: issuer.token(key=rsa_key("first")),
        lambda issuer: issuer.token(key=ec_key("first")),
        lambda issuer: issuer.token(exp=int(time.time()) - 31),
        lambda issuer: issuer.token(exp=None),
        lambda issuer: issuer.token(exp="tomorrow"),
        lambda issuer: issuer.token(nbf=int(time.time()) + 60),
        lambda issuer: issuer.token(aud="other"),
        lambda issuer: issuer.token(aud=None),
        lambda issuer: issuer.token(aud=["other"]),
        lambda issuer: issuer.token(iss="https://evil.example"),
        lambda issuer: issuer.token(iss=None),
        lambda issuer: issuer.token(sub=None),
        lambda issuer: issuer.token(header={"alg": "RS512"}),
        lambda issuer: issuer.token(header={"kid": "other"}),
        lambda issuer: issuer.token() + "x",
        lambda issuer: issuer.token() + ".a.b",
        lambda issuer: "a.b.c",
        lambda issuer: "..",
        lambda issuer: "",
        lambda issuer: issuer.token(junk="x" * 20_000),
        lambda issuer: f"{'[' * 5000}.{'[' * 5000}.x",
    ],
)  # fmt: skip
def test_a_token_that_does_not_hold_is_refused(issuer, tokens, make):
    tokens.caller(issuer.token())
    token = make(issuer)
    with pytest.raises(UnauthenticatedError) as error:
        tokens.caller(token)
    assert len(token) < 20 or token not in str(error.value)


def test_clocks_may_differ_by_half_a_minute(issuer, tokens):
    assert tokens.caller(issuer.token(exp=int(time.time()) - 20))
    assert tokens.caller(issuer.token(nbf=int(time.time()) + 20))


@pytest.mark.parametrize("roles", [None, [], ["other"], "DEV", 7, {"dev": True}, [["dev"]]])
def test_who_has_no_role_is_refused(issuer, tokens, roles):
    with pytest.raises(RefusedError, match="no role"):
        tokens.caller(issuer.token(roles=roles))


def test_owners_come_from_a_claim_and_admins_see_all(issuer):
    changes = {"ownerClaim": "org.teams", "roleClaim": "realm.roles"}
    tokens = OidcTokens(section(issuer, **changes))
    realm = {"realm": {"roles": ["dev"]}}
    assert tokens.caller(issuer.token(org={"teams": ["shop", "bank"]}, **realm)).owners == {"shop", "bank"}
    assert tokens.caller(issuer.token(org={"teams": "shop"}, **realm)).owners == {"shop"}
    assert tokens.caller(issuer.token(**realm)).owners == frozenset()
    assert tokens.caller(issuer.token(org=["x"], **realm)).owners == frozenset()
    assert tokens.caller(issuer.token(realm={"roles": ["root"]})).owners is None
    with pytest.raises(Exception, match="more than 100"):
        tokens.caller(issuer.token(org={"teams": [f"t{each}" for each in range(101)]}, **realm))


def test_keys_that_change_are_fetched_again_but_not_for_made_up_ones(issuer, tokens, clock):
    tokens.caller(issuer.token())
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
    new = ec_key("second")
    issuer.keys.append(new)
    for _ in range(5):
        with pytest.raises(UnauthenticatedError):
            tokens.caller(issuer.token(key=rsa_key("made up")))
    assert len(issuer.asked) == 2
    clock[0] += 31
    assert tokens.caller(issuer.token(key=new))
    assert len(issuer.asked) == 4
    # One that was taken back holds until the keys are old, and not longer.
    issuer.keys.remove(new)
    token = issuer.token(key=new)
    assert tokens.caller(token)
    clock[0] += 601
    with pytest.raises(UnauthenticatedError):
        tokens.caller(token)


def test_nobody_with_a_known_key_waits_while_another_fetches(issuer, tokens, clock):
    token = issuer.token()
    tokens.caller(token)
    clock[0] += 601
    asked = len(issuer.asked)
    issuer.answers.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(tokens.caller, token)
        try:
            while len(issuer.asked) == asked:
                time.sleep(0.01)
            assert pool.submit(tokens.caller, token).result(2)
            assert not first.done()
        finally:
            issuer.answers.set()
        assert first.result(20)


def test_while_the_provider_is_away_known_keys_hold_for_a_day(issuer, tokens, clock):
    issuer.is_away = True
    with pytest.raises(ProviderError, match="503"):
        tokens.caller(issuer.token())
    issuer.is_away = False
    clock[0] += 31
    assert tokens.caller(issuer.token())
    issuer.is_away = True
    clock[0] += 3600
    assert tokens.caller(issuer.token())
    clock[0] += 24 * 3600
    with pytest.raises(ProviderError) as error:
        tokens.caller(issuer.token())
    assert error.value.retry_after


@pytest.mark.parametrize(
    "document",
    [
        [], {}, {"keys": {}}, {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "first"}]}, {"keys": [7, None, {}]},
        {"keys": [{"kty": "RSA"}] * 101}, {"keys": [{"kty": "RSA", "n": "AQ", "e": "AQAB", "kid": "first"}]},
    ],
)  # fmt: skip
def test_a_strange_list_of_keys_lets_nobody_in(issuer, tokens, document):
    issuer.document = document
    with pytest.raises((UnauthenticatedError, ProviderError)):
        tokens.caller(issuer.token())
    with pytest.raises((UnauthenticatedError, ProviderError)):
        tokens.caller(_by_public_key(issuer))


def test_a_private_key_or_a_weak_one_in_the_list_is_not_used(issuer, tokens):
    with warnings.catch_warnings(action="ignore"):
        weak = rsa_key("weak", 1024)
    issuer.document = {"keys": [issuer.keys[0].as_dict(private=True), weak.as_dict(private=False)]}
    for token in (issuer.token(), issuer.token(key=weak)):
        with pytest.raises(UnauthenticatedError):
            tokens.caller(token)


@pytest.mark.parametrize("path", ["/realms/company", "/tenant/v2.0/", "/"])
def test_an_issuer_is_named_as_its_tokens_name_it(issuer, clock, path):
    """With its path, and with the slash at its end or without: many providers have both."""
    host, issuer.url = issuer.url, issuer.url + path
    try:
        known = ProviderKeys(issuer.url, clock=lambda: clock[0])
        assert OidcTokens(section(issuer), known).caller(issuer.token()).role is Role.READ
    finally:
        issuer.url = host


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithms": ["HS256"]}, {"algorithms": ["none"]}, {"algorithms": []}, {"issuer": "http://id.example"},
        {"roles": {}}, {"audience": ""},
    ],
)  # fmt: skip
def test_a_configuration_that_could_be_tricked_is_refused(issuer, changes):
    with pytest.raises((ValidationError, ValueError)):
        section(issuer, **changes)
