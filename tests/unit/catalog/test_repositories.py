"""Templates that read source repositories, and what can be wrong with them."""

import pytest
import yaml

from orchestrator.catalog.loading import CatalogError, load_catalog, read_template
from orchestrator.config.loading import default_config
from orchestrator.model import TargetKind

MINE = {
    "name": "mine",
    "description": "Mine",
    "image": "example.com/mine:1.0",
    "repository": {"command": ["mine", "{checkout}", "--out={report}"]},
    "format": "scanmatrix",
}
ONLINE = {"command": ["mine", "{repository}", "{commit}", "{report}"], "tokens": {"github.com": "TOKEN"}}


def write(tmp_path, **changes):
    file = tmp_path / "mine.yaml"
    keys = {key: value for key, value in {**MINE, **changes}.items() if value is not None}
    file.write_text(yaml.safe_dump(keys, sort_keys=False))
    return file


def test_a_scan_says_which_kinds_of_targets_it_reads():
    catalog = load_catalog()
    reads = {name: [kind.value for kind in TargetKind if scan.reads(kind)] for name, scan in catalog.items()}
    assert reads["scorecard"] == ["repository"]
    assert reads["dependency"] == reads["secrets"] == ["image", "repository"]
    assert all(
        kinds == ["image"] for name, kinds in reads.items() if name not in {"scorecard", "dependency", "secrets"}
    )


def test_the_default_scans_of_repositories_can_all_read_them():
    catalog = load_catalog()
    assert all(
        catalog[name].reads(TargetKind.REPOSITORY) for name in default_config(environment={}).scans.repository_default
    )


def test_parameters_are_filled_into_every_command(tmp_path):
    way = {"command": ["mine", "{checkout}", "{report}", "{parameter.level}"], "online": {**ONLINE, "atOnce": 3}}
    way["online"]["command"] = [*ONLINE["command"], "{parameter.level}"]
    file = write(tmp_path, repository=way, parameters={"level": "high"})
    scan = load_catalog(default_config(environment={}, scans={"templates": [str(file)]}))["mine"]
    assert scan.command_for(TargetKind.REPOSITORY)[-1] == "high"
    assert scan.command_for(TargetKind.REPOSITORY, online=True)[-1] == "high"
    assert (scan.repository.online.at_once, scan.program) == (3, "mine")
    assert scan.command_for(TargetKind.IMAGE) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"repository": None}, "'command' is missing, and 'repository' as well"),
        ({"repository": {"command": ["mine", "{report}"]}}, "never names {checkout}"),
        ({"repository": {"command": ["mine", "{checkout}"]}}, "never names {report}"),
        ({"repository": {"command": ["mine", "{tarball}", "{checkout}", "{report}"]}}, "unknown placeholder {tarball}"),
        ({"command": ["mine", "{checkout}", "{tarball}", "{report}"]}, "unknown placeholder {checkout}"),
        ({"command": ["other", "{tarball}", "{report}"]}, "begin with the same program"),
        ({"repository": {**MINE["repository"], "online": {**ONLINE, "tokens": {}}}}, "at least 1 item"),
        (
            {"repository": {**MINE["repository"], "online": {**ONLINE, "tokens": {"https://x": "T"}}}},
            "write lower-case letters",
        ),
        (
            {"repository": {**MINE["repository"], "online": {**ONLINE, "command": ["mine", "{report}"]}}},
            "never names {repository}",
        ),
        ({"repository": {**MINE["repository"], "onlin": ONLINE}}, "unknown key 'onlin'"),
        (
            {"builtin": True, "image": None, "command": ["mine", "{tarball}", "{report}"]},
            "a built-in scan reads images only",
        ),
    ],
)
def test_each_mistake_is_reported(tmp_path, changes, words):
    with pytest.raises(CatalogError) as caught:
        read_template(write(tmp_path, **changes))
    assert words.lower() in str(caught.value).lower()
