"""One grammar of placeholders: the same meaning for a process and for a pod, or a refusal where they are written."""

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.placeholders import WORDS, fill_words, judge_filled, judge_name, judge_value
from orchestrator.catalog.template import OF_PLACES, CatalogError
from orchestrator.config.loading import Config, ConfigError, default_config, load_config
from orchestrator.kit.placeholders import fill, placeholders
from orchestrator.kit.sources import SourceError
from orchestrator.model import Database, Scan
from orchestrator.workflows.cell import fill as fill_for_pod
from orchestrator.workflows.cell import scanner_command, scanner_container
from orchestrator.workflows.settings import RenderError, Settings, settings_of
from tests.tools.kubernetes import expand, expand_variables

#: What may stand in a text of a template, by the edges of the grammar.
PIECES = st.sampled_from(
    ["{tarball}", "{report}", "{parameter.min-level}", "{", "}", "report", "parameter.", "a.b", "x"]
)
TEMPLATE = {
    "name": "mine", "description": "d", "image": "mine:1", "format": "sarif", "parameters": {"min-level": "high"},
    "command": ["mine", "{tarball}", "--out={report}", "--level={parameter.min-level}"],
}  # fmt: skip


SETTINGS = Settings(image="scanmatrix:1", claim="c", namespace="n", service_account="s")


def scan(**fields: object) -> Scan:
    return Scan(**{"name": "mine", "image": "mine:1", "format": "sarif", "command": ("mine",)} | fields)


@pytest.fixture
def config(tmp_path):
    """A configuration with one template of its own, and values of its parameters."""

    def make(values: dict[str, str] | None = None, **keys: object) -> Config:
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(TEMPLATE | keys))
        scans: dict[str, object] = {"templates": ["mine.yaml"]}
        scans |= {"parameters": {"mine": values}} if values else {}
        (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump({"scans": scans}))
        return load_config(tmp_path / "scanmatrix.yaml", environment={})

    return make


def test_placeholders_are_filled_once() -> None:
    places = {"tarball": "/t {report}", "report": "/r"}
    found = fill_words(
        ("{tarball}", "--out={report}", "{parameter.age}{report}"), scan(parameters={"age": "{tarball}"}), places
    )
    assert found == ("/t {report}", "--out=/r", "{tarball}/r")


def test_braces_that_are_no_placeholder_stay() -> None:
    texts = ('{"json": {}}', "{{.Template}}", "{unknown}", "{", "}", "a{tarball")
    assert fill_words(texts, scan(), {"tarball": "/t"}) == texts


@given(st.text(alphabet="{}abtarll.", max_size=40))
def test_text_without_a_placeholder_is_left_alone(text: str) -> None:
    assert fill_words((text,), scan(), {"nothing-of-this": "value"}) == (text,)


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(PIECES, max_size=4).map("".join))
def test_a_process_and_a_pod_get_the_same_or_the_text_is_refused(text: str, value: str) -> None:
    of = scan(parameters={"min-level": value})
    places = {"tarball": "/scan/image.tar", "report": "/scan/report.json"}
    process = fill_words([text], of, places)[0]
    try:
        assert fill_for_pod(text, of, where="") == process
    except RenderError:
        assert "{{" in process


@given(st.lists(PIECES, max_size=8).map("".join), st.lists(PIECES, max_size=4).map("".join))
def test_no_value_makes_a_placeholder_of_the_text_around_it(text: str, value: str) -> None:
    if not judge_value(value) and not judge_filled(text, {"min-level": value}):
        filled = fill(text, {"parameter.min-level": value})
        left = [name for name in placeholders(text) if name in {"tarball", "report"}]
        assert [name for name in placeholders(filled) if name in {"tarball", "report"}] == left
        assert not [name for name in placeholders(filled) if name.startswith("parameter.")] or "{parameter" in text


