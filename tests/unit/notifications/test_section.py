"""The section `notify`: what is refused, and that no secret is ever shown."""

import pytest

from orchestrator.config.loading import ConfigError, default_config, load_config
from orchestrator.config.notify import is_address
from tests.told import SLACK, SMTP, WEBHOOK, section


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ({}, "exactly one"),
        (SLACK | WEBHOOK, "exactly one"),
        ({"slack": {"url": "hooks.example.com/secret-path"}}, "https://host/path"),
        ({"slack": {"url": "ftp://hooks.example.com/secret-path"}}, "https://host/path"),
        ({"slack": {"url": "https://user:secret-path@hooks.example.com/"}}, "user or password"),
        ({"slack": {"url": "https://hooks.example.com:secret-path/"}}, "not a URL"),
        ({"slack": {"url": "https://hooks.example.com/secret-path\r\nX: y"}}, "https://host/path"),
        ({"webhook": {"url": "https://a.example/"}}, "'secret' is missing"),
        ({"webhook": {"url": "https://a.example/", "secret": "secret-path"}}, "16 characters"),
        ({"email": {"to": "a@example.com\nBcc: b@example.com"}}, "e-mail address"),
        ({"email": {"to": "Shop <a@example.com>"}}, "e-mail address"),
        ({"email": {"to": "a@example.com,b@example.com"}}, "e-mail address"),
        ({"email": {"to": []}}, "at least 1"),
        (SLACK | {"about": ["new", "fixd"]}, "no longer scanned"),
        (SLACK | {"owners": []}, "at least 1"),
        (SLACK | {"severity": "sever"}, "critical"),
        (SLACK | {"nmae": "x"}, "did you mean 'name'"),
    ],
)
def test_mistakes_are_reported_without_the_secret(route, told):
    with pytest.raises(ConfigError) as error:
        section(route, smtp=SMTP)
    assert told in str(error.value)
    assert "secret-path" not in str(error.value)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "smtp"),
        ({"smtp": {"host": "mail.example.com"}}, "from"),
        ({"smtp": SMTP | {"user": "scanmatrix"}}, "both"),
        ({"smtp": SMTP | {"user": "u", "password": "p", "tls": "none"}}, "without TLS"),
        ({"smtp": SMTP | {"host": "mail.example.com\r\nQUIT"}}, "must match"),
        ({"smtp": SMTP, "deadline": "2h"}, "3600"),
    ],
)
def test_mistakes_of_mail(keys, told):
    with pytest.raises(ConfigError, match=told):
        section({"email": {"to": "a@example.com"}}, **keys)


def test_two_routes_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="named one"):
        section(SLACK | {"name": "one"}, WEBHOOK | {"name": "one"})


def test_a_mistake_has_its_line(tmp_path):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text("notify:\n  routes:\n    - slack: {url: 'https://a.example/x'}\n    - slack: {url: nothing}\n")
    with pytest.raises(ConfigError, match=r"scanmatrix\.yaml:4"):
        load_config(file, environment={})


def test_secrets_are_masked_and_come_from_the_environment():
    routes = '[{slack: {url: "https://hooks.example.com/token-one"}}, {email: {to: "{contact}"}}]'
    config = default_config(
        environment={
            "SCANMATRIX_NOTIFY__ROUTES": routes,
            "SCANMATRIX_NOTIFY__SMTP__HOST": "mail.example.com",
            "SCANMATRIX_NOTIFY__SMTP__FROM": "scanmatrix@example.com",
            "SCANMATRIX_NOTIFY__SMTP__USER": "scanmatrix",
            "SCANMATRIX_NOTIFY__SMTP__PASSWORD": "token-two",
        }
    )
    assert config.notify.routes[0].slack.url.get_secret_value() == "https://hooks.example.com/token-one"
    assert config.notify.smtp.password.get_secret_value() == "token-two"
    assert "token-" not in repr(config) + str(config) + str(config.model_dump()) + config.model_dump_json()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("shop@example.com", True),
        ("a.b+c@mail.example.co.uk", True),
        ("root@localhost", True),
        ("#team-shop", False),
        ("shop@example.com\n", False),
        ("shop@example.com\r\nBcc: x@example.com", False),
        ("shop@@example.com", False),
        (".shop@example.com", False),
        ('"shop"@example.com', False),
        ("shop@example.com x@example.com", False),
        ("shop@-example.com", False),
        ("s" * 65 + "@example.com", False),
        ("", False),
    ],
)
def test_addresses(text, plain):
    assert is_address(text) is plain
