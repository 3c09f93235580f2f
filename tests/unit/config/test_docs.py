"""`docs/configuration.md` and the code say the same of keys, defaults, variables and examples."""

import re
import shlex
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import TypeAdapter
from pydantic_core import PydanticUndefined

from orchestrator.catalog.loading import load_catalog
from orchestrator.config.environment import GIT_VARIABLES
from orchestrator.config.keys import fields, sections_in
from orchestrator.config.loading import Config, load_config
from orchestrator.config.section import Section
from orchestrator.inventory.csv_file import parse_csv
from orchestrator.model import Document

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "configuration.md").read_text()
ROW = re.compile(r"^\| `([\w.]+)` \| ([^|]+) \| ([^|]*) \| ([^|]+) \|$", re.MULTILINE)


def _fields(kind, path=()):
    """Every key of the models by its dotted path."""
    for name, field in kind.model_fields.items():
        key = (*path, field.alias or name)
        yield ".".join(key), field
        for section in sections_in(fields(kind)[key[-1]]):
            yield from _fields(section, key)


FIELDS = dict(_fields(Config))
ROWS = {key: default.strip() for key, _, default, _ in ROW.findall(PAGE)}


def _blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_key_of_the_models_and_no_other():
    assert set(ROWS) == set(FIELDS)
    assert len(FIELDS) > 50


@pytest.mark.parametrize("key", FIELDS)
def test_defaults(key):
    field, documented = FIELDS[key], ROWS[key]
    if documented == "required":
        assert field.is_required()
    elif documented == "none":
        assert field.default is None
    elif documented == '`""`':
        assert field.default == ""
    elif match := re.fullmatch("`(.*)`", documented):
        kind = TypeAdapter(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)
        assert kind.validate_python(yaml.safe_load(match[1])) == field.get_default(call_default_factory=True)
    else:
        assert field.default is PydanticUndefined or isinstance(field.default, (Section, Document))
        assert not field.is_required()


@pytest.mark.parametrize("text", _blocks("yaml"))
def test_examples(text, tmp_path):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text(text)
    assert load_catalog(load_config(file, environment={}))


def test_every_section_has_an_example():
    shown = {key for text in _blocks("yaml") for key in yaml.safe_load(text)}
    assert {key for key in FIELDS if "." not in key} - shown == {"engine", "layout", "store"}


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