@pytest.mark.parametrize(
    ("text", "value"),
    [("{re{parameter.x}}", "port"), ("{parameter.x}report}", "{"), ("{{parameter.x}}", "tarball"),
     ("{parameter.x}", "{report}"), ("{parameter.x}x}", "{parameter.")],
)  # fmt: skip
def test_a_value_that_would_be_read_again_is_refused(text, value):
    assert judge_value(value) or judge_filled(text, {"x": value})


@pytest.mark.parametrize("name", ["min.level", "", "1st", "a b", "größe", "a{b}", "a" * 64, "min..level", "-a"])
def test_a_parameter_has_a_plain_name_where_it_is_declared(config, name):
    assert judge_name(name)
    with pytest.raises(CatalogError, match=r"mine\.yaml:\d+: .*cannot be the name of a parameter"):
        load_catalog(config(parameters={"min-level": "high", name: "x"}))
    with pytest.raises(CatalogError, match=r"scanmatrix\.yaml:\d+: .*cannot be the name of a parameter"):
        load_catalog(config({name: "x"}))


@pytest.mark.parametrize("name", ["min-level", "maxAge", "a_b", "x", "a" * 63])
def test_a_plain_name_means_the_same_in_a_pod(config, name):
    command = [*TEMPLATE["command"][:3], f"--level={{parameter.{name}}}"]
    found = load_catalog(config(command=command, parameters={name: "low"}))["mine"]
    assert found.command[-1] == scanner_command(found)[-1] == "--level=low"


@pytest.mark.parametrize(
    "word", ["{parameter.min.level}", "{parameter.}", "{parameter.größe}", "{parameter. min-level}", "{parameter}"]
)
@pytest.mark.parametrize("where", ["command", "environment", "database"])
def test_what_is_meant_to_be_a_parameter_and_is_none_is_refused_everywhere(config, where, word):
    keys = {
        "command": {"command": [*TEMPLATE["command"], word]},
        "environment": {"environment": {"LEVEL": word}},
        "database": {"database": {"refresh": ["mine", "{database}", word]}},
    }
    with pytest.raises(CatalogError, match="unknown placeholder"):
        load_catalog(config(**keys[where]))


@pytest.mark.parametrize(
    "section",
    [
        {"exports": {"s3": {"bucket": "b", "prefix": "scans/@"}}},
        {"exports": {"s3": {"bucket": "b", "endpoint": "https://s3.example/@"}}},
        {"exports": {"dependencyTrack": {"url": "https://t.example", "project": "@"}}},
        {"exports": {"defectdojo": {"url": "https://d.example", "tags": ["a", "x-@"]}}},
        {"notify": {"routes": [{"slack": {"url": "https://hooks.example/@"}}]}},
        {"notify": {"routes": [{"slack": {"url": "https://hooks.example/x", "channel": "@"}}]}},
        {"notify": {"routes": [{"webhook": {"url": "https://hooks.example/@", "secret": "0123456789abcdef"}}]}},
        {"volume": {"path": "/data/@"}},
    ],
)
@pytest.mark.parametrize("placeholder", ["{parameter.min.level}", "{parameter.}", "{tarball}", "{Run}"])
def test_the_configuration_passes_on_no_placeholder_that_means_nothing(tmp_path, section, placeholder):
    path = tmp_path / "scanmatrix.yaml"
    path.write_text(json.dumps(section).replace("@", placeholder))
    with pytest.raises(ConfigError, match=r"scanmatrix\.yaml:\d+: .*(placeholder|channel)"):
        load_config(path, environment={})


@pytest.mark.parametrize("keys", [{"image": "mine/{parameter.min-level}:1"}, {"report": "{parameter.min-level}.json"}])
def test_a_placeholder_where_nothing_is_filled_in_is_refused(config, keys):
    with pytest.raises(CatalogError, match=rf"{next(iter(keys))}"):
        load_catalog(config(**keys))


