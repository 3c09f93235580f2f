"""What a sandbox shows of this machine: what the program needs, and no folder in which everything lies."""

import sys
from pathlib import Path

import pytest

from orchestrator.engines.local import exposure
from orchestrator.engines.local.sandbox import Sandbox


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_program_shows_the_folder_it_is_installed_in_and_those_of_its_interpreters(tmp_path: Path) -> None:
    base = program(tmp_path / "python" / "bin" / "python3")
    venv = tmp_path / "venv"
    program(venv / "bin" / "scanner", f"#!{venv}/bin/python3\n")
    (venv / "bin" / "python3").symlink_to(base)
    (venv / "pyvenv.cfg").write_text(f"home = {base.parent}\n")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "scanner").symlink_to(venv / "bin" / "scanner")
    shown = set(exposure.of_program(str(tmp_path / "links" / "scanner"), ""))
    assert {tmp_path / "links", venv, tmp_path / "python"} <= shown
    assert tmp_path not in shown


def test_a_script_that_asks_env_for_its_interpreter(tmp_path: Path) -> None:
    node = program(tmp_path / "node" / "bin" / "node-of-ours")
    script = program(tmp_path / "tool" / "cli.js", "#!/usr/bin/env -S node-of-ours --flag\n")
    assert node.parent.parent in set(exposure.of_program(str(script), str(node.parent)))


def test_a_home_is_never_shown_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    tools = [program(tmp_path / "home" / "bin" / "tool"), program(tmp_path / "home" / ".local" / "bin" / "tool")]
    for tool in tools:
        assert next(exposure.of_program(str(tool), "")) == tool.parent
    assert next(exposure.of_program(str(program(tmp_path / "home" / "tool")), "")) == tmp_path / "home" / "tool"
    for path in ("/", "/home", "/root", "/etc", "/var", "/tmp", str(tmp_path), str(tmp_path / "home")):
        assert exposure.is_broad(Path(path)), path


def test_paths_that_a_template_names(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.touch()
    words = (
        f"--config={rules}",
        str(rules),
        "/nowhere/rules",
        "rules.yaml",
        "/proc/1/environ",
        "/dev/null",
        "x\0=/y\0",
    )
    assert list(exposure.of_words(words)) == [rules, rules]


def test_what_lies_deeper_is_laid_over_what_it_lies_in_and_the_volume_is_not_shown(tmp_path: Path) -> None:
    volume = tmp_path / "tools" / "volume"
    work = volume / "runs" / "r" / "t" / "s" / "attempt-1"
    work.mkdir(parents=True)
    tarball = work.with_name("image.tar")
    tarball.touch()
    command = Sandbox("bwrap", [volume]).command(
        writable=[work],
        temporary=work.with_name("attempt-1.tmp"),
        readable=[tmp_path / "tools", tmp_path],
        named=[tarball],
    )
    laid = [command[place + 2] for place, word in enumerate(command) if word.startswith(("--ro-bind", "--bind"))]
    hidden = command.index(str(volume))
    assert command[hidden - 1] == "--tmpfs"
    assert command.index(str(tmp_path / "tools")) < hidden < command.index(str(tarball))
    assert "--unshare-all" in command
    assert "--share-net" not in command
    assert laid.count(str(work)) == 1
    assert command[-1] == "--"


def test_our_own_code_is_shown_to_our_own_checks() -> None:
    shown = set(exposure.of_ours())
    assert Path(sys.prefix) in shown
    assert any((path / "steps" / "check.py").is_file() for path in shown)
