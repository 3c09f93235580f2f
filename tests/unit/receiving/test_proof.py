"""Who may send: each kind of sender by its own proof, and nobody by another's."""

import hashlib
import hmac

import pytest
from pydantic import ValidationError

from orchestrator.config.events import EventsSection
from orchestrator.config.secret import UnsetSecretError
from orchestrator.errors import UsageError
from orchestrator.receiving.messages import EventRequest, ProofError
from orchestrator.receiving.proof import check_proof, senders_of
from orchestrator.receiving.senders import SENDERS
from orchestrator.receiving.senders.interface import ProofKind

SECRET, BODY = "s3cret-of-the-sender", b'{"a":1}'
SIGNATURE = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()


def holds(kind, headers=(), part="", *, in_path=False, body=BODY):
    said = ""
    try:
        check_proof(SENDERS[kind], SECRET, EventRequest(dict(headers), body), part, in_path=in_path)
    except ProofError as error:
        said = str(error)
    assert SECRET not in said
    return not said


@pytest.mark.parametrize("kind", [name for name, kind in SENDERS.items() if kind.proof is ProofKind.HEADER])
def test_a_header_has_the_secret(kind):
    for given in (SECRET, f"Bearer {SECRET}", f"token {SECRET}", f"  bearer   {SECRET} "):
        assert holds(kind, {"authorization": given})
    for given in ("", "Bearer", f"Bearer {SECRET}x", SECRET[:-1], SECRET.upper(), "\udcff"):
        assert not holds(kind, {"authorization": given})
    assert not holds(kind, part=SECRET)
    assert holds(kind, part=SECRET, in_path=True)
    assert not holds(kind, {"authorization": SECRET}, in_path=True)


@pytest.mark.parametrize("kind", [name for name, kind in SENDERS.items() if kind.proof is ProofKind.SIGNATURE])
def test_a_signature_is_of_this_body(kind):
    header = SENDERS[kind].proof_header
    assert holds(kind, {header: f"sha256={SIGNATURE}"})
    assert holds(kind, {header: SIGNATURE.upper()})
    assert not holds(kind, {header: f"sha256={SIGNATURE}"}, body=b'{"a":2}')
    assert not holds(kind, {header: SECRET})
    assert not holds(kind, {"authorization": SECRET})
    assert not holds(kind, {header: f"sha256={SIGNATURE}"}, part="anything")


def test_gitlab_sends_its_secret_in_a_header_of_its_own():
    assert holds("gitlab", {"x-gitlab-token": SECRET})
    assert not holds("gitlab", {"authorization": SECRET})


@pytest.mark.parametrize("kind", [name for name, kind in SENDERS.items() if kind.proof is ProofKind.PATH])
def test_who_can_prove_nothing_has_a_path_that_nobody_guesses(kind):
    assert holds(kind, part=SECRET)
    assert not holds(kind, part=SECRET[:-1])
    assert not holds(kind, {"authorization": SECRET})


def test_secrets_come_from_the_environment():
    section = EventsSection.model_validate({"senders": [{"name": "hub", "kind": "docker-hub", "secret": "${HUB}"}]})
    assert senders_of(section, {"HUB": SECRET})["hub"][1] == SECRET
    with pytest.raises(UnsetSecretError, match=r"events.senders\[0\].secret.*HUB"):
        senders_of(section, {})
    assert "HUB" not in repr(section.senders[0].secret)


@pytest.mark.parametrize(
    "section",
    [
        {"senders": [{"name": "a", "kind": "docker-hub", "secret": "short"}]},
        {"senders": [{"name": "a", "kind": "elsewhere", "secret": SECRET}]},
        {"senders": [{"name": "cloudevents", "kind": "quay", "secret": SECRET}]},
        {"senders": [{"name": "a/b", "kind": "quay", "secret": SECRET}]},
        {"senders": [{"name": "a", "kind": "artifactory", "secret": SECRET}]},
        {"senders": [{"name": "a", "kind": "github", "secret": SECRET, "inPath": True}]},
        {"senders": [{"name": "a", "kind": "quay", "secret": SECRET}] * 2},
        {"rules": [{"name": "a"}]},
        {"rules": [{"name": "a", "images": "*"}, {"name": "a", "images": "*"}]},
        {"rules": [{"name": "a", "images": "*", "atOnce": 0}]},
        {"sinks": [{"url": "ftp://example"}]},
        {"settle": "2h"},
    ],
)
def test_what_cannot_be_is_refused_when_it_is_configured(section):
    with pytest.raises(ValidationError):
        EventsSection.model_validate(section)


@pytest.mark.parametrize("secret", ["short", "with/a-slash-in-its-middle", "with%2fpercent-in-it", "x" * 513])
def test_a_secret_that_cannot_prove_anything_is_refused_when_the_service_starts(secret):
    section = EventsSection.model_validate({"senders": [{"name": "hub", "kind": "docker-hub", "secret": "${HUB}"}]})
    with pytest.raises(UsageError, match=r"events.senders\[0\].secret") as refused:
        senders_of(section, {"HUB": secret})
    assert secret not in str(refused.value).replace("too short", "")
    assert senders_of(section, {"HUB": SECRET})["hub"][1] == SECRET
