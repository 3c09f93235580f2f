"""Secrets in text: found in every spelling, taken out, and nothing else with them."""

import time

import pytest

from orchestrator.kit.masking import find, is_secret, is_secret_name, mask

SECRET = "hunter2-s3cret"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://argo:{SECRET}@db.example:5432/x",
        f"postgresql+psycopg://argo:{SECRET}@db.example/x",
        f"postgresql://db.example/x?user=argo&password={SECRET}",
        f"postgresql://db.example/x?sslmode=verify-full&sslpassword={SECRET}#x",
        f"mysql://db.example/x?passwd={SECRET}&charset=utf8",
        f"mysql://db.example/x?ssl_key_password={SECRET};a=b",
        f"postgresql://db.example/x?p%61ssword={SECRET}",
        f"postgresql://db.example/x?PassWord={SECRET}",
        f"http://me:{SECRET}@proxy.example:3128",
        f"https://{SECRET}@github.com/x.git",
        f"https://{SECRET}:x-oauth-basic@github.com/x.git",
        f"HTTPS://me:a@{SECRET}@host/x",
        f"https://git.example/x.git?private_token={SECRET}",
        f"https://bucket.example/x?X-Amz-Credential=a&X-Amz-Signature={SECRET}",
        f"https://maps.example/x?key={SECRET}",
        f"https://hooks.slack.com/services/T0/B0/{SECRET}",
        f"https://discord.com/api/webhooks/1/{SECRET}",
        f"conninfo: host=db password={SECRET} dbname=x",
        f"--api-key={SECRET}",
        f"Authorization: Basic {SECRET}",
        f"two: http://a:b@c/ and http://d:{SECRET}@e/",
        f'{{"url": "http://me:{SECRET}@host/x"}}',
    ],
)
def test_a_secret_is_found_and_taken_out(text):
    assert any(SECRET in one for one in find(text)), find(text)
    assert SECRET not in mask(text)


def test_a_private_key_is_found_and_taken_out():
    text = "a\n-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----\nb"
    assert mask(text) == "a\n-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----\nb"


@pytest.mark.parametrize(
    "token",
    [
        "ghp_" + "a1" * 18,
        "glpat-" + "a1" * 10,
        "xoxb-" + "1234567890-abcdef",
        "AIza" + "a" * 35,
        "npm_" + "a" * 36,
        "dckr_pat_" + "a" * 27,
        "AKIA" + "ABCD1234EFGH5678",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.abcdefghijklmnop",
    ],
)
def test_tokens_are_known_by_their_shape(token):
    assert find(f"x {token} y") == (token,)
    assert mask(f"x {token} y") == "x *** y"


@pytest.mark.parametrize(
    "text",
    [
        "a plain line, with an address me@example.com",
        "postgresql://argo@db.example/x?sslmode=verify-full&sslrootcert=/etc/ca.crt&sslkey=/etc/client.key",
        "sqlite:////volume/store.sqlite3",
        "ssh://git@host:22/x.git",
        "https://host:8443/x@v1?page=2&publicKey=abc#y",
        "docker.io/library/registry:3@sha256:" + "a" * 64,
        "https://hooks.slack.com/",
        "${SLACK_URL} {parameter.token} ?token=$TOKEN --password={parameter.x} http://me:${PASSWORD}@host/",
        "http://me:***@host/?password=***",
        "the token is missing; set SCANMATRIX_GIT_TOKEN",
    ],
)
def test_nothing_else_is_taken_for_one(text):
    assert find(text) == ()
    assert mask(text) == text


def test_what_is_known_is_taken_out_in_every_spelling_of_a_url():
    assert mask("a p@ss/word b p%40ss%2Fword c", "p@ss/word") == "a *** b *** c"
    assert mask("a p@ss b", "p%40ss") == "a *** b"
    assert mask("a longer b", "long", "longer", "") == "a *** b"


@pytest.mark.parametrize("name", ["password", "dbPassword", "sslpassword", "GITHUB_AUTH_TOKEN", "apiKey", "api-key",
                                  "client_secret", "secretAccessKey", "slackWebhookUrl"])  # fmt: skip
def test_names_of_secrets(name):
    assert is_secret_name(name)
    assert is_secret(name, SECRET)
    assert not is_secret(name, "${NAME}")
    assert not is_secret(name, "")


@pytest.mark.parametrize("name", ["databaseUrl", "maxTokens", "publicKey", "kmsKey", "tokenizer", "passwordFile",
                                  "localChecks", "mirror", "maxAge", "authors", "keyboard"])  # fmt: skip
def test_names_of_other_things(name):
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "://" + "a" * 500_000,
        "?a" * 250_000,
        "a" * 500_000 + "=",
        "://a" * 120_000,
        "BEGIN PRIVATE KEY-----" * 30_000,
        "authorization: " * 30_000,
        "password =" * 50_000,
        "eyJ" * 150_000,
    ],
)
def test_hostile_text_takes_linear_time(text):
    begun = time.process_time()
    mask(text)
    assert time.process_time() - begun < 10
