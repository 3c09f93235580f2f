"""When a finding came to each name and went: names are followed through their images, over all runs and scans."""

import json

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.errors import UsageError
from orchestrator.model import Name
from orchestrator.queries import Store, asking
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run

BAD = finding(1, version="1.0", fixed_version="2.0")
NAME = "registry.example/app:1"


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def named(*targets, owner="team"):
    return {target: (Name(reference=NAME, owner=owner),) for target in targets}


def history(volume, id_="cve-2025-1"):
    with asking(volume) as store:
        return [
            (each.reference, each.state.value, each.first_run, each.until_run) for each in store.finding_history(id_)
        ]


def test_it_came_was_fixed_by_a_new_image_and_came_again(volume):
    write_run(volume, "r1", day(1), {"old/dependency": []}, names=named("old"))
    write_run(volume, "r2", day(2), {"old/dependency": [BAD]}, names=named("old"))
    write_run(volume, "r3", day(3), {"new/dependency": []}, names=named("new"))
    write_run(volume, "r4", day(4), {"new/dependency": [BAD]}, names=named("new"))
    assert history(volume) == [(NAME, "fixed", "r2", "r3"), (NAME, "open", "r4", "")]
    with asking(volume) as store:
        first, second = store.finding_history("CVE-2025-1")
    assert (first.package, first.version, first.fixed_version, first.owners) == ("p1", "1.0", "2.0", ("team",))
    assert (first.first, first.until.date(), second.until) == (day(2), day(3).date(), None)


def test_several_scans_are_one_that_is_there_as_long_as_any_has_it(volume):
    write_run(volume, "r1", day(1), {"a/dependency": [BAD], "a/general": []}, names=named("a"))
    write_run(volume, "r2", day(2), {"a/dependency": [], "a/general": [BAD]}, names=named("a"))
    assert history(volume) == [(NAME, "open", "r1", "")]
    write_run(volume, "r3", day(3), {"a/dependency": [], "a/general": []}, names=named("a"))
    assert history(volume) == [(NAME, "fixed", "r1", "r3")]


def test_a_scan_that_failed_fixed_nothing(volume):
    write_run(volume, "r1", day(1), {"a/dependency": [BAD]}, names=named("a"))
    write_run(volume, "r2", day(2), {"a/dependency": "it crashed"}, names=named("a"))
    assert history(volume) == [(NAME, "open", "r1", "")]


def test_another_version_of_the_package_is_the_same_finding(volume):
    write_run(volume, "r1", day(1), {"a/dependency": [BAD]}, names=named("a"))
    write_run(volume, "r2", day(2), {"b/dependency": [finding(1, version="1.1")]}, names=named("b"))
    assert history(volume) == [(NAME, "open", "r1", "")]


def test_a_name_that_runs_no_longer_have(volume):
    write_run(volume, "r1", day(1), {"a/dependency": [BAD], "b/dependency": [BAD]})
    write_run(volume, "r2", day(2), {"a/dependency": [BAD]})
    assert sorted(state for _, state, _, _ in history(volume)) == ["gone", "open"]
    assert [until for _, state, _, until in history(volume) if state == "gone"] == ["r2"]


def test_in_whatever_order_runs_are_imported(volume):
    for number, cells in ((3, []), (1, [BAD]), (2, [BAD])):
        write_run(volume, f"r{number}", day(number), {"a/dependency": cells}, names=named("a"))
        history(volume)
    assert history(volume) == [(NAME, "fixed", "r1", "r3")]


def test_nothing_and_no_id(volume):
    write_run(volume, "r1", day(1), {"a/dependency": [BAD]})
    assert history(volume, "CVE-1") == []
    with Store(f"sqlite:///{volume.root / 'store.sqlite3'}") as store, pytest.raises(UsageError, match="Give an id"):
        store.finding_history(" ")


def test_the_command(volume):
    write_run(volume, "r1", day(1), {"a/dependency": [BAD], "b/dependency": "it crashed"})
    write_run(volume, "r2", day(2), {"a/dependency": [], "b/dependency": "it crashed"})
    words = ["store", "history", "cve-2025-*", "--volume", str(volume.root)]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    assert "fixed" in done.stdout
    assert "0 names have it now; the answer covers 1 of 2 targets; nothing is known of 1: " in done.stdout
    said = json.loads(CliRunner().invoke(app, [*words, "--output", "json"]).stdout)
    assert (said["schema_version"], said["coverage"], len(said["history"])) == (1, {"targets": 2, "covered": 1}, 1)


def test_where_nothing_is_known_the_exit_status_says_so(volume):
    write_run(volume, "r1", day(1), {"a/dependency": "it crashed"})
    done = CliRunner().invoke(app, ["store", "history", "CVE-1", "--volume", str(volume.root)])
    assert done.exit_code == 4
