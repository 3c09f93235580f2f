"""`lint_file` on every file of ours."""

import os
import re
from pathlib import Path

import pytest

from orchestrator.api.lint import find_kind, lint_file
from orchestrator.catalog.loading import templates_folder
from orchestrator.kit.sources import SourceError

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
OURS = sorted([*EXAMPLES.rglob("scanmatrix.yaml"), *EXAMPLES.rglob("*.csv"), *templates_folder().glob("*.yaml")])


@pytest.mark.parametrize("path", OURS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_we_ship_is_fine(path):
    assert lint_file(path) == []


def lint(tmp_path: Path, name: str, text: str) -> list[str]:
    file = tmp_path / name
    file.write_text(text)
    return [str(problem).removeprefix(f"{tmp_path}{os.sep}") for problem in lint_file(file)]


def test_a_configuration(tmp_path):
    text = "targets:\n- {csv: {path: none.csv}}\n- image: 'a b'\n- archive: later.tar\n"
    found = lint(tmp_path, "any.yml", text)
    assert [line.split(": ")[0] for line in found] == ["any.yml:2", "any.yml:3"]
    [unknown] = lint(tmp_path, "any.yml", "scans: {default: [nope]}\n")
    assert unknown.startswith("any.yml:1: scans.default[0]: unknown scan")
    [unknown] = lint(tmp_path, "any.yml", "engine: lokal\n")
    assert unknown.startswith("any.yml:1: engine: there is no engine 'lokal', did you mean 'local'")


def test_a_csv_and_its_references(tmp_path):
    found = lint(tmp_path, "list.txt", "# ours\nimage,scans\nok:1,sbom\nNOT//ok,sbom\n")
    assert [line.split(": ")[0] for line in found] == ["list.txt:4"]


def test_a_csvs_scans_are_those_of_the_configuration_beside_it(tmp_path):
    text = "image,scans\na,mine\n"
    assert len(lint(tmp_path, "targets.csv", text)) == 1
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndescription: x\nimage: a:1\nformat: scanmatrix\ncommand: [x, '{tarball}', '{report}']\n"
    )
    (tmp_path / "scanmatrix.yaml").write_text("scans: {templates: [mine.yaml]}\n")
    assert lint(tmp_path, "targets.csv", text) == []


def test_a_template(tmp_path):
    [found] = lint(
        tmp_path, "mine.yaml", "name: mine\ndescription: x\nimage: a:1\nformat: x\ncommand: [x]\ntimeot: 1\n"
    )
    assert found == "mine.yaml:6: unknown key 'timeot', did you mean 'timeout'?"


def test_the_environment_is_no_matter(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANMATRIX_NONSENSE", "1")
    assert lint(tmp_path, "scanmatrix.yaml", "engine: local\n") == []


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("image\na\n", "x", "csv"),
        ("scans;image\n", "x", "csv"),
        ("nothing", "x.csv", "csv"),
        ("limits: {}\n", "x", "config"),
        ("image: a\n", "x.yaml", "config"),
        ("image: a\ncommand: [b]\n", "x.yaml", "template"),
    ],
)
def test_kinds_are_distinguished_by_content(text, name, kind):
    assert find_kind(text, Path(name)) == kind


def test_a_manifest_is_none_of_ours():
    with pytest.raises(SourceError, match="Kubernetes"):
        find_kind("apiVersion: v1\nkind: Pod\n", Path("x.yaml"))


@pytest.mark.parametrize("text", ["[]", "- {id: CVE-2020-1}\n", "foo: 1\n", "text", "rules: [{id: x, reason: y}]\n"])
def test_another_file_is_not_taken_for_a_configuration(tmp_path, text):
    [problem] = lint(tmp_path, "ignore.yaml", text)
    assert {"`targets`", "`ignore`", "`name`"} <= set(re.findall(r"`\w+`", problem))


def test_a_misspelt_first_key_is_not_another_kind_of_file(tmp_path):
    assert lint(tmp_path, "ignore.yaml", "\nignored: []\n") == [
        "ignore.yaml:2: unknown key 'ignored', did you mean 'ignore'?"
    ]


def test_a_file_that_is_not_there(tmp_path):
    [problem] = lint_file(tmp_path / "none.yaml")
    assert problem.line == 0


def test_a_list_may_name_scans_of_another_configuration(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/targets.csv").write_text("image,scans\nnginx:1,mine\n")
    template = (templates_folder() / "general.yaml").read_text().replace("name: general", "name: mine", 1)
    (tmp_path / "mine.yaml").write_text(template)
    (tmp_path / "scanmatrix.yml").write_text("scans: {templates: [mine.yaml]}\n")
    assert [problem.line for problem in lint_file(tmp_path / "lists/targets.csv")] == [2]
    assert lint_file(tmp_path / "lists/targets.csv", tmp_path / "scanmatrix.yml") == []
    (tmp_path / "targets.csv").write_text("image,scans\nnginx:1,mine\n")
    assert lint_file(tmp_path / "targets.csv") == []
