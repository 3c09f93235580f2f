"""Whose token is whose."""

import pytest

from orchestrator.errors import UsageError
from orchestrator.git.tokens import GitLogin, as_variable, authority, login_for, logins, secret_key

SECRET = "s3cr3t-t0ken"
MINE = {"SCANMATRIX_GIT_HOST": "github.com", "SCANMATRIX_GIT_TOKEN": SECRET}


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/x",
        "https://GitHub.com/x",
        "https://github.com./x",
        "https://github.com:443/x",
        "https://github.com:/x",
    ],
)
@pytest.mark.parametrize("host", ["github.com", " GITHUB.COM ", "github.com.", "github.com:443"])
def test_a_host_in_any_of_its_spellings_gets_its_token(url, host):
    assert login_for(url, MINE | {"SCANMATRIX_GIT_HOST": host}) == GitLogin("x-access-token", SECRET)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/x",
        "https://github.com.evil.example/x",
        "https://evil.example/github.com",
        "https://evil.example#github.com",
        "https://evil.example?@github.com",
        "https://github.com:8443/x",
        "http://github.com/x",
        "http://github.com:80/x",
        "https://api.github.com/x",
        "https://github.co/x",
        "https://github.com../x",
        "https://github.com%2e/x",
        "https://github.com\\.evil.example/x",
        "https://g\u0456thub.com/x",
        "https://\uff47ithub.com/x",
        "https://xn--gthub-n4a.com/x",
        "https://*/x",
        "https://[::1]/x",
        "ssh://git@github.com/x",
        "git@github.com:x",
        "file:///github.com",
    ],
)
def test_any_other_host_gets_nothing(url):
    assert login_for(url, MINE) is None


@pytest.mark.parametrize(
    "host",
    [
        "https://github.com",
        "github.com/x",
        "me@github.com",
        "*",
        "*.github.com",
        "g\u0456thub.com",
        "github.com:0",
        "github.com:99999",
        "github.com:",
        "a b",
        "::1",
    ],
)
def test_what_is_no_host_is_refused(host):
    for given in (MINE | {"SCANMATRIX_GIT_HOST": host}, {"SCANMATRIX_GIT_TOKENS": f"{{{host!r}: {SECRET}}}"}):
        with pytest.raises(UsageError, match="SCANMATRIX_GIT_") as caught:
            logins(given)
        assert SECRET not in str(caught.value)


def test_a_token_without_a_host_is_refused_for_every_url():
    for url in ("https://github.com/x", "ssh://git@github.com/x"):
        with pytest.raises(UsageError, match="SCANMATRIX_GIT_HOST") as caught:
            login_for(url, {"SCANMATRIX_GIT_TOKEN": SECRET})
        assert SECRET not in str(caught.value)


def test_several_hosts_as_yaml_or_json():
    text = f'{{github.com: {SECRET}, "git.example:8443": {{username: bot, token: other}}, "[::1]:9": third}}'
    found = logins({"SCANMATRIX_GIT_TOKENS": text})
    assert found == {
        "github.com": GitLogin("x-access-token", SECRET),
        "git.example:8443": GitLogin("bot", "other"),
        "[::1]:9": GitLogin("x-access-token", "third"),
    }
    assert logins(MINE | {"SCANMATRIX_GIT_TOKENS": f'{{"github.com": "{SECRET}"}}'}).keys() == {"github.com"}


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        f"[{SECRET}]",
        f"{{github.com: [{SECRET}]}}",
        f"{{github.com: {{user: a, token: {SECRET}}}}}",
        "{github.com: {username: a}}",
        "{github.com: 123}",
        "{github.com: ''}",
        f"{{github.com: {SECRET}",
        f"{{github.com: {SECRET}, github.com.: other}}",
        f'{{"github.com": "{SECRET}\\npassword=x"}}',
    ],
)
def test_what_is_no_mapping_of_hosts_to_tokens_is_refused_without_showing_it(text):
    with pytest.raises(UsageError, match="SCANMATRIX_GIT_TOKENS") as caught:
        logins({"SCANMATRIX_GIT_TOKENS": text})
    assert SECRET not in str(caught.value)


def test_files_of_a_secret_are_pairs_too():
    files = [("git.example_8443.password", "a"), ("git.example_8443.username", "bot"), ("x.username", "alone")]
    assert as_variable(files) == {"git.example:8443": {"token": "a", "username": "bot"}}
    assert secret_key("https://Git.Example:8443/x") == "git.example_8443"
    assert authority("https://Git.Example:8443/x") == "git.example:8443"


def test_a_login_shows_its_token_to_nobody():
    assert SECRET not in repr(GitLogin("bot", SECRET))
