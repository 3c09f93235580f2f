"""Notifications to real receivers on loopback: good ones, busy ones, and those that hang."""

import email
import json
import os
import re
import time
from email.policy import SMTP as POLICY
from pathlib import Path

import pytest

from orchestrator.config.loading import default_config
from orchestrator.model import Name, Outcome, Plan, Target
from orchestrator.model.documents import encode
from orchestrator.notifications import OUTBOX, DeliveryState, Pace, notify, outbox, resend
from orchestrator.queries import asking
from orchestrator.results.run import RunResults
from orchestrator.volume.layout import Volume, write_atomic
from tests.told import PLATFORM, SHOP, cell, difference, ledger, table
from tests.tools.certificates import self_signed
from tests.tools.receivers import hangs_after_ehlo, mail_server, misbehaving, silent, trickling, webhook

SECRET = "0123456789abcdef-secret"
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "notifications.md").read_text()
QUICK = Pace(all=20, each=10, connect=2, answer=5, retries=3, backoff=0.01)
# One attempt after the other would take longer than a message may.
SHORT = Pace(all=6, each=1.5, connect=1, answer=5, retries=5, backoff=0.01)
ROWS = (difference("new", 1), difference("fixed", 2), difference("new", 3, owners=[PLATFORM], reference="platform:1"))


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path / "volume")


def write(volume, found, *, contacts=None):
    names = tuple(Name(reference=name, labels={"contact": contact}) for name, contact in (contacts or {}).items())
    targets = (Target(id="t", names=names),) if names else ()
    plan = Plan(run=found.run, created=found.created, version="0", scans=(), targets=targets, cells=())
    write_atomic(volume.plan(found.run), encode(plan))
    write_atomic(volume.results(found.run) / "ledger.json", encode(found))
    stamp = 1_740_000_000 + int(found.run.rpartition("-")[2])
    os.utime(volume.results(found.run) / "ledger.json", (stamp, stamp))
    return RunResults(volume, found.run)


@pytest.fixture
def results(volume):
    return write(volume, ledger(cell(), run="run-1"))


def configured(*routes, **keys):
    return default_config(environment={}, notify={"routes": list(routes), **keys})


def slack(hook, **keys):
    return {"name": "chat", "slack": {"url": getattr(hook, "url", hook)}} | keys


def signed(hook):
    return {"name": "hook", "webhook": {"url": getattr(hook, "url", hook), "secret": SECRET}}


def mail(box, to="{contact}", **smtp):
    found = {"host": "127.0.0.1", "port": getattr(box, "port", box), "from": "scanmatrix@example.com"}
    return configured({"name": "mail", "email": {"to": to}}, smtp=found | smtp)


def is_sent_once_trusted(config, results, certificate, monkeypatch):
    [untrusted] = notify(config, results, table(*ROWS), pace=QUICK)
    assert (untrusted.state, untrusted.attempts) == (DeliveryState.FAILED, 1)
    assert "certificate" in untrusted.reason
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    [trusted] = resend(config, results, pace=QUICK)
    assert trusted.state is DeliveryState.SENT


def on_volume(results):
    return "".join(path.read_text() for path in (results.folder / OUTBOX).glob("*"))


def test_a_webhook_is_notified_once_and_can_verify_it(results):
    with webhook() as hook:
        [delivery] = notify(configured(signed(hook)), results, table(*ROWS), pace=QUICK)
        assert (delivery.state, delivery.attempts, delivery.reason) == (DeliveryState.SENT, 1, "")
        [again] = notify(configured(signed(hook)), results, table(*ROWS), pace=QUICK)
        assert again == delivery
        assert resend(configured(signed(hook)), results, pace=QUICK) == ()
    [(headers, body)] = hook.got
    told = json.loads(body)
    assert (told["run"], told["delivery"], told["new"]["total"], told["fixed"]["total"]) == ("run-1", delivery.id, 2, 1)
    [snippet] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names: dict = {}
    exec(compile(snippet, "docs/notifications.md", "exec"), names)
    assert names["verify"](headers, body, SECRET)
    assert not names["verify"](headers, body + b" ", SECRET)
    assert not names["verify"](headers, body, "another secret")
    assert not names["verify"](headers | {"X-Scanmatrix-Timestamp": "1"}, body, SECRET)
    assert SECRET not in on_volume(results)
    assert "very-secret-token" not in on_volume(results)


