"""Differences: new, fixed, still there and no longer scanned, distinguished whatever the runs hold."""

import shutil
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import NotKnownError, UsageError
from orchestrator.queries.difference import STATUSES, Difference
from orchestrator.results.errors import NoResultsError
from orchestrator.results.tables.columns import names_of
from orchestrator.volume.layout import Volume
from tests.differences import FAILED, SKIPPED, Run, between, since, since_last
from tests.examples import examples

IGNORED = {"by": "ignore.yaml:1", "reason": "no", "status": "ignored"}
APP = "registry.example/app"


@pytest.fixture
def volume(tmp_path):
    return Volume(tmp_path)


def run(number, **changes):
    """The run of a day in March."""
    return Run(f"r{number}", f"2025-03-{number:02}T10:00:00Z", **changes)


def day(number):
    return datetime(2025, 3, number, 12, tzinfo=UTC)


def statuses(frame):
    """Status by id, or by name and id where there are several names."""
    rows = zip(frame["reference"], frame["id"], frame["status"], strict=True)
    several = frame["reference"].nunique() > 1
    return {(reference.rpartition("/")[2], id_) if several else id_: status for reference, id_, status in rows}


def why(frame, id_):
    (row,) = frame[frame["id"] == id_].itertuples()
    return row.why


def first(volume):
    """One image with two scans, both of which found something."""
    return run(1).cell("app", "general").cell("app", "virus").find("app", "CVE-1", "general").find(
        "app", "Eicar", "virus", package=""
    ).write(volume)  # fmt: skip


def test_the_five_ways(volume):
    run(1).cell("app", "general").cell("app", "virus").find("app", "CVE-1", "general").find(
        "app", "CVE-2", "general"
    ).find("app", "CVE-4", "general", counts={"general": 2}).find("app", "Eicar", "virus").write(volume)  # fmt: skip
    run(2).cell("app", "general").cell("app", "virus", FAILED, "killed").find("app", "CVE-2", "general").find(
        "app", "CVE-3", "general"
    ).find("app", "CVE-4", "general", counts={"general": 1}).write(volume)  # fmt: skip
    found = since_last(volume, "r2")
    wanted = {"CVE-3": "new", "CVE-1": "fixed", "Eicar": "no longer scanned", "CVE-2": "still there"}
    wanted["CVE-4"] = "changed"
    assert statuses(found) == wanted
    assert list(found["status"]) == list(STATUSES)
    assert [(row.run_before, row.run_after) for row in found.itertuples()] == [("r1", "r2")] * 5
    assert why(found, "CVE-3").startswith("appeared")
    assert "killed" in why(found, "Eicar")


def test_with_no_run_before_everything_is_new_and_says_so(volume):
    first(volume)
    found = since_last(volume, "r1")
    assert set(found["status"]) == {"new"}
    assert set(found["why"]) == {"first run"}
    assert set(found["run_before"]) == {""}


def test_why_something_is_new(volume):
    first(volume)
    run(2).cell("app", "general").cell("app", "virus").cell("app", "sbom").cell("other", "general").find(
        "app", "CVE-9", "general"
    ).find("app", "CVE-8", "sbom").find("other", "CVE-7", "general").write(volume)  # fmt: skip
    found = since_last(volume, "r2")
    assert why(found, "CVE-9") == "appeared: the image is the same"
    assert why(found, "CVE-8") == "first scan by sbom"
    assert why(found, "CVE-7") == "first scan of this image"


def test_another_image_under_the_name_is_reported(volume):
    first(volume)
    run(2).cell("app@2", "general").cell("app@2", "virus").find("app@2", "CVE-9", "general").write(volume)
    found = since_last(volume, "r2")
    assert statuses(found) == {"CVE-9": "new", "CVE-1": "fixed", "Eicar": "fixed"}
    assert set(found["why"]) == {"appeared: the image changed", "no longer found: the image changed"}


