"""`docs/scans.md` and the code say the same of scans, keys, defaults and formats; its example is a valid template."""

import re
from pathlib import Path

import yaml

from orchestrator.api.lint import lint_file
from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.template import TEMPLATE
from orchestrator.config.loading import default_config
from orchestrator.findings import formats
from orchestrator.kit.quantities import parse_duration

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "scans.md").read_text()
CATALOG = load_catalog()


def _table(heading):
    """Cells of each row of the tables under a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [
        [cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"^\| `.*\|$", section, re.MULTILINE)
    ]


def test_each_shipped_scan():
    rows = [row for row in _table("The shipped scans") if len(row) == 7]
    assert [row[0].strip("`") for row in rows] == list(CATALOG)
    for (_, scanner, image, _, database, limits, _), scan in zip(rows, CATALOG.values(), strict=True):
        memory, timeout = limits.split(", ")
        assert (memory, parse_duration(timeout)) == (scan.resources.memory_limit, scan.timeout)
        assert database == ("yes" if scan.database else "no")
        assert (scanner == "built in", image == "the orchestrator's") == (scan.builtin, scan.builtin)
        assert scan.builtin or image == f"`{scan.image}`"
        assert scan.retries == 1


def test_each_parameter():
    rows = [row for row in _table("The shipped scans") if len(row) == 4]
    documented = {(scan.strip("`"), name.strip("`")): default.strip("`") for scan, name, default, _ in rows}
    assert documented == {
        (scan.name, name): value for scan in CATALOG.values() for name, value in scan.parameters.items()
    }


def test_every_format():
    [row] = [row for row in _table("Every key") if row[0] == "`format`"]
    assert set(re.findall(r"`(\w+)`", row[3])) == set(formats())


def test_the_example_is_a_whole_template(tmp_path):
    text = re.search(r"^```yaml\n(name:.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]
    file = tmp_path / f"{yaml.safe_load(text)['name']}.yaml"
    file.write_text(text)
    assert lint_file(file) == []
    scans = {"templates": [str(file)], "parameters": {"licenses": {"severity": "HIGH"}}}
    assert "--severity=HIGH" in load_catalog(default_config(environment={}, scans=scans))["licenses"].command


def test_the_fragment_of_a_database():
    [text] = re.findall(r"^```yaml\n(database:.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    whole = {
        "name": "x",
        "description": "x",
        "image": "x:1",
        "command": ["x"],
        "format": "grype",
        **yaml.safe_load(text),
    }
    assert TEMPLATE.read(whole, by_alias=True).database.timeout == 1800
