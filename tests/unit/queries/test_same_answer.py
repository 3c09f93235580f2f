"""What changed, told out of what differs, is what comparing everything tells: over any history of runs."""

import shutil
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from orchestrator.model import Distrust
from orchestrator.queries import Store
from orchestrator.queries.choice import Choice
from orchestrator.queries.difference import STILL
from orchestrator.queries.difference.steady import steady
from orchestrator.store.past import StoreReader
from orchestrator.store.schema import runs
from orchestrator.volume.layout import Volume
from tests.differences import FAILED, SKIPPED, Run
from tests.examples import examples

SCANS = ("general", "virus")
START = datetime(2025, 3, 1, tzinfo=UTC)
ODD = Distrust(reason="odd", scan="general", versions=("0",))
#: What a scan of an image finds: by id and version, how severe it is.
FOUND = st.dictionaries(
    st.tuples(st.sampled_from(["CVE-1", "CVE-2"]), st.sampled_from(["1", "2"])),
    st.sampled_from(["low", "high"]),
    max_size=2,
)
CELL = st.one_of(st.just("ok"), st.just("ok"), st.just("ok"), st.sampled_from(["failed", "skipped", "stands", "odd"]))


class Image(msgspec.Struct, frozen=True):
    """An image in a run: which of three, its names, how long before the run its scans ended, how, and with what."""

    target: str
    names: tuple[str, ...]
    ended: dict[str, str]
    found: dict[tuple[str, str], str]
    by: dict[tuple[str, str], tuple[str, ...]]
    hours: int = 0


class Written(msgspec.Struct, frozen=True):
    """A run: hours since the one before, whether it is partial, whether it repeats that one, and what it holds."""

    hours: int
    partial: bool
    again: bool
    images: tuple[Image, ...]


@st.composite
def images(draw):
    ended = draw(st.dictionaries(st.sampled_from(SCANS), CELL, min_size=1))
    found = draw(FOUND)
    by = st.lists(st.sampled_from(sorted(ended)), min_size=1, max_size=2, unique=True).map(tuple)
    names = draw(st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=2, unique=True))
    return Image(
        draw(st.sampled_from("abc")),
        tuple(names),
        ended,
        found,
        {key: draw(by) for key in found},
        draw(st.sampled_from([0, 0, 0, 5, 15])),
    )


@st.composite
def histories(draw):
    some = st.lists(images(), min_size=1, max_size=3, unique_by=lambda image: image.target).map(tuple)
    run = st.builds(Written, st.integers(0, 12), st.sampled_from([False, False, True]), st.booleans(), some)
    return draw(st.lists(run, min_size=1, max_size=6))


def write(volume, history):
    """The runs on a volume, and when each ended."""
    ends, at, before = [], START, ()
    for number, run in enumerate(history):
        at += timedelta(hours=run.hours)
        ends.append(at)
        held = (*before, *(image for image in run.images if image.target not in {one.target for one in before}))
        before = held if run.again else run.images
        made = Run(f"r{number}", at.isoformat().replace("+00:00", "Z"), partial=run.partial)
        for image in before:
            _write_image(made, image, number, at)
        made.write(volume)
    return ends


def _write_image(made, image, number, at):
    ended_at = (at - timedelta(hours=image.hours)).isoformat().replace("+00:00", "Z")
    for scan, ended in image.ended.items():
        names = [f"registry.example/{name}" for name in image.names]
        match ended:
            case "failed":
                made.cell(image.target, scan, FAILED, "killed", names=names)
            case "skipped":
                made.cell(image.target, scan, SKIPPED, "not today", names=names)
            case "stands":
                made.cell(image.target, scan, SKIPPED, "fresh", names=names, standing=f"r{max(number - 1, 0)}")
            case _:
                made.cell(image.target, scan, names=names)
        row = made.rows[-1]
        version = {"ok": "1", "odd": "0"}.get(ended, "")
        made.rows[-1] = msgspec.structs.replace(
            row, scanner_version=version, scanner="grype" if version else "", finished=ended_at
        )
    holding = {scan for scan, ended in image.ended.items() if ended in ("ok", "odd", "stands")}
    for (id_, version), severity in image.found.items():
        scans = [scan for scan in image.by[id_, version] if scan in holding]
        if scans:
            made.find(image.target, id_, *scans, version=version, severity=severity)