@pytest.mark.parametrize("outcome", [FAILED, SKIPPED])
def test_fixed_needs_every_scan_that_had_found_it(volume, outcome):
    run(1).cell("app", "dependency").cell("app", "general").find("app", "CVE-1", "dependency", "general").write(volume)
    run(2).cell("app", "dependency").cell("app", "general", outcome, "not today").write(volume)
    found = since_last(volume, "r2")
    assert statuses(found) == {"CVE-1": "no longer scanned"}
    assert why(found, "CVE-1") == f"general {outcome}: not today"


def test_a_scan_that_is_no_longer_planned_fixes_nothing(volume):
    first(volume)
    run(2).cell("app", "general").write(volume)
    found = since_last(volume, "r2")
    assert statuses(found) == {"CVE-1": "fixed", "Eicar": "no longer scanned"}
    assert "virus is no longer planned" in why(found, "Eicar")


def test_what_was_not_scanned_for_a_while_is_compared_with_its_last_result(volume):
    first(volume)
    run(2).cell("app", "general", FAILED).cell("app", "virus", FAILED).write(volume)
    run(3).cell("app", "general").cell("app", "virus").find("app", "CVE-1", "general").write(volume)
    found = since_last(volume, "r3")
    assert statuses(found) == {"CVE-1": "still there", "Eicar": "fixed"}
    assert list(found["run_before"]) == ["r1", "r1"]


def test_an_image_that_is_gone_is_reported_once(volume):
    run(1).cell("app", "general").cell("old", "general").find("old", "CVE-1", "general").write(volume)
    run(2).cell("app", "general").write(volume)
    run(3).cell("app", "general").write(volume)
    found = since_last(volume, "r2")
    assert statuses(found) == {"CVE-1": "no longer scanned"}
    assert why(found, "CVE-1") == "image gone from the runs"
    assert list(found["run_after"]) == ["r2"]
    assert since_last(volume, "r3").empty
    assert statuses(since(volume, day(1))) == {"CVE-1": "no longer scanned"}
    assert since(volume, day(2)).empty


def test_runs_of_other_images_make_nothing_gone(volume):
    run(1).cell("app", "general").find("app", "CVE-1", "general").write(volume)
    run(2).cell("db", "general").find("db", "CVE-2", "general").write(volume)
    run(3).cell("app", "general").find("app", "CVE-1", "general").write(volume)
    assert statuses(since_last(volume, "r2")) == {"CVE-2": "new"}
    assert statuses(since_last(volume, "r3")) == {"CVE-1": "still there"}
    assert statuses(since(volume, day(1))) == {("app", "CVE-1"): "still there", ("db", "CVE-2"): "new"}


def test_partial_runs_are_pieced_together(volume):
    run(1).cell("app", "general").cell("app", "virus").cell("db", "general").find("app", "CVE-1", "general").find(
        "app", "Eicar", "virus"
    ).find("db", "CVE-5", "general").write(volume)  # fmt: skip
    run(2, partial=True).cell("app", "general").find("app", "CVE-2", "general").write(volume)
    run(3, partial=True).cell("app", "virus").write(volume)
    assert statuses(since_last(volume, "r2")) == {"CVE-2": "new", "CVE-1": "fixed", "Eicar": "still there"}
    assert statuses(since_last(volume, "r3")) == {"CVE-2": "still there", "Eicar": "fixed"}
    assert statuses(since(volume, day(1))) == {
        ("app", "CVE-2"): "new",
        ("app", "CVE-1"): "fixed",
        ("app", "Eicar"): "fixed",
        ("db", "CVE-5"): "still there",
    }


def test_a_scan_that_has_not_yet_seen_the_new_image_fixes_nothing(volume):
    first(volume)
    run(2, partial=True).cell("app@2", "general").write(volume)
    found = since_last(volume, "r2")
    assert statuses(found) == {"CVE-1": "fixed", "Eicar": "no longer scanned"}
    assert "virus has not run since the image changed" in why(found, "Eicar")
    run(3, partial=True).cell("app@2", "virus").find("app@2", "Eicar", "virus").write(volume)
    assert statuses(since_last(volume, "r3")) == {"Eicar": "still there"}


