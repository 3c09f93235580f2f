"""What a repository's URL says, and what it must not hold."""

import pytest

from orchestrator.errors import UsageError
from orchestrator.git.url import holds_credentials, is_commit, judge_url, project
from orchestrator.kit.masking import mask


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://github.com/ossf/scorecard", "github.com/ossf/scorecard"),
        ("https://GitHub.com/ossf/scorecard.git/", "github.com/ossf/scorecard"),
        ("ssh://git@gitlab.com:22/group/sub/project.git", "gitlab.com/group/sub/project"),
        ("git@github.com:ossf/scorecard.git", "github.com/ossf/scorecard"),
        ("file:///srv/git/x.git", ""),
        ("http://[", ""),
        ("https://host:99999/x.git", ""),
    ],
)
def test_a_repository_as_its_hosts_api_knows_it(url, found):
    assert project(url) == found


@pytest.mark.parametrize(
    ("url", "holds"),
    [
        ("https://host/x.git", False),
        ("ssh://git@host/x.git", False),
        ("git@host:x.git", False),
        ("https://t0ken@host/x.git", True),
        ("https://me:t0ken@host/x.git", True),
        ("ssh://git:t0ken@host/x.git", True),
        ("https://[t0ken@host/x", True),
        ("https://host:99999/x?private_token=t0ken", True),
    ],
)
def test_credentials_in_a_url(url, holds):
    assert holds_credentials(url) is holds
    if holds:
        with pytest.raises(UsageError) as caught:
            judge_url(url)
        assert "t0ken" not in str(caught.value)


def test_only_a_full_hash_is_a_commit():
    assert [is_commit(ref) for ref in ("a" * 40, "a" * 64, "a" * 39, "A" * 40, "main")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_tokens_are_masked_known_or_not():
    token = "gh" + "p_" + "a" * 36
    assert mask(f"x {token} known-secret y", "known-secret", "") == "x *** *** y"
    assert mask("a plain line") == "a plain line"
