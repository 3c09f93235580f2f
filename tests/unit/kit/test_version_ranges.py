"""Ranges of versions: what is in them, and what nobody can say."""

import pytest

from orchestrator.kit.version_ranges import constraints_of, in_range, is_later, is_same


@pytest.mark.parametrize(
    ("text", "version", "ecosystem", "expected"),
    [
        ("vers:maven/>=2.0|<2.15.0", "2.14.1", "maven", True),
        ("vers:maven/>=2.0|<2.15.0", "2.15.0", "maven", False),
        ("vers:maven/>=2.0|<2.15.0", "2.15.0-rc1", "maven", True),
        # As official examples of CycloneDX write them.
        ("vers:semver/<7.0.0|>=1.5.0", "7.0.0", "", False),
        ("vers:semver/<7.0.0|>=1.5.0", "2.0", "", True),
        ("vers:semver/<1.5.0|>=7.0.0", "2.0", "", False),
        ("vers:generic/>=2.9|<=4.1", "4.1", "", True),
        ("vers:generic/>=2.9|<=4.1", "4.1.0.1", "", False),
        ("vers:generic/>=2.9|<=4.1", "3-r1", "apk", True),
        ("vers:deb/<1%3A2.3", "1:2.2", "deb", True),
        ("vers:deb/<1:2.3", "2:0.1", "deb", False),
        ("VERS:pypi/ 1.0 | 2.0 ", "2.0.0", "pypi", True),
        ("vers:npm/<1|!=0.5", "0.5", "npm", False),
        ("vers:golang/<v1.2.3", "1.2.0", "golang", True),
        ("vers:apk/<1.2.3-r1", "1.2.3-r0", "apk", True),
        ("vers:openssl/<1.1.1l", "1.1.1k", "", True),
        ("vers:npm/*", "anything", "npm", True),
        ("vers:all/*", "anything", "", True),
        ("vers:none/*", "1", "", False),
        # Nobody can say.
        ("vers:generic/>=2.9|<=4.1", "1:3.0", "deb", None),
        ("vers:deb/<3.0-5", "1:2.0-7", "deb", None),
        ("vers:generic/<2", "latest", "", None),
        ("vers:npm/<2", "1:1.0", "npm", None),
        ("vers:nobody/<2", "1", "", None),
        ("vers:npm/>1|>2", "3", "npm", None),
        ("vers:npm/<2", "1" * 300, "npm", None),
        ("[1,2)", "1", "npm", None),
    ],
)
def test_what_is_in_a_range(text, version, ecosystem, expected):
    assert in_range(text, version, ecosystem) is expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "[1,2)",
        ">=1",
        "vers:",
        "vers:npm",
        "vers:npm/",
        "vers:npm/>=",
        "vers:nobody/<1",
        "vers:npm/1|*",
        "vers:npm/>1|>2",
        "vers:deb/" + "|".join(f"{number}" for number in range(2000)),
        "vers:npm/" + "9" * 500,
    ],
)
def test_what_is_no_range(text):
    with pytest.raises(ValueError, match=r"\S"):
        constraints_of(text)


@pytest.mark.parametrize(
    ("one", "other", "ecosystem", "same", "later"),
    [
        ("1.0", "1.0.0", "npm", True, False),
        ("v1.0", "1.0", "", True, None),
        ("1:2.38", "2.38", "deb", True, None),
        ("1:2.38", "2:2.38", "deb", False, False),
        ("2.38", "2.37", "deb", False, True),
        ("1.0", "1.0.1", "", False, False),
        ("abc", "abd", "", None, None),
    ],
)
def test_two_versions(one, other, ecosystem, same, later):
    assert is_same(one, other, ecosystem) is same
    if later is not None:
        assert is_later(one, other, ecosystem) is later