class TestStillFresh:
    """A cell that was skipped because an earlier result still stands."""

    @pytest.fixture
    def written(self, volume):
        first(volume)
        run(2).cell("app", "general", SKIPPED, "fresh", standing="r1").cell("app", "virus").find(
            "app", "CVE-1", "general", suppressed=IGNORED
        ).write(volume)  # fmt: skip
        return volume

    def test_its_result_is_still_there_as_this_run_suppresses_it(self, written):
        found = since_last(written, "r2")
        assert statuses(found) == {"CVE-1": "still there", "Eicar": "fixed"}
        (row,) = found[found["id"] == "CVE-1"].itertuples()
        assert (row.suppressed_before, row.suppressed_after) == ("", "ignored")
        assert row.run_after == "r2"

    def test_also_when_the_report_had_gone_before_the_run_could_read_it(self, written):
        run(2).cell("app", "general", SKIPPED, "fresh", standing="r1").cell("app", "virus").write(written)
        assert statuses(since_last(written, "r2")) == {"CVE-1": "still there", "Eicar": "fixed"}

    def test_also_when_its_own_run_was_removed(self, written):
        run(3).cell("app", "general", SKIPPED, "fresh", standing="r1").cell("app", "virus").find(
            "app", "CVE-1", "general"
        ).write(written)  # fmt: skip
        shutil.rmtree(written.results("r1"))
        found = since_last(written, "r3")
        assert statuses(found) == {"CVE-1": "still there"}
        assert list(found["run_before"]) == ["r2"]


def test_what_is_suppressed_is_not_fixed(volume):
    first(volume)
    run(2).cell("app", "general").cell("app", "virus").find("app", "CVE-1", "general", suppressed=IGNORED).write(volume)
    found = since_last(volume, "r2")
    assert statuses(found) == {"CVE-1": "still there", "Eicar": "fixed"}
    assert list(found["suppressed_after"]) == ["", "ignored"]


def test_versions_of_one_key_are_one_row(volume):
    run(1).cell("app", "general", owners=["team"]).find("app", "CVE-1", "general", version="1.1").find(
        "app", "CVE-1", "general", version="1.0", fixed_version="2", severity="low", suppressed=IGNORED
    ).write(volume)  # fmt: skip
    run(2).cell("app", "general", owners=["team", "other"]).find(
        "app", "CVE-1", "general", version="1.1", severity="critical"
    ).write(volume)  # fmt: skip
    (row,) = since_last(volume, "r2").itertuples()
    assert (row.version_before, row.version_after) == ("1.0, 1.1", "1.1")
    assert (row.severity, row.fixed_version) == ("critical", "")
    assert row.suppressed_before == ""  # one of the two is not
    assert list(row.owners) == ["team", "other"]
    (row,) = since_last(volume, "r1").itertuples()
    assert (row.severity, row.fixed_version) == ("high", "2")


def test_scans_of_several_runs_are_one_row(volume):
    run(1, partial=True).cell("app", "dependency").find("app", "CVE-1", "dependency").write(volume)
    run(2, partial=True).cell("app", "general").find("app", "CVE-1", "general", version="2").write(volume)
    (row,) = since_last(volume, "r2").itertuples()
    assert row.status == "still there"
    assert list(row.found_by) == ["dependency", "general"]
    assert (row.version_before, row.version_after) == ("1.2.11", "2")


def test_each_name_of_an_image_is_reported(volume):
    run(1).cell("app", "general", names=["app:1", "app:latest"]).write(volume)
    run(2).cell("app", "general", names=["app:1"]).cell("app@2", "general", names=["app:latest"]).find(
        "app", "CVE-1", "general"
    ).write(volume)  # fmt: skip
    assert statuses(since_last(volume, "r2")) == {"CVE-1": "new"}
    assert list(since_last(volume, "r2")["reference"]) == ["app:1"]


def test_platforms_are_names_of_their_own(volume):
    run(1).cell("app", "general").cell("app@arm", "general", platform="linux/arm64").find(
        "app@arm", "CVE-1", "general"
    ).write(volume)  # fmt: skip
    run(2).cell("app", "general").cell("app@arm", "general", platform="linux/arm64").find(
        "app", "CVE-1", "general"
    ).write(volume)  # fmt: skip
    found = since_last(volume, "r2")
    assert list(zip(found["platform"], found["status"], strict=True)) == [
        ("linux/amd64", "new"),
        ("linux/arm64", "fixed"),
    ]


