"""`docs/suppression.md` and the code say the same."""

import re
from datetime import UTC, datetime
from pathlib import Path

import yaml

from orchestrator.analysis.suppression import first_use, remarks, rules, vex
from orchestrator.analysis.suppression.cyclonedx_vex import STATES
from orchestrator.config.loading import load_config
from orchestrator.exports import names
from orchestrator.model import JUSTIFICATIONS, VexStatus
from orchestrator.model.suppression import PATTERNS

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "suppression.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_configuration(tmp_path):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text(blocks("yaml")[0])
    config = load_config(file, environment={})
    assert config.suppression.rules == "ignore.yaml"
    assert len(config.suppression.vex) == 2


def test_the_ignore_file():
    text = blocks("yaml")[1]
    scans = ("secrets", "general")
    found = rules.parse_rules(text, "ignore.yaml", scans=scans, now=datetime(2026, 1, 10, tzinfo=UTC))
    assert len(found) == len(yaml.safe_load(text)["ignore"]) == 3


def test_every_key_of_a_rule():
    documented = re.findall(r"^\| `(\w+)` \|", PAGE.split("## The ignore file")[1].split("\n## ")[0], re.MULTILINE)
    assert set(documented) == {*PATTERNS, "reason", "expires", "justification"}
    assert all(f"`{word}`" in PAGE for word in JUSTIFICATIONS)


def test_the_document():
    [text] = blocks("json")
    found = vex.parse(text.encode(), "v.json")
    assert found.problems == []
    assert len(found.statements) == 1


def test_statuses_and_states():
    table = re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+) \| (\w+)", PAGE, re.MULTILINE)
    documented = {state: VexStatus(status) for status, states, _ in table for state in re.findall(r"\w+", states)}
    assert documented == STATES
    assert {VexStatus(status) for status, _, effect in table if effect == "suppressed"} == {
        status for status in VexStatus if status.suppresses
    }


def test_numbers_and_names():
    assert f"{first_use.DEFAULT.days} days after the first run" in PAGE
    assert f"at most {rules.LONGEST.days} days ahead" in PAGE
    assert f"within {remarks.SOON.days} days" in PAGE
    assert set(re.findall(r"export <run> ([\w-]+)", PAGE)) <= set(names())


def test_the_python_example(capsys):
    [code] = blocks("python")
    exec(code, {})
    assert "1 rule" not in capsys.readouterr().out
