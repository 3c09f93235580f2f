"""`docs/configuration.md` and the code say the same of keys, defaults, variables and examples."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.environment import GIT_VARIABLES
from orchestrator.config.keys import fields
from orchestrator.config.loading import Config, load_config
from orchestrator.inventory.csv_file import parse_csv

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "configuration.md").read_text()


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", _blocks("yaml"))
def test_examples(text, tmp_path):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text(text)
    assert load_catalog(load_config(file, environment={}))


def test_every_section_has_an_example():
    shown = {key for text in _blocks("yaml") for key in yaml.safe_load(text)}
    assert set(fields(Config)) - shown == {"engine", "layout", "store"}


def test_variables(tmp_path):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text("engine: local\n")
    [block] = _blocks("sh")
    environment = dict(word.split("=", 1) for word in shlex.split(block))
    config = load_config(file, environment=environment)
    assert len(environment) == 6
    assert config.limits.images_in_flight == 8
    assert config.scans.default == ("general", "virus")
    assert config.fresh_for("virus") == 86400
    assert set(re.findall(r"^\| `(SCANMATRIX_GIT_\w+)`", PAGE, re.MULTILINE)) == GIT_VARIABLES


def test_the_csv():
    [text] = _blocks("csv")
    entries = parse_csv(text, "targets.csv", ("general", "virus"))
    assert [entry.reference for entry in entries] == ["ubuntu:20.04", "java-tool:12", "centos:8"]