@pytest.mark.parametrize("value", ["{{workflow.name}}", "{{=1+1}}", "{{", "a{{b"])
def test_no_value_reaches_an_expression_of_argo(config, value):
    found = load_catalog(config({"min-level": value}))["mine"]
    assert found.command[-1] == f"--level={value}"  # a process gets it as it is
    with pytest.raises(RenderError, match="Argo"):
        scanner_command(found)


def test_two_values_cannot_make_an_expression_of_argo_together(config):
    command = [*TEMPLATE["command"][:3], "{parameter.a}{parameter.b}"]
    found = load_catalog(config({"a": "{", "b": "{workflow.name}"}, command=command, parameters={"a": "x", "b": "y"}))
    with pytest.raises(RenderError, match="Argo"):
        scanner_command(found["mine"])


def test_a_plan_of_an_earlier_version_is_filled_in_alike():
    of = scan(parameters={"min.level": "high"}, database=Database(refresh=("x", "{database}")))
    assert fill_words(["{parameter.min.level}"], of, {}) == ("high",)
    assert fill_for_pod("{parameter.min.level}", of, where="") == "high"


@given(st.text(alphabet="$(){}HOMEx ", max_size=20))
def test_kubernetes_changes_nothing_in_a_command_or_a_variable(text: str) -> None:
    of = scan(command=("mine", text), environment={"A": text}, success_codes=(0, 1))
    try:
        container = scanner_container(of, SETTINGS, "", scratch=0)
    except RenderError:
        assert "{{" in text
        return
    variables = expand_variables({one.name: one.value for one in container["env"]})
    assert variables["A"] == text
    assert expand(container["args"][-1], variables) == text
    assert [expand(word, variables) for word in container["args"][:-1]] == scanner_command(of)[1:-1]


def test_kubernetes_fills_in_variables_where_nobody_keeps_it_from_that() -> None:
    assert expand("$(HOME) $$(HOME) $$ $x $(y) $(", {"HOME": "/h"}) == "/h $(HOME) $ $x $(y) $("


def test_no_image_of_ours_reaches_argo_with_an_expression(tmp_path):
    with pytest.raises(RenderError, match="image"):
        settings_of(default_config(environment={}, image="scanmatrix:{{workflow.name}}"))


@pytest.mark.parametrize(
    ("way", "refused"), [({}, False), ({"repository": {"command": ["mine", "{checkout}", "{report}"]}}, True)]
)
def test_a_variable_of_all_commands_has_no_placeholder_that_only_some_have(config, way, refused):
    made = config(environment={"TARGET": "{tarball}"}, **way)
    if refused:
        with pytest.raises(CatalogError, match=r"environment\.TARGET: unknown placeholder \{tarball\}"):
            load_catalog(made)
    else:
        assert load_catalog(made)["mine"].environment == {"TARGET": "{tarball}"}


def test_no_value_holds_what_no_command_line_can(config):
    with pytest.raises(SourceError, match="control character"):
        config({"min-level": "a\0b"})
    with pytest.raises(CatalogError, match="NUL"):
        load_catalog(default_config(environment={}, scans={"parameters": {"dependency": {"databaseUrl": "\0"}}}))


def test_the_table_of_the_documentation_says_what_is_checked() -> None:
    text = (Path(__file__).parents[3] / "docs" / "scans.md").read_text()
    rows = dict(re.findall(r"^\| `\{(\w+)\}` \|.*\| (.*) \|$", text, re.MULTILINE))
    every = {place for place in OF_PLACES if " " not in place}
    assert rows.keys() == WORDS
    for name, where in rows.items():
        places = (
            every - set(re.findall("`([^`]+)`", where))
            if where.startswith("all but")
            else set(re.findall("`([^`]+)`", where))
        )
        known = {place for place in every if name in OF_PLACES[place]}
        assert places - {"database"} == (every - {"database.fetch"} if name == "database" else known), name