def test_busy_ones_are_tried_again_with_the_same_delivery(results):
    answers = [(500, {}, "oops"), (503, {}, ""), (200, {}, "ok")]
    with webhook(*answers) as hook, webhook((429, {"Retry-After": "1"}, ""), (200, {}, "ok")) as limited:
        begun = time.monotonic()
        found = notify(configured(signed(hook), slack(limited)), results, table(*ROWS), pace=QUICK)
        assert time.monotonic() - begun >= 1
    assert [(each.state, each.attempts) for each in found] == [(DeliveryState.SENT, 3), (DeliveryState.SENT, 2)]
    assert len({headers["X-Scanmatrix-Delivery"] for headers, _ in hook.got}) == 1
    assert json.loads(limited.got[0][1])["blocks"][0]["type"] == "header"


@pytest.mark.parametrize(
    ("answer", "told", "attempts"),
    [
        ((404, {}, "no_service for /services/T000/very-secret-token"), "404", 1),
        ((302, {"Location": "http://127.0.0.1:9/elsewhere"}, ""), "redirects", 1),
        ((500, {}, f"broken {SECRET}"), "500", 4),
        ((429, {"Retry-After": "7200"}, ""), "7200", 1),
    ],
)
def test_what_is_refused_stays_in_the_outbox_and_is_sent_later(results, caplog, answer, told, attempts):
    with webhook(answer) as hook:
        config = configured(signed(hook))
        [delivery] = notify(config, results, table(*ROWS), pace=QUICK)
        assert (delivery.state, delivery.attempts) == (DeliveryState.FAILED, attempts)
        assert told in delivery.reason
        for text in (delivery.reason, caplog.text, on_volume(results)):
            assert "very-secret-token" not in text
            assert SECRET not in text
        hook.answers = [(204, {}, "")]
        [later] = resend(config, RunResults(results.volume, results.run), pace=QUICK)
    assert (later.state, later.id, later.attempts, later.message) == (
        DeliveryState.SENT,
        delivery.id,
        attempts + 1,
        None,
    )
    assert hook.got[0][1] == hook.got[-1][1]
    assert outbox(results) == (later,)


TRICKLE = b"HTTP/1.1 200 OK\r\nX-Padding: "


@pytest.mark.parametrize("speak", [silent, trickling(TRICKLE)], ids=["silent", "trickling"])
@pytest.mark.parametrize("kind", [slack, signed])
def test_a_webhook_that_hangs_ends_in_time_and_keeps_nobody_waiting(results, speak, kind):
    with misbehaving(speak) as port, webhook() as good:
        hanging = kind(f"http://127.0.0.1:{port}/services/very-secret-token") | {"name": "hanging"}
        begun = time.monotonic()
        first, second = notify(configured(hanging, signed(good)), results, table(*ROWS), pace=SHORT)
        assert time.monotonic() - begun < 30
    assert (first.state, second.state) == (DeliveryState.FAILED, DeliveryState.SENT)
    assert first.reason
    assert "very-secret-token" not in first.reason


def test_a_chat_that_took_all_and_said_nothing_is_not_told_again_at_once(results):
    with misbehaving(silent) as port:
        pace = Pace(all=10, each=10, connect=1, answer=0.5, retries=5, backoff=0.01)
        [delivery] = notify(configured(slack(f"http://127.0.0.1:{port}/x")), results, table(*ROWS), pace=pace)
    assert (delivery.state, delivery.attempts) == (DeliveryState.FAILED, 1)
    assert "may have taken" in delivery.reason


def test_many_that_hang_take_no_longer_than_the_deadline(results):
    with misbehaving(silent) as port:
        routes = [slack(f"http://127.0.0.1:{port}/{n}", name=f"r{n}") for n in range(30)]
        begun = time.monotonic()
        found = notify(configured(*routes), results, table(*ROWS), pace=Pace(all=2, each=1, width=4))
        assert time.monotonic() - begun < 30
    assert len(found) == 30
    assert {each.state for each in found} == {DeliveryState.FAILED}
    assert len(outbox(results)) == 30


def test_nobody_there(results):
    with misbehaving(silent) as port:
        pass
    [delivery] = notify(configured(slack(f"http://127.0.0.1:{port}/x")), results, table(*ROWS), pace=QUICK)
    assert (delivery.state, delivery.attempts) == (DeliveryState.FAILED, 4)