def test_runs_are_in_the_order_in_which_they_ended(volume):
    """Not of their ids, nor of when their files were written."""
    Run("z", "2025-03-01T10:00:00Z").cell("app", "general").find("app", "CVE-1", "general").write(volume)
    Run("b", "2025-03-03T10:00:00Z").cell("app", "general").find("app", "CVE-3", "general").write(volume)
    Run("a", "2025-03-02T10:00:00Z").cell("app", "general").find("app", "CVE-2", "general").write(volume)
    assert statuses(since_last(volume, "a")) == {"CVE-2": "new", "CVE-1": "fixed"}
    assert statuses(since_last(volume, "b")) == {"CVE-3": "new", "CVE-2": "fixed"}
    assert statuses(since(volume, day(1))) == {"CVE-3": "new", "CVE-1": "fixed"}


class TestSince:
    @pytest.fixture
    def written(self, volume):
        names = {"app": ["docker.io/library/app:1"], "db": ["registry.example/db:1", "quay.example/db:1"]}
        for number in (1, 2, 3):
            one = run(number)
            for target, references in names.items():
                one.cell(target, "general", names=references).find(target, f"CVE-{number}", "general")
            one.write(volume)
        return volume

    def test_a_date(self, written):
        found = since(written, day(1))
        assert set(found["reference"]) == {"docker.io/library/app:1", "registry.example/db:1", "quay.example/db:1"}
        assert set(found.loc[found["status"] == "new", "id"]) == {"CVE-3"}
        assert set(found.loc[found["status"] == "fixed", "id"]) == {"CVE-1"}
        assert set(since(written, day(3))["status"]) == {"still there"}
        assert set(since(written, datetime(2024, 1, 1, tzinfo=UTC))["why"]) == {"first run"}

    @pytest.mark.parametrize("reference", ["docker.io/library/app:1", "app:1", "library/app:1"])
    def test_one_name(self, written, reference):
        assert set(since(written, day(1), references=[reference])["reference"]) == {"docker.io/library/app:1"}

    @pytest.mark.parametrize(
        ("reference", "told"), [("db:1", "quay.example/db:1, registry.example/db:1"), ("ap:1", "mean"), ("", "no run")]
    )
    def test_names_that_mean_nothing_or_several_things(self, written, reference, told):
        with pytest.raises((UsageError, NotKnownError), match=told):
            since(written, day(1), references=[reference])

    def test_a_moment_needs_its_time_zone(self, written):
        with pytest.raises(UsageError, match="time zone"):
            since(written, datetime(2025, 3, 1))  # noqa: DTZ001 - that is the mistake