def _checked(store, **options):
    """What is otherwise, as it is said with all that is the same and without."""
    every = store.differences(**options)
    wanted = [row for row in every if row.altered or row.status != STILL]
    assert store.differences(**options, still=False) == wanted
    return every


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A store with its tables."""
    path = tmp_path_factory.mktemp("empty") / "store.sqlite3"
    with Store(f"sqlite:///{path}") as store:
        store.migrate()
    return path


@settings(max_examples=examples(15), suppress_health_check=list(HealthCheck))
@given(histories(), st.booleans())
def test_what_differs_is_the_same_as_by_comparing_everything(tmp_path_factory, empty, history, early):
    """Also where an earlier version took the runs in, so that only their cells tell what these are."""
    folder = tmp_path_factory.mktemp("history")
    shutil.copy(empty, folder)
    volume = Volume(folder / "volume", distrusted=(ODD,))
    ends = write(volume, history)
    with Store(f"sqlite:///{folder / 'store.sqlite3'}") as store:
        store.take_in_all(volume)
        if early:
            with store._engine.begin() as connection:
                connection.execute(update(runs).values(extent=None))
        for number in range(len(history)):
            _checked(store, run=f"r{number}")
        for moment in {*ends, START - timedelta(hours=1)}:
            every = _checked(store, since=moment)
            found = store.changes(moment)
            there = [row for row in every if row.status in (STILL, "changed")]
            assert found.still == len(there)
            assert list(found.changed) == [row for row in there if row.altered]
            assert list(found.new) == [row for row in every if row.status == "new"]
            assert list(found.fixed) == [row for row in every if row.status == "fixed"]
        # Who else looks for a thing is not read where it is kept with the runs that they have all cells.
        having = store.who_has("CVE-*")
        with store._engine.begin() as connection:
            connection.execute(update(runs).values(extent=None))
        assert store.who_has("CVE-*") == having


@pytest.mark.parametrize("later", [1, 3])
def test_most_names_of_a_night_are_not_compared(tmp_path, later):
    volume = Volume(tmp_path / "volume")
    ok = dict.fromkeys(SCANS, "ok")
    images = [Image(each, (each,), ok, {("CVE-1", "1"): "low"}, {("CVE-1", "1"): ("general",)}) for each in "abc"]
    worse = msgspec.structs.replace(images[0], found={("CVE-1", "1"): "high"})
    nights = [images] * later + [[worse, *images[1:]]]
    ends = write(volume, [Written(24, False, False, tuple(each)) for each in nights])
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.take_in_all(volume)
        with store._reading() as connection:
            past = StoreReader(connection)
            known = steady(past, past.runs[:1], past.runs[1:])
            spelt = past.names()
            [(head, apart)] = known.heads.items()
            assert {spelt[name][0] for name in apart} == {"registry.example/a"}
            assert head == past.runs[-1].id
            assert known.things(past) == 2
            assert {spelt[name][0] for name in known.others} == {"registry.example/a"}
        assert [row.id for row in store.changes(ends[0]).changed] == ["CVE-1"]


def test_a_name_that_is_the_same_counts_once_whatever_runs_of_other_names_there_are(tmp_path):
    """Two groups of images, each with runs of its own, and a partial run of one between these."""
    volume = Volume(tmp_path / "volume")
    ok = dict.fromkeys(SCANS, "ok")
    a, b, c = (Image(each, (each,), ok, {("CVE-1", "1"): "low"}, {("CVE-1", "1"): ("general",)}) for each in "abc")
    nights = [(False, (a,)), (True, (b,)), (False, (b, c)), (False, (b, c))]
    ends = write(volume, [Written(24, partial, False, images) for partial, images in nights])
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.take_in_all(volume)
        assert [store.changes(moment).still for moment in ends[2:]] == [3, 3]
        assert len(_checked(store, since=ends[2])) == 3


def test_a_scan_of_one_of_two_images_of_a_name_is_no_scan_from_before_the_name_moved(tmp_path):
    """As pods of one tag run two images while the tag moves: each was scanned in the same run."""
    volume = Volume(tmp_path / "volume")
    first = Image("c", ("x",), {"virus": "ok"}, {}, {})
    other = msgspec.structs.replace(first, ended={"general": "ok"})
    both = (
        Image("a", ("x",), {"general": "ok"}, {}, {}),
        msgspec.structs.replace(first, found={("CVE-1", "1"): "high"}, by={("CVE-1", "1"): ("virus",)}),
        Image("b", ("z",), {"virus": "ok"}, {}, {}),
    )
    ends = write(volume, [Written(8, False, False, each) for each in ((first,), (other,), both)])
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.take_in_all(volume)
        assert [row.status for row in _checked(store, since=ends[-1])] == [STILL]
        assert [row.status for row in _checked(store, run="r2")] == ["new"]


@pytest.mark.parametrize("nights", [1, 4])
def test_what_a_name_had_by_a_scan_that_its_new_image_lacks_is_no_longer_scanned(tmp_path, nights):
    volume = Volume(tmp_path / "volume")
    found, by = {("CVE-1", "1"): "low"}, {("CVE-1", "1"): ("virus",)}
    before = Written(0, False, False, (Image("b", ("x",), {"virus": "ok"}, found, by),))
    moved = (Image("b", ("z",), {"virus": "ok"}, found, by), Image("c", ("x",), {"general": "ok"}, {}, {}))
    ends = write(volume, [before] + [Written(24, False, False, moved)] * nights)
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.take_in_all(volume)
        for options in ({"since": ends[-1]}, {"run": f"r{nights}"}):
            gone = [row for row in _checked(store, **options) if row.status == "no longer scanned"]
            assert [row.reference for row in gone] == ["registry.example/x"]


def test_a_version_that_comes_or_goes_beside_another_one_is_the_same_thing(tmp_path):
    """Of a thing of which something moved, all that the target has of it counts, also what did not move."""
    volume = Volume(tmp_path / "volume")
    for number, versions in enumerate((["1"], ["1", "2"], ["2"])):
        made = Run(f"r{number}", (START + timedelta(days=number)).isoformat().replace("+00:00", "Z"))
        made.cell("a", "general")
        for version in versions:
            made.find("a", "CVE-1", "general", version=version)
        made.write(volume)
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.take_in_all(volume)
        for number, versions in ((1, ("1", "1, 2")), (2, ("1, 2", "2"))):
            with store._reading() as connection:
                past = StoreReader(connection)
                assert steady(past, past.runs[:number], past.runs[number:]).heads
            [row] = _checked(store, run=f"r{number}")
            assert (row.status, (row.version_before, row.version_after)) == (STILL, versions)
        found = store.changes(START + timedelta(days=1))
        assert (found.new, found.fixed, found.still) == ((), (), 1)


def test_a_page_of_findings_says_of_whom_they_are_as_all_of_them_do(tmp_path):
    """A name that came after the scan that found it has nothing of it, though another scan knows the name."""
    volume = Volume(tmp_path / "volume")
    found, by = {("CVE-1", "1"): "low"}, {("CVE-1", "1"): ("general",)}
    first = Image("a", ("x",), dict.fromkeys(SCANS, "ok"), found, by)
    write(
        volume,
        [
            Written(0, False, False, (first,)),
            Written(1, False, False, (Image("a", ("x", "y"), {"virus": "ok"}, {}, {}),)),
        ],
    )
    with Store(f"sqlite:///{tmp_path / 'store.sqlite3'}") as store:
        store.take_in_all(volume)
        [holder] = store.who_has("CVE-1").rows
        assert holder.references == ("registry.example/x",)
        for choice in (Choice(), Choice(id="CVE-1")):
            [row] = store.findings_page(choice, None, 10).rows
            assert row.references == holder.references
