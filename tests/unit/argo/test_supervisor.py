"""What is asked of a supervisor, and what is believed of its answers."""

import os
import shlex

import pytest

from orchestrator.argo.feeder import Feeder, ServerOrder
from orchestrator.argo.supervisor import (
    CellResult,
    SupervisorPlaces,
    command_words,
    read_result,
    request_words,
    supervisor_command,
)

ODD = ["it's", 'a "b"', "$HOME `id`", "a\nb", "", "{x}", "*", "--x=1"]


def test_words_are_the_same_when_a_shell_has_read_them():
    text = request_words(7, ["scan", *ODD], {"HOME": "/a b", "X": "'"}, timeout=5, printed="/a b/r'")
    words = shlex.split(text)
    assert words[:4] == ["id=7", "timeout=5", "printed=/a b/r'", "own_variables()"]
    assert words[words.index("export") + 1 :][:2] == ["HOME=/a b", "X=';"]
    assert words[words.index("--") + 1 :] == ["scan", *ODD]


def test_a_command_without_variables_sets_none():
    assert command_words(["x"], {}) == "own_variables() { :; }\nset -- x\n"


def test_the_script_holds_no_placeholder_of_a_template():
    places = SupervisorPlaces("/in", "/out", "/server", "/work")
    command = supervisor_command(places, within=5)
    assert command[:2] == ["/in/busybox", "sh"]
    assert command[-7:] == ["/in", "/out", "/server", "/work", "5", "/tmp", "/dev/shm"]
    assert not any(f"{{{name}}}" in command[3] for name in ("server", "files", "report", "workdir", "database"))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("3 exit 1 250\n", CellResult(3, "exit", 1, 2.5)),
        ("3 stopped 137 6000\n", CellResult(3, "stopped", 137, 60.0)),
        ("3 lost 0 0", CellResult(3, "lost", 0, 0.0)),
        ("", None),
        ("3 exit 1", None),
        ("3 gone 1 250", None),
        ("-3 exit 1 250", None),
        ("3 exit 1 250 more", None),
        ("9" * 50 + " exit 0 1", None),
    ],
)
def test_a_result_is_read_whole_or_not_at_all(text, result):
    assert read_result(text) == result


@pytest.fixture
def feeder(tmp_path):
    (tmp_path / "out").mkdir()
    made = Feeder(tmp_path / "in", tmp_path / "out")
    program = tmp_path / "program"
    program.write_bytes(b"x")
    made.prepare(program)
    made.hold()
    yield made
    made.close()


def test_only_the_result_of_what_was_asked_last_counts(feeder, tmp_path):
    feeder.ask(["a"], {}, timeout=1)
    (tmp_path / "out/result").write_text("1 exit 0 1\n")
    assert feeder.result() == CellResult(1, "exit", 0, 0.01)
    feeder.ask(["a"], {}, timeout=1)
    assert feeder.result() is None
    assert (tmp_path / "in/request").read_text().startswith("id=2 ")


def test_a_server_is_wanted_from_the_next_start_on_or_another_or_none(feeder, tmp_path):
    inputs = tmp_path / "in"
    feeder.serve(ServerOrder(("serve",), ("ask",), (("HOME", "/server"),), (("a.conf", "text"),)))
    assert (inputs / "files/a.conf").read_text() == "text"
    assert "export HOME=/server" in (inputs / "start").read_text()
    feeder.serve(ServerOrder(("other",), ("ask",), (), (("b.conf", "text"),)))
    assert [path.name for path in (inputs / "files").iterdir()] == ["b.conf"]
    feeder.serve(None)
    assert not {"start", "ready"} & {path.name for path in inputs.iterdir()}


def test_a_feeder_that_starts_again_goes_by_what_was_begun(feeder, tmp_path):
    (tmp_path / "out/begun").write_text("41\n")
    again = Feeder(tmp_path / "in", tmp_path / "out")
    again.prepare(tmp_path / "program")
    again.ask(["a"], {}, timeout=1)
    assert (tmp_path / "in/request").read_text().startswith("id=42 ")
    again.close()


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "bytes"])
def test_what_a_scanner_puts_in_the_place_of_an_answer_is_none(feeder, tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_text("1 exit 0 1")
    feeder.ask(["a"], {}, timeout=1)
    result = tmp_path / "out/result"
    {
        "link": lambda: result.symlink_to(secret),
        "pipe": lambda: os.mkfifo(result),
        "folder": result.mkdir,
        "bytes": lambda: result.write_bytes(b"\xff" * 100_000),
    }[kind]()
    assert feeder.result() is None