def test_tls_is_verified(results, tmp_path, monkeypatch):
    certificate = self_signed(tmp_path)
    with webhook(certificate=certificate) as hook:
        config = configured(signed(hook))
        is_sent_once_trusted(config, results, certificate, monkeypatch)
    with webhook() as plain:
        wrong = configured(signed(plain.url.replace("http:", "https:")))
        [delivery] = notify(wrong, results, table(difference("new", 9)), pace=QUICK)
        assert "TLS" in delivery.reason


def test_secrets_out_of_the_environment(results):
    with webhook() as hook:
        config = configured(
            {"name": "one", "webhook": {"url": "${HOOK}", "secret": "${KEY}"}},
            {"name": "two", "webhook": {"url": "${HOOK}", "secret": "${UNSET}"}},
            {"name": "three", "slack": {"url": "${BAD}"}},
        )
        environment = {"HOOK": hook.url, "KEY": SECRET, "BAD": "very-secret-token"}
        found = notify(config, results, table(*ROWS), pace=QUICK, environment=environment)
    assert [each.state for each in found] == [DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.FAILED]
    assert "UNSET" in found[1].reason
    assert "BAD" in found[2].reason
    assert "very-secret-token" not in found[2].reason


def test_only_what_changed_since_earlier_runs(volume):
    failed = cell("virus", Outcome.FAILED)
    write(volume, ledger(cell(), failed, run="run-1"))
    write(volume, ledger(cell("general", Outcome.SKIPPED), cell("virus", Outcome.SKIPPED), run="run-2"))
    write(volume, ledger(cell(reference="other:1"), run="run-3"))
    write_atomic(volume.results("run-4") / "ledger.json", b"damaged")
    now = write(volume, ledger(cell(), failed, cell("sbom", Outcome.FAILED), run="run-5"))
    os.utime(volume.results("run-4") / "ledger.json", (1_740_000_004, 1_740_000_004))
    with webhook() as hook, asking(volume) as store:
        [delivery] = notify(configured(signed(hook)), now, table(), store.earlier("run-5"), pace=QUICK)
    assert delivery.state is DeliveryState.SENT
    told = json.loads(hook.got[0][1])
    assert [each["scan"] for each in told["failed"]["shown"]] == ["sbom"]
    assert told["failed"]["still"] == 1


def test_nothing_changed(results):
    with webhook() as hook:
        assert notify(configured(signed(hook)), results, table(difference("still there")), pace=QUICK) == ()
        assert notify(configured(), results, table(*ROWS), pace=QUICK) == ()
    assert hook.got == []
    assert not (results.folder / OUTBOX).exists()


def test_a_route_that_is_gone_is_reported(results):
    with webhook((404, {}, "")) as hook:
        notify(configured(signed(hook)), results, table(*ROWS), pace=QUICK)
        [delivery] = resend(configured(slack(hook)), results, pace=QUICK)
    assert delivery.state is DeliveryState.FAILED
    assert "no longer" in delivery.reason
    assert len(hook.got) == 1


def test_who_gets_no_message_is_counted_in_the_log(results, caplog):
    with webhook() as hook:
        notify(configured(slack(hook, owners=[SHOP])), results, table(*ROWS), pace=QUICK)
    assert "nobody is notified about 1 changed findings" in caplog.text


def test_mail_with_starttls_and_login_goes_to_each_contact(volume, tmp_path, monkeypatch):
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    contacts = {"docker.io/library/shop:1": "team-shop@example.com"}
    results = write(volume, ledger(cell(), run="run-1"), contacts=contacts)
    with mail_server(certificate=certificate, password="geheim") as box:
        config = mail(box, user="scanmatrix", password="geheim")
        found = notify(config, results, table(*ROWS), pace=QUICK)
        assert [(each.state, each.reason) for each in found] == [(DeliveryState.SENT, "")] * 2
        notify(config, results, table(*ROWS), pace=QUICK)
    assert box.encrypted == [True, True]
    assert box.logins == [(b"scanmatrix", b"geheim")] * 2
    by = {to: email.message_from_bytes(content, policy=POLICY) for _, [to], content in box.got}
    assert by.keys() == {"team-shop@example.com", PLATFORM}
    for to, read in by.items():
        assert read["To"] == to
        assert read["From"].addresses[0].addr_spec == "scanmatrix@example.com"
        texts = [read.get_body((kind,)).get_content() for kind in ("plain", "html")]
        assert all(("CVE-2025-3" in text) == (to == PLATFORM) for text in texts)
        assert all(("CVE-2025-1" in text) == (to != PLATFORM) for text in texts)


