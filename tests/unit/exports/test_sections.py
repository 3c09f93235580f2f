"""The section `exports`: what people may write, and that secrets stay secret."""

from typing import get_args

import pytest

from orchestrator.config.exports import NAME_FIELDS, ExportName
from orchestrator.config.loading import ConfigError, default_config
from orchestrator.exports import load, names
from orchestrator.kit.placeholders import fill


def configure(**section):
    return default_config(environment={}, exports=section)


def test_nothing_is_exported_unless_asked():
    config = default_config(environment={})
    assert config.exports.always == ()
    assert config.exports.s3 is config.exports.defectdojo is config.exports.dependency_track is None


def test_secrets_come_from_the_environment_and_are_masked():
    environment = {
        "SCANMATRIX_EXPORTS__DEFECTDOJO__URL": "https://dojo.example",
        "SCANMATRIX_EXPORTS__DEFECTDOJO__TOKEN": "s3cret-token",
        "SCANMATRIX_EXPORTS__DEPENDENCY_TRACK__URL": "https://track.example/",
        "SCANMATRIX_EXPORTS__DEPENDENCY_TRACK__API_KEY": "s3cret-key",
    }
    exports = default_config(environment=environment).exports
    assert exports.defectdojo.token.get_secret_value() == "s3cret-token"
    assert exports.dependency_track.api_key.get_secret_value() == "s3cret-key"
    assert exports.dependency_track.url == "https://track.example"
    assert "s3cret" not in repr(exports)
    assert "s3cret" not in str(exports.model_dump())


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"s3": {}}, "bucket"),
        ({"always": ["s3", "html"]}, "exports.s3"),
        ({"always": ["dependency-track"]}, "exports.dependencyTrack"),
        ({"always": ["htlm"]}, "always"),
        ({"s3": {"bucket": "b", "partSize": "1Mi"}}, "partSize"),
        ({"s3": {"bucket": "b", "kmsKey": "k"}}, "kmsKey"),
        ({"s3": {"bucket": "b", "endpoint": "https://me:pw@s3.example"}}, "password"),
        ({"s3": {"bucket": "b", "secretKey": "x"}}, "secretKey"),
        ({"s3": {"bucket": "b", "timeout": "0s"}}, "timeout"),
        ({"defectdojo": {"url": "dojo.example"}}, "url"),
        ({"defectdojo": {"url": "https://dojo.example", "product": "{image}"}}, "{repository}"),
        ({"defectdojo": {"url": "https://dojo.example", "product": "{owner"}}, "brace"),
        ({"defectdojo": {"url": "https://dojo.example", "minimumSeverity": "none"}}, "minimumSeverity"),
        ({"dependencyTrack": {"url": "https://t.example", "parent": "all"}}, "parentVersion"),
        ({"dependencyTrack": {"url": "https://t.example?x=1"}}, "url"),
    ],
)
def test_mistakes_are_reported(section, told):
    with pytest.raises(ConfigError) as mistake:
        configure(**section)
    assert told in str(mistake.value)
    assert "pw" not in str(mistake.value).replace("password", "")


def test_templates_know_every_field():
    values = {name: name.upper() for name in NAME_FIELDS}
    template = "/".join(f"{{{name}}}" for name in NAME_FIELDS)
    assert configure(defectdojo={"url": "https://d.example", "test": template}).exports.defectdojo.test == template
    assert fill(template, values) == "/".join(values.values())


def test_a_value_that_looks_like_a_field_is_not_filled_in_again():
    assert fill("{owner}", dict.fromkeys(NAME_FIELDS, "{run}")) == "{run}"


def test_every_export_is_found_by_its_name():
    assert names() == get_args(ExportName)
    for name in names():
        assert load(name).name == name
        assert load(name).description
