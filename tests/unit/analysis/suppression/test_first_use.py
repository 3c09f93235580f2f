"""When rules were first used: remembered once, by the first."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from orchestrator.analysis.suppression.first_use import first_used, key_of
from orchestrator.model import IgnoreRule
from orchestrator.volume.layout import Volume

RULE = IgnoreRule(name="ignore.yaml:2", reason="x", id="CVE-2020-1")
EARLY, LATE = "2026-01-01T00:00:00Z", "2026-05-01T00:00:00Z"


def test_the_first_run_is_remembered(tmp_path):
    volume = Volume(tmp_path)
    assert first_used(volume, [RULE], EARLY) == {key_of(RULE): EARLY}
    assert first_used(volume, [RULE], LATE) == {key_of(RULE): EARLY}
    other = msgspec.structs.replace(RULE, id="CVE-2020-2")
    assert first_used(volume, [RULE, other], LATE) == {key_of(RULE): EARLY, key_of(other): LATE}


def test_what_a_rule_is_about_makes_it_the_same(tmp_path):
    first_used(Volume(tmp_path), [RULE], EARLY)
    moved = msgspec.structs.replace(RULE, name="ignore.yaml:9", reason="y", justification="component_not_present")
    assert set(first_used(Volume(tmp_path), [moved], LATE).values()) == {EARLY}


def test_rules_with_an_end_are_passed_over(tmp_path):
    ended = msgspec.structs.replace(RULE, expires=LATE)
    assert first_used(Volume(tmp_path), [ended], EARLY) == {}
    assert list(tmp_path.iterdir()) == []


def test_many_at_once_agree(tmp_path):
    rules = [msgspec.structs.replace(RULE, id=f"CVE-2020-{number}") for number in range(20)]
    times = [f"2026-01-01T00:00:{second:02}Z" for second in range(16)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda at: first_used(Volume(tmp_path), rules, at), times))
    assert all(answer == answers[0] for answer in answers)
    assert len(answers[0]) == 20
    assert not list((tmp_path / "suppression" / "first-used").glob(".*"))


def test_without_hard_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert first_used(Volume(tmp_path), [RULE], EARLY) == {key_of(RULE): EARLY}
    assert first_used(Volume(tmp_path), [RULE], LATE) == {key_of(RULE): EARLY}


def test_a_damaged_file_counts_from_when_it_was_made(tmp_path):
    first_used(Volume(tmp_path), [RULE], EARLY)
    path = tmp_path / "suppression" / "first-used" / key_of(RULE)
    path.write_bytes(b"\xff")
    os.utime(path, (1_767_312_000, 1_767_312_000))
    assert first_used(Volume(tmp_path), [RULE], LATE) == {key_of(RULE): "2026-01-02T00:00:00Z"}


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_in_its_place_is_not_read(tmp_path, make):
    path = tmp_path / "suppression" / "first-used" / key_of(RULE)
    path.parent.mkdir(parents=True)
    make(path)
    os.utime(path, (1_767_312_000, 1_767_312_000), follow_symlinks=False)
    assert first_used(Volume(tmp_path), [RULE], LATE) == {key_of(RULE): "2026-01-02T00:00:00Z"}