class TestBetween:
    def test_two_tags(self, volume):
        run(1).cell("app-1", "general", names=["app:1"]).cell("app-1", "virus", names=["app:1"]).find(
            "app-1", "CVE-1", "general"
        ).find("app-1", "CVE-2", "general").find("app-1", "Eicar", "virus").write(volume)  # fmt: skip
        run(2).cell("app-2", "general", names=["app:2"]).cell("app-2", "virus", FAILED, "killed", names=["app:2"]).find(
            "app-2", "CVE-2", "general", version="1.3"
        ).find("app-2", "CVE-3", "general").write(volume)  # fmt: skip
        found = between(volume, "app:1", "app:2")
        wanted = {"CVE-3": "new", "CVE-1": "fixed", "Eicar": "no longer scanned", "CVE-2": "still there"}
        assert statuses(found) == wanted
        assert set(found["reference"]) == {"app:2"}
        assert why(found, "Eicar") == "virus failed: killed"
        (row,) = found[found["id"] == "CVE-2"].itertuples()
        assert (row.version_before, row.version_after, row.run_before, row.run_after) == ("1.2.11", "1.3", "r1", "r2")
        back = between(volume, "app:2", "app:1")
        assert statuses(back) == {"CVE-1": "new", "Eicar": "new", "CVE-3": "fixed", "CVE-2": "still there"}
        assert why(back, "Eicar") == "first scan by virus"

    def test_a_tag_that_is_gone_is_compared_as_it_was_last(self, volume):
        run(1).cell("app-1", "general", names=["app:1"]).cell("db", "general").find("app-1", "CVE-1", "general").write(
            volume
        )
        run(2).cell("app-2", "general", names=["app:2"]).cell("db", "general").find("app-2", "CVE-1", "general").write(
            volume
        )
        assert statuses(between(volume, "app:1", "app:2")) == {"CVE-1": "still there"}
        assert statuses(between(volume, "app:2", "app:1")) == {"CVE-1": "still there"}

    def test_a_platform_that_only_one_has(self, volume):
        arm = {"platform": "linux/arm64"}
        run(1).cell("a", "general", names=["app:1"]).cell("b", "general", names=["app:1"], **arm).cell(
            "c", "general", names=["app:2"]
        ).find("b", "CVE-1", "general").find("c", "CVE-2", "general").write(volume)  # fmt: skip
        found = between(volume, "app:1", "app:2")
        assert statuses(found) == {"CVE-2": "new", "CVE-1": "no longer scanned"}
        assert statuses(between(volume, "app:2", "app:1")) == {"CVE-1": "new", "CVE-2": "fixed"}

    def test_a_name_with_itself(self, volume):
        first(volume)
        assert set(between(volume, APP, APP)["status"]) == {"still there"}

    def test_unknown_names(self, volume):
        first(volume)
        for names in ((APP, "registry.example/ap"), ("registry.example/ap", APP)):
            with pytest.raises(NotKnownError, match="did you mean"):
                between(volume, *names)


def test_nothing_found_has_the_same_columns_and_types(volume):
    run(1).cell("app", "general").write(volume)
    full = Volume(volume.root / "full")
    first(full)
    empty, found = since_last(volume, "r1"), since_last(full, "r1")
    assert empty.empty
    assert list(empty.columns) == list(found.columns) == list(names_of(Difference))
    assert empty.dtypes.to_dict() == found.dtypes.to_dict()


def test_no_run_at_all(volume):
    with pytest.raises(NoResultsError):
        since(volume, day(1))
    with pytest.raises(NoResultsError):
        between(volume, "a", "b")


def test_a_run_that_is_unknown_or_damaged(volume):
    first(volume)
    with pytest.raises(NoResultsError, match="r7"):
        since_last(volume, "r7")
    (volume.results("r1") / "ledger.json").write_bytes(b'{"run": "r1", "rows": [')
    with pytest.raises(NoResultsError, match=r"ledger\.json"):
        since_last(volume, "r1")


def test_another_runs_damaged_ledger_is_passed_over_and_told(volume, caplog):
    first(volume)
    run(2).cell("app", "general").cell("app", "virus").write(volume)
    (volume.results("r1") / "ledger.json").write_bytes(b"{")
    assert since_last(volume, "r2").empty
    assert "r1" in caplog.text


def test_a_run_without_merged_findings_is_never_taken_for_a_clean_one(volume):
    first(volume)
    run(2).cell("app", "general").cell("app", "virus").write(volume)
    (volume.results("r1") / "merged.parquet").unlink()
    with pytest.raises(NoResultsError, match="r1"):
        since_last(volume, "r2")


FOUND = st.dictionaries(
    st.sampled_from(["CVE-1", "CVE-2", "CVE-3"]), st.sets(st.sampled_from(["general", "virus"]), min_size=1)
)
SIDES = st.fixed_dictionaries({"app": FOUND, "db": FOUND})


def _write(volume, number, found):
    one = run(number)
    for target, ids in found.items():
        one.cell(f"{target}@{number}", "general").cell(f"{target}@{number}", "virus")
        for id_, scans in ids.items():
            one.find(f"{target}@{number}", id_, *sorted(scans))
    one.write(volume)


