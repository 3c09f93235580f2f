"""The schema of the custom resource: structural, with every default, and with a rule for each check across keys."""

from typing import Any, get_args

import pytest

from orchestrator.config.keys import alternatives, sections_in
from orchestrator.config.loading import Config
from orchestrator.config.resource import WITHOUT, spec_schema
from orchestrator.config.section import Keys, Section

SCHEMA = spec_schema()
#: Sections whose checks across keys no rule says, and why.
UNSAID = {
    "DistrustSection": "moments are written with and without a time zone, which CEL does not compare",
    "OidcSection": "the REST service is none of a resource",
    "ServicePods": "what leads to the service is none of a resource",
    "WorkerPods": "the queue, and what takes cells out of it, are none of a resource",
    "VolumeSection": "its keys are none of a resource",
}


def _schemas(node: dict[str, Any]) -> list[dict[str, Any]]:
    """A schema and all schemas in it."""
    below = [
        *node.get("properties", {}).values(),
        *(node[word] for word in ("items", "additionalProperties") if word in node),
    ]
    return [node, *(one for each in below for one in _schemas(each))]


def test_it_has_nothing_that_a_structural_schema_has_no_words_for() -> None:
    words = {word for each in _schemas(SCHEMA) for word in each}
    assert words <= {
        "additionalProperties", "anyOf", "default", "description", "enum", "format", "items", "maxItems", "maxLength",
        "maxProperties", "maximum", "minItems", "minLength", "minimum", "pattern", "properties", "required", "type",
        "x-kubernetes-int-or-string", "x-kubernetes-validations",
    }  # fmt: skip
    assert all(isinstance(each.get("type", ""), str) for each in _schemas(SCHEMA))
    assert all("type" in each or "x-kubernetes-int-or-string" in each for each in _schemas(SCHEMA))


def test_everything_that_is_written_has_a_bound() -> None:
    for each in _schemas(SCHEMA):
        kind = each.get("type")
        assert kind != "array" or "maxItems" in each
        assert kind != "object" or "properties" in each or "maxProperties" in each
        assert kind != "string" or "maxLength" in each or "enum" in each


def _sections(kind: type[Section], seen: dict[type[Section], None]) -> dict[type[Section], None]:
    if kind not in seen:
        seen[kind] = None
        for field in kind.model_fields.values():
            for each in sections_in(field.annotation if not field.metadata else field.rebuild_annotation()):
                _sections(each, seen)
    return seen


def _checks(kind: type[Section]) -> bool:
    """Whether a section checks something across its keys, beside what its base class does."""
    return bool(kind.__pydantic_decorators__.model_validators.keys() - {"_exactly_one", "_something"})


@pytest.mark.parametrize("section", list(_sections(Config, {})), ids=lambda each: each.__name__)
def test_each_check_across_keys_is_a_rule_or_says_why_not(section: type[Section]) -> None:
    if _checks(section):
        assert bool(section.across) != (section.__name__ in UNSAID), section.__name__


def test_keys_that_are_left_out_are_keys() -> None:
    known = {section.__name__: section for section in _sections(Config, {})}
    for name, keys in WITHOUT.items():
        assert keys <= {field.alias or key for key, field in known[name].model_fields.items()}, name


def test_no_key_of_a_secret_or_of_the_controllers_machine_is_left_in() -> None:
    argo = SCHEMA["properties"]["argo"]["properties"]
    assert not {"namespace", "operators", "images", "quota"} & argo.keys()
    assert not {"hostPath", "nfs", "path"} & SCHEMA["properties"]["volume"]["properties"].keys()
    assert "engine" not in SCHEMA["properties"]


def test_a_frozen_type_has_its_rules_too() -> None:
    (policy,) = alternatives(Config.model_fields["policy"].rebuild_annotation())
    assert policy.across
    assert any(isinstance(each, Keys) for each in get_args(Config.model_fields["policy"].rebuild_annotation())[1:])