def test_the_contact_of_a_target_that_is_gone_is_known_from_the_run_it_was_seen_in(volume, caplog):
    write(volume, ledger(cell(), run="run-1"), contacts={"gone:1": "old-team@example.com"})
    results = write(volume, ledger(cell(), run="run-2"))
    rows = [difference("no longer scanned", n, reference=f"gone:{n}", run_before=f"run-{n}") for n in (1, 7)]
    with mail_server() as box:
        found = notify(mail(box, tls="none"), results, table(*rows), pace=QUICK)
    assert sorted(each.recipient for each in found) == ["old-team@example.com", SHOP]
    assert "contacts of run run-7 are not known" in caplog.text


def test_mail_with_tls_from_the_first_byte_on(results, tmp_path, monkeypatch):
    certificate = self_signed(tmp_path)
    with mail_server(certificate=certificate, implicit=True) as box:
        config = mail(box, "security@example.com", tls="tls")
        is_sent_once_trusted(config, results, certificate, monkeypatch)
    [(_, to, _)] = box.got
    assert to == ["security@example.com"]


def test_mail_is_not_sent_in_the_clear_by_a_server_without_starttls(results):
    with mail_server() as box:
        [delivery] = notify(mail(box, "security@example.com"), results, table(*ROWS), pace=QUICK)
        assert (delivery.state, delivery.attempts) == (DeliveryState.FAILED, 1)
        assert box.got == []
        [plain] = notify(mail(box, "other@example.com", tls="none"), results, table(*ROWS), pace=QUICK)
        assert plain.state is DeliveryState.SENT


def test_a_wrong_password_is_no_secret_of_the_log(results, tmp_path, monkeypatch, caplog):
    certificate = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with mail_server(certificate=certificate, password="geheim") as box:
        config = mail(box, "security@example.com", user="scanmatrix", password="wrong-password")
        [delivery] = notify(config, results, table(*ROWS), pace=QUICK)
    assert delivery.state is DeliveryState.FAILED
    assert "login" in delivery.reason
    assert "wrong-password" not in delivery.reason + caplog.text + on_volume(results)


def test_a_recipient_who_is_refused_costs_nobody_else_the_message(results):
    with mail_server() as box:
        config = mail(box, ["nobody@example.com", "security@example.com"], tls="none")
        refused, taken = notify(config, results, table(*ROWS), pace=QUICK)
        assert (refused.state, refused.attempts, taken.state) == (DeliveryState.FAILED, 1, DeliveryState.SENT)
        assert "nobody@example.com" in refused.reason
        assert [each.recipient for each in resend(config, results, pace=QUICK)] == ["nobody@example.com"]
    assert [to for _, to, _ in box.got] == [["security@example.com"]]


def test_a_mail_server_that_is_busy_is_tried_again_with_the_same_message(results):
    with mail_server() as box:
        box.busy = 2
        [delivery] = notify(mail(box, "security@example.com", tls="none"), results, table(*ROWS), pace=QUICK)
    assert (delivery.state, delivery.attempts) == (DeliveryState.SENT, 3)
    [(_, _, content)] = box.got
    read = email.message_from_bytes(content, policy=POLICY)
    assert read["Message-ID"] == f"<{delivery.id}@example.com>"


@pytest.mark.parametrize(
    "speak", [silent, hangs_after_ehlo, trickling(b"220-" + b"x" * 500)], ids=["silent", "ehlo", "trickling"]
)
@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
def test_a_mail_server_that_hangs_ends_in_time(results, speak, tls):
    with misbehaving(speak) as port:
        begun = time.monotonic()
        [delivery] = notify(mail(port, "security@example.com", tls=tls), results, table(*ROWS), pace=SHORT)
        assert time.monotonic() - begun < 30
    assert delivery.state is DeliveryState.FAILED
    assert delivery.reason


def test_a_full_volume_keeps_nobody_from_being_told(results, caplog):
    (results.folder / OUTBOX).write_text("no folder")
    with webhook() as hook:
        [delivery] = notify(configured(signed(hook)), results, table(*ROWS), pace=QUICK)
    assert delivery.state is DeliveryState.SENT
    assert "cannot be written" in caplog.text