@settings(max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIDES, SIDES)
def test_swapping_the_sides_swaps_new_and_fixed_when_all_scans_ended_ok(tmp_path_factory, older, newer):
    there, back = (Volume(tmp_path_factory.mktemp("volume")) for _ in range(2))
    _write(there, 1, older), _write(there, 2, newer)
    _write(back, 1, newer), _write(back, 2, older)
    swapped = {"new": "fixed", "fixed": "new", "still there": "still there"}
    forth = _told(since_last(there, "r2"))
    assert {row: swapped[status] for row, status in forth.items()} == _told(since_last(back, "r2"))
    for target, ids in older.items():
        for id_ in {*ids, *newer[target]}:
            both = id_ in ids and id_ in newer[target]
            wanted = "still there" if both else "fixed" if id_ in ids else "new"
            assert forth[f"registry.example/{target}", id_] == wanted
    assert len(forth) == sum(len({*ids, *newer[target]}) for target, ids in older.items())


def _told(frame):
    return dict(zip(zip(frame["reference"], frame["id"], strict=True), frame["status"].astype(str), strict=True))


SECRET = {"key": "secret|key|a.py", "kind": "secret", "package": "", "version": ""}


def counted(volume, before, after, **changes):
    """What a run says of one secret of a file that was there before, with these counts by scan, and these places."""
    for number, (counts, places) in ((1, before), (2, after)):
        made = run(number)
        for scan in counts:
            made.cell("app", scan)
        fields = {"count": max(counts.values()) or 1, "places": places, **SECRET, **changes}
        fields["counts"] = {scan: count for scan, count in counts.items() if count}
        made.find("app", "key", *counts, **fields).write(volume)
    (row,) = since_last(volume, "r2").itertuples()
    return row


@pytest.mark.parametrize(("before", "after"), [(2, 1), (2, 3)])
def test_one_of_two_that_is_gone_and_a_third_that_came_are_a_change(volume, before, after):
    row = counted(volume, ({"trivy": before}, ()), ({"trivy": after}, ()))
    assert (row.status, row.count_before, row.count_after) == ("changed", before, after)
    assert f"{before} before, {after} now" in row.why
    assert "the image is the same" in row.why


def test_a_line_that_moves_is_no_change(volume):
    row = counted(volume, ({"trivy": 2}, ("line 3", "line 9")), ({"trivy": 2}, ("line 4", "line 10")))
    assert (row.status, row.why, row.count_before, row.count_after) == ("still there", "", 2, 2)


def test_a_resource_in_place_of_another_is_a_change(volume):
    row = counted(
        volume, ({"trivy": 2}, ("s3.a, line 1", "s3.b, line 9")), ({"trivy": 2}, ("s3.a, line 4", "s3.c, line 9"))
    )
    assert row.status == "changed"
    assert "s3.b gone; s3.c new" in row.why


def test_words_that_are_no_names_are_not_compared(volume):
    row = counted(volume, ({"trivy": 1}, ("Container a may escalate",)), ({"trivy": 1}, ("Container b may escalate",)))
    assert row.status == "still there"


def test_each_scan_is_compared_with_itself(volume):
    assert counted(volume, ({"a": 2}, ()), ({"a": 2, "b": 5}, ())).status == "still there"
    row = counted(volume, ({"a": 2, "b": 5}, ()), ({"a": 2}, ()))
    assert (row.status, row.count_before, row.count_after) == ("still there", 2, 2)
    assert counted(volume, ({"a": 2, "b": 5}, ()), ({"a": 2, "b": 4}, ())).status == "changed"


@pytest.mark.parametrize(("before", "after"), [(0, 3), (3, 0)])
def test_a_run_that_did_not_count_changes_nothing(volume, before, after):
    row = counted(volume, ({"trivy": before}, ()), ({"trivy": after}, ("s3.a",)))
    assert row.status == "still there"


def test_counts_of_all_versions_of_a_package_are_one(volume):
    run(1).cell("app", "general").find("app", "CVE-1", "general", version="1", counts={"general": 1}).find(
        "app", "CVE-1", "general", version="2", counts={"general": 2}, count=2
    ).write(volume)  # fmt: skip
    run(2).cell("app", "general").find("app", "CVE-1", "general", version="3", counts={"general": 3}, count=3).write(
        volume
    )
    run(3).cell("app", "general").find("app", "CVE-1", "general", version="3", counts={"general": 1}).write(volume)
    assert statuses(since_last(volume, "r2")) == {"CVE-1": "still there"}
    assert statuses(since_last(volume, "r3")) == {"CVE-1": "changed"}
