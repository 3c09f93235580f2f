"""Templates with a server that stays running, and what can be wrong with them."""

import msgspec
import pytest
import yaml

from orchestrator.catalog.loading import CatalogError, load_catalog, read_template
from orchestrator.catalog.versions import version_of
from orchestrator.config.loading import default_config
from orchestrator.model import Warm

WARM = {
    "start": ["served", "--socket={server}/s", "--data={database}", "--config={files}/served.conf"],
    "command": ["asked", "--socket={server}/s", "{layers}", "{report}"],
    "ready": ["asked", "--ping={server}/s"],
    "files": {"served.conf": "level {parameter.level}\nsocket {server}/s\n"},
}
MINE = {
    "name": "mine",
    "description": "Mine",
    "image": "example.com/mine:1.0",
    "command": ["mine", "{tarball}", "--out={report}"],
    "format": "scanmatrix",
    "database": "/srv/mine",
    "parameters": {"level": "low"},
}


def write(tmp_path, **changes):
    file = tmp_path / "mine.yaml"
    keys = {key: value for key, value in {**MINE, **changes}.items() if value is not None}
    file.write_text(yaml.safe_dump(keys, sort_keys=False))
    return file


def load(tmp_path, **changes):
    file = write(tmp_path, **changes)
    return load_catalog(default_config(environment={}, scans={"templates": [str(file)]}))["mine"]


def test_parameters_are_filled_into_every_text_and_the_rest_is_left_for_the_start(tmp_path):
    scan = load(tmp_path, warm={**WARM, "start": [*WARM["start"], "--level={parameter.level}"], "readyWithin": "2m"})
    assert isinstance(scan.warm, Warm)
    assert scan.warm.start[-2:] == ("--config={files}/served.conf", "--level=low")
    assert scan.warm.files == {"served.conf": "level low\nsocket {server}/s\n"}
    assert scan.warm.ready_within == 120


def test_what_is_left_out_has_a_bound_and_no_files(tmp_path):
    warm = load(tmp_path, warm={key: WARM[key] for key in ("start", "command", "ready")}).warm
    assert (warm.files, warm.ready_within) == ({}, 300)


def test_a_worker_with_another_server_has_another_version(tmp_path):
    scan = load(tmp_path, warm=WARM)
    other = msgspec.structs.replace(scan, warm=msgspec.structs.replace(scan.warm, ready=("true",)))
    assert len({version_of(scan), version_of(other), version_of(load(tmp_path))}) == 3


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"warm": {**WARM, "command": ["asked", "{report}"]}}, "command:", "never names {tarball} or {layers}"),
        ({"warm": {**WARM, "command": ["asked", "{layers}"]}}, "command:", "never names {report}"),
        ({"warm": {**WARM, "start": ["served", "{tarball}"]}}, "{", "unknown placeholder {tarball}"),
        ({"warm": {**WARM, "start": ["served", "{workdir}"]}}, "{", "unknown placeholder {workdir}"),
        ({"warm": {**WARM, "ready": ["asked", "{report}"]}}, "{", "unknown placeholder {report}"),
        ({"warm": {**WARM, "files": {"a": "{sbom}"}}}, "a: ", "unknown placeholder {sbom}"),
        ({"warm": {**WARM, "files": {"../a": ""}}}, "../a:", "warm.files"),
        ({"warm": {**WARM, "files": {"a": "{parameter.no}"}}}, "a: ", "unknown placeholder {parameter.no}"),
        ({"warm": {**WARM, "start": []}}, "start:", "warm.start"),
        ({"warm": {"start": ["served"]}}, "warm:", "key 'command' is missing"),
        ({"warm": {**WARM, "readyWithin": "0s"}}, "readyWithin", "warm.readyWithin"),
        ({"warm": WARM, "database": None}, "--data=", "there is no key 'database'"),
        ({"warm": WARM, "environment": {"A": "{tarball}"}}, "A: ", "unknown placeholder {tarball}"),
        ({"warm": WARM, "command": None, "repository": {"command": ["mine", "{checkout}", "{report}"]}}, "warm:",
         "needs 'command'"),
        ({"command": ["mine", "{server}", "{tarball}", "{report}"]}, "{server}", "unknown placeholder {server}"),
    ],
)  # fmt: skip
def test_mistakes_are_named_with_their_line(tmp_path, changes, place, words):
    file = write(tmp_path, **changes)
    with pytest.raises(CatalogError) as error:
        read_template(file)
    [problem] = [each for each in error.value.problems if words in str(each)]
    assert place in file.read_text().splitlines()[problem.line - 1]
