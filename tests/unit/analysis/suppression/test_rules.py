"""Ignore files: what they may say, and every mistake at its line."""

from datetime import UTC, date, datetime, timedelta

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.suppression.rules import parse_rules, read_rules
from orchestrator.kit.ids import folded
from orchestrator.kit.sources import SourceError
from orchestrator.model import JUSTIFICATIONS
from orchestrator.model.suppression import PATTERNS

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
SCANS = ("dependency", "general", "virus")


def rules(text, **options):
    return parse_rules(text, "ignore.yaml", **{"scans": SCANS, "now": NOW} | options)


def mistakes(text, **options):
    with pytest.raises(SourceError) as raised:
        rules(text, **options)
    return [(problem.line, problem.message) for problem in raised.value.problems]


def test_every_key(tmp_path):
    file = tmp_path / "ignore.yaml"
    file.write_text(
        "# ours\nignore:\n- id: CVE-2020-1\n  package: openssl\n  target: docker.io/library/*\n  owner: team-*\n"
        "  scan: gen*\n  path: /usr/*\n  reason: >\n    not\n    called\n  expires: 2026-03-31\n"
        "  justification: vulnerable_code_not_in_execute_path\n"
    )
    [rule] = read_rules(file, name="ignore.yaml", scans=SCANS, now=NOW)
    assert rule.name == "ignore.yaml:3"
    assert [getattr(rule, name) for name in PATTERNS] == [
        "CVE-2020-1",
        "openssl",
        "docker.io/library/*",
        "team-*",
        "gen*",
        "/usr/*",
    ]
    assert rule.reason == "not called"
    assert rule.expires == "2026-04-01T00:00:00Z"
    assert rule.justification in JUSTIFICATIONS


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("2026-03-31", "2026-04-01T00:00:00Z"),
        ("'2026-03-31'", "2026-04-01T00:00:00Z"),
        ("2026-03-31T12:00:00+02:00", "2026-03-31T10:00:00Z"),
        ("'2026-03-31T12:00:00Z'", "2026-03-31T12:00:00Z"),
        ("2025-01-01", "2025-01-02T00:00:00Z"),
        ("2027-01-10", "2027-01-11T00:00:00Z"),
    ],
)
def test_when_a_rule_ends(written, ends):
    [rule] = rules(f"ignore: [{{id: CVE-2020-1, reason: x, expires: {written}}}]")
    assert rule.expires == ends


@pytest.mark.parametrize("written", ["2027-01-12", "tomorrow", "30d", "12", "2026-03-31T12:00:00", "2026-02-30"])
def test_ends_that_are_none(written):
    [(line, _)] = mistakes(f"ignore:\n- id: CVE-2020-1\n  reason: x\n  expires: {written}\n")
    assert line == 4


def test_every_mistake_is_reported_at_once():
    found = mistakes(
        "ignore:\n"
        "- {id: CVE-2020-1, reason: x, pakage: openssl}\n"
        "- {id: CVE-2020-2}\n"
        "- {id: CVE-2020-3, reason: ' '}\n"
        "- {id: CVE-2020-4, reason: x, scan: genral}\n"
        "- {id: CVE-2020-5, reason: x, justification: code_not_present}\n"
        "- {id: '*', reason: x}\n"
        "- {id: CVE-2020-4, reason: y, scan: genral}\n"
        "- {id: 2020, reason: x}\n"
        "- {id: CVE-2020-6, reason: x, expires: 2030-01-01}\n"
    )
    assert [line for line, _ in found] == [2, 3, 4, 5, 6, 7, 8, 8, 9, 10]
    said = dict(found)
    assert "'package'" in said[2]
    assert "reason" in said[3]
    assert "'general'" in said[5]
    assert "vulnerable_code_not_present" in said[6]
    assert "line 5" in said[8]


