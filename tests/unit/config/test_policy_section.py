"""The section `policy`: what it becomes in the plan, and which mistakes it tells."""

import pytest

from orchestrator.catalog.loading import CatalogError, load_catalog
from orchestrator.config.loading import ConfigError, load_config
from orchestrator.model import Policy, PolicyRule, Severity
from orchestrator.model.documents import decode, encode


def _load(tmp_path, text):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text(text)
    return load_config(file, environment={})


def test_everything(tmp_path):
    config = _load(
        tmp_path,
        """
policy:
  coverage: 98
  severity: critical
  databaseAge: 3d
  feeds: {epss: epss.csv.gz, kev: kev.json}
  warnOnly: true
  rules:
    - {name: everything}
    - name: one
      atMost: 7
      severity: low
      kinds: [vulnerability, secret]
      scans: [general, "dep*"]
      owners: ["*@example.com"]
      ecosystems: [deb]
      fixable: true
      olderThan: 30d
      epss: 0.1
      kev: true
""",
    )
    policy = config.policy
    assert policy == Policy(
        coverage=98.0,
        severity=Severity.CRITICAL,
        database_age=3 * 86400,
        epss_feed="epss.csv.gz",
        kev_feed="kev.json",
        warn_only=True,
        rules=(
            PolicyRule(name="everything"),
            PolicyRule(
                name="one",
                at_most=7,
                severity=Severity.LOW,
                kinds=("vulnerability", "secret"),
                scans=("general", "dep*"),
                owners=("*@example.com",),
                ecosystems=("deb",),
                fixable=True,
                older_than=30 * 86400,
                epss=0.1,
                kev=True,
            ),
        ),
    )
    assert decode(encode(policy), Policy, origin="plan") == policy
    assert load_catalog(config)


def test_nothing_is_the_default(tmp_path):
    assert _load(tmp_path, "policy: {}").policy == Policy()


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("rules: [{name: a}, {name: b}, {name: a}]", "a"),
        ("rules: [{name: severity}]", "severity"),
        ("rules: [{name: coverage}]", "coverage"),
        ("rules: [{name: database-age}]", "database-age"),
        ("rules: [{name: 'a b'}]", "a b"),
        ("rules: [{atMost: 1}]", "name"),
        ("rules: [{name: a, atMost: -1}]", "atMost"),
        ("rules: [{name: a, kinds: [vulnerabilities]}]", "kinds"),
        ("rules: [{name: a, severity: urgent}]", "severity"),
        ("rules: [{name: a, fixible: true}]", "fixable"),
        ("rules: [{name: a, epss: 10}]", "epss"),
        ("rules: [{name: a, epss: 0.1}]", "policy.feeds.epss"),
        ("rules: [{name: a, kev: true}]\n  feeds: {epss: epss.csv}", "policy.feeds.kev"),
        ("rules: [{name: a, olderThan: 30}]", "30s"),
        ("databaseAge: 3", "3s"),
        ("feeds: {epss: ../epss.csv}", "../epss.csv"),
        ("feeds: {epss: /data/epss.csv}", "/data/epss.csv"),
        ("coverage: 101", "coverage"),
    ],
)
def test_mistakes(tmp_path, written, told):
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, f"policy:\n  {written}\n")
    assert told in str(caught.value)
    assert "scanmatrix.yaml:" in str(caught.value)


def test_a_misspelt_scan_is_reported_with_its_line(tmp_path):
    config = _load(tmp_path, "policy:\n  rules:\n    - name: a\n      scans: [virus, genral, 'dep*']\n")
    with pytest.raises(CatalogError, match=r"scanmatrix\.yaml:4: .*'genral', did you mean 'general'"):
        load_catalog(config)
