"""What a shell is offered, asked for as its own script asks."""

import io
import logging
import os
import re
import sys
from contextlib import redirect_stdout

import pytest
import yaml
from typer.testing import CliRunner

from orchestrator.catalog.loading import load_catalog
from orchestrator.cli.app import app
from orchestrator.cli.bash_words import put_together, whole_words
from orchestrator.exports import names
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run

TARGETS = [
    {"csv": {"path": "targets.csv"}},
    {"image": "registry.example/shop/web:1.0"},
    {"csv": {"path": "t.csv", "git": {"url": "https://no.such.host.example/targets.git"}}},
    {"registry": {"host": "no.such.host.example", "repositories": ["*"]}},
]


def as_bash_splits(line):
    """The words of a line as bash 5.2 has them in COMP_WORDS, the one behind the last blank included."""
    return [part for word in line.split(" ") for part in (re.findall(r"[:@=]+|[^:@=]+", word) or [""])]


@pytest.fixture
def offered(tmp_path, monkeypatch):
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump({"targets": TARGETS, "volume": {"path": "volume"}}))
    (tmp_path / "targets.csv").write_text("image\nnginx:1.27\n")
    volume = Volume(tmp_path / "volume")
    write_run(volume, "run-1", day(1), {"a/dependency": [finding(1)]})
    write_run(volume, "run-2", day(2), {"b/dependency": [finding(2)]})
    for run in ("run-1", "run-2"):
        volume.plan(run).parent.mkdir(parents=True, exist_ok=True)
        volume.plan(run).touch()
    monkeypatch.chdir(tmp_path)

    def of(line: str, shell: str = "bash") -> list[str]:
        """What replaces the last word of a line; of a line for bash the last that bash makes of it."""
        words = as_bash_splits(line)
        asked = {
            "_SCANMATRIX_COMPLETE": f"complete_{shell}",
            "COMP_WORDS": "\n".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        for name, value in asked.items():
            monkeypatch.setenv(name, value)
        with redirect_stdout(io.StringIO()) as answer, whole_words():
            done = CliRunner().invoke(app, [], env={name: os.environ[name] for name in asked}, prog_name="scanmatrix")
            sys.stdout.write(done.stdout)
        assert done.exit_code == 0
        assert done.stderr == ""
        return answer.getvalue().split()

    yield of
    logging.disable(logging.NOTSET)


def test_scans_and_exports(offered):
    assert offered("scanmatrix run --scan ") == sorted(load_catalog())
    assert offered("scanmatrix templates show ge") == ["general"]
    assert offered("scanmatrix results export ") == list(names())


def test_runs_the_newest_first(offered):
    assert offered("scanmatrix results export sarif ") == ["run-2", "run-1"]
    assert offered("scanmatrix status ") == ["run-2", "run-1"]
    assert offered("scanmatrix status --volume elsewhere ") == []


def test_targets_of_the_configuration_without_asking_a_network(offered):
    assert offered("scanmatrix run ") == ["docker.io/library/nginx:1.27", "registry.example/shop/web:1.0"]
    assert offered("scanmatrix plan --target shop") == ["shop/web", "shop/web:1.0"]


def test_targets_of_the_run_that_is_named(offered):
    newest, named = offered("scanmatrix results show --target "), offered("scanmatrix logs run-1 ")
    assert [each.partition(":")[0].rpartition("/")[2] for each in (*newest, *named)] == ["b", "a"]


def test_trouble_offers_nothing(offered, tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text("targets: 3\n")
    assert offered("scanmatrix run --scan ") == []


def test_bash_gets_what_it_replaces_behind_a_colon_an_at_or_an_equals_sign(offered, tmp_path):
    digest = f"sha256:{'a' * 64}"
    targets = [{"image": f"registry.example/shop/{name}"} for name in ("web:1.0", "web:1.1", f"api@{digest}")]
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump({"targets": targets, "volume": {"path": "volume"}}))
    assert offered("scanmatrix run shop/web:1.") == ["1.0", "1.1"]
    assert offered("scanmatrix run shop/web:") == ["1.0", "1.1"]
    assert offered("scanmatrix plan --offline --target=shop/web:1.1") == ["1.1"]
    assert offered("scanmatrix plan --target=shop/w") == ["shop/web", "shop/web:1.0", "shop/web:1.1"]
    assert offered("scanmatrix plan shop/api@sha") == [digest]
    assert offered(f"scanmatrix plan shop/api@{digest[:12]}") == [digest.removeprefix("sha256:")]
    assert offered("scanmatrix run shop/web:1.0 --scan=gen") == ["general"]
    assert set(offered("scanmatrix run --scan=")) == set(load_catalog())


def test_other_shells_get_the_whole_word(offered):
    assert offered("scanmatrix run registry.example/shop/web:1", "fish") == ["registry.example/shop/web:1.0"]
    assert r'"registry.example/shop/web\\:1.0"' in " ".join(
        offered("scanmatrix run registry.example/shop/web:1", "zsh")
    )


@pytest.mark.parametrize(
    ("words", "place", "expected"),
    [
        (["a", "b"], 1, (["a", "b"], 1, "")),
        (["a", "x", ":", "1"], 3, (["a", "x:1"], 1, "x:")),
        (["a", "x", ":"], 2, (["a", "x:"], 1, "x:")),
        (["a", "x", ":", ""], 3, (["a", "x:", ""], 2, "")),
        (["a", "x", "@", "s", ":", "1"], 5, (["a", "x@s:1"], 1, "x@s:")),
        (["a", "x", "::", "1", "b"], 4, (["a", "x::1", "b"], 2, "")),
        (["a", "--t", "=", "x", ":", "1"], 5, (["a", "--t", "x:1"], 2, "x:")),
        (["a", "--t", "="], 2, (["a", "--t", ""], 2, "")),
        (["a", "--t", "=", "x"], 0, (["a", "--t", "x"], 0, "")),
        (["a", "https", ":", "//h?b", "=", "c"], 5, (["a", "https://h?b=c"], 1, "https://h?b=")),
        (["a", "x:1"], 1, (["a", "x:1"], 1, "")),  # COMP_WORDBREAKS without the colon
        ([":"], 0, ([":"], 0, "")),
        (["a"], 4, (["a"], 1, "")),
    ],
)
def test_words_of_bash_are_put_together(words, place, expected):
    assert put_together(words, place) == expected