@pytest.mark.parametrize(
    "rule",
    [
        {"id": "*"},
        {"id": "CVE-*"},
        {"id": "CVE-????-*"},
        {"id": "[A-Z]*"},
        {"id": "GHSA-*"},
        {"id": "?*?"},
        {"id": "*-*"},
        {"id": "c*"},
        {"package": "*"},
        {"package": "pkg:*"},
        {"package": "pkg:deb/*"},
        {"package": "pkg:deb/debian/*"},
        {"package": "pkg:deb/debian/*@*"},
        {"package": "PKG:deb/Debian/*"},
        {"package": "pkg:debian/debian/*"},
        {"package": "pkg:///deb/debian/*"},
        {"package": "pkg:deb/debian%2F*"},
        {"package": "pkg:deb/debian/*#bash"},
        {"package": "pkg:deb/debian/*?upstream=bash"},
        {"path": "*"},
        {"path": "/*"},
        {"path": "/*/*.*"},
        {"target": "docker.io/library/nginx"},
        {"owner": "team"},
        {"scan": "general"},
        {"scan": "general", "target": "docker.io/library/nginx", "owner": "team", "id": "*", "path": "**"},
    ],
)
def test_rules_that_would_hide_everything_are_refused(rule):
    [(line, message)] = mistakes(yaml.safe_dump({"ignore": [rule | {"reason": "x"}]}))
    assert line == 2
    assert "everything" in message


@pytest.mark.parametrize(
    "rule",
    [
        {"id": "CVE-2020-*"},
        {"id": "root-user"},
        {"id": "*", "package": "linux-libc-dev"},
        {"id": "CVE-*", "path": "/usr/share/doc/*"},
        {"package": "linux-*"},
        {"package": "pkg:npm/@babel/*"},
        {"package": "pkg:deb/debian/linux*@6.*"},
        {"package": "pkg:deb/linux*"},
        {"package": "pkg:golang/github.com/golang-jwt/jwt#v4"},
        {"package": "R"},
        {"path": "*/testdata/*"},
        {"path": "*.jar"},
    ],
)
def test_rules_that_say_what_they_mean(rule):
    assert len(rules(yaml.safe_dump({"ignore": [rule | {"reason": "x"}]}))) == 1


def test_scans_by_glob_must_match_one():
    assert mistakes("ignore: [{id: CVE-2020-1, reason: x, scan: 'zz*'}]")[0][0] == 1
    assert rules("ignore: [{id: CVE-2020-1, reason: x, scan: zzz}]", scans=())


@pytest.mark.parametrize(
    "text", ["", "[]", "rules: []", "ignore: 1", "ignore: [1]", "ignore: {}", "ignore: []\nmore: 1"]
)
def test_what_is_no_ignore_file(text):
    assert mistakes(text)


@pytest.mark.parametrize("text", ["ignore: []", "ignore:\n"])
def test_no_rules(text):
    assert rules(text) == ()


_TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1, max_size=20).map(
    lambda text: f"a{text}"  # nothing that YAML takes for a number, a date or a truth value, which would be refused
)
_RULE = st.fixed_dictionaries(
    {"id": _TEXT.map(lambda text: f"CVE-2020-1{text}"), "reason": _TEXT.filter(str.strip)},
    optional={
        "package": _TEXT,
        "target": _TEXT,
        "owner": _TEXT,
        "scan": st.sampled_from(SCANS),
        "path": _TEXT,
        "expires": st.dates(date(2020, 1, 1), date(2027, 1, 9)),
        "justification": st.sampled_from(JUSTIFICATIONS),
    },
)


def _meant(rule):
    """What two rules are the same by; an id has many spellings."""
    return folded(rule["id"]), *(rule.get(name) for name in PATTERNS if name != "id")


@given(st.lists(_RULE, max_size=5, unique_by=_meant))
def test_what_is_written_is_read(written):
    found = rules(yaml.safe_dump({"ignore": written}, allow_unicode=True))
    assert len(found) == len(written)
    for rule, given_ in zip(found, written, strict=True):
        assert {name: getattr(rule, name) for name in PATTERNS} == {name: given_.get(name, "") for name in PATTERNS}
        assert rule.reason.split() == given_["reason"].split()
        assert rule.justification == given_.get("justification", "")
        ends = given_.get("expires")
        assert rule.expires[:10] == (str(ends + timedelta(days=1)) if ends else "")
