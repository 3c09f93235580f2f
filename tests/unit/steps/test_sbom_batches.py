"""Batches of cells that read stored SBOMs: staged, read one after the other, kept, and what is left of them."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from orchestrator.argo.agreed import Only
from orchestrator.argo.commands import KeepSbomsStep, LeftStep
from orchestrator.argo.sbom_batches import MOST_CELLS, find_sbom_batch, sbom_batches
from orchestrator.argo.sbom_loop import BEGUN, CELLS, EXIT, LEFT, LOG, PROGRAM_NAME, loop
from orchestrator.errors import PermanentError, UsageError
from orchestrator.model import BomSource, Cell, CellRecord, Distrust, OnSbom, Plan, Scan, StoredSbom
from orchestrator.model.plan import pending
from orchestrator.planning.batches import shards
from orchestrator.steps import keep_sboms as keeping
from orchestrator.steps import stage_sboms as staging
from orchestrator.steps.ended import left
from orchestrator.steps.incluster import divide
from orchestrator.steps.itself import ITSELF, why_itself
from orchestrator.steps.keep import ENDED
from orchestrator.steps.keep_sboms import keep_sboms, left_of
from orchestrator.steps.stage_sboms import stage_sboms
from orchestrator.upkeep.left import left_by_sboms
from orchestrator.upkeep.plans import write_plan
from orchestrator.volume.layout import Volume
from orchestrator.volume.records import Records, now
from orchestrator.volume.sboms import keep_sbom
from tests.tools.layers import sha256
from tests.unit.steps.plans import plan as small_plan

REPORT = '{"format": "scanmatrix/1", "scanner": {"name": "reader"}, "findings": []}'
#: What reads: it goes by the words of the SBOM.
READER = f"""
case $(cat "$1") in
  *fails*) echo of no use >&2; exit 3;;
  *hangs*) sleep 60;;
  *silent*) exit 0;;
  *long*) head -c 5000 /dev/zero > "$2"; exit 0;;
  *leaves*) sleep 60 & ln -s /etc/passwd "$2"; exit 0;;
esac
echo '{REPORT}' > "$2"
"""
SCAN = Scan("reader", "reader:1", ("reader",), "scanmatrix", timeout=2, report_limit=1000, retries=0,
            sbom=OnSbom("packages", ("reader", "{sbom}", "{report}"), cataloguers=("1",)))  # fmt: skip


def source_of(name: str) -> BomSource:
    return BomSource(bom=sha256(f"sbom of {name}".encode()), made="2025-06-01T00:00:00Z", cataloguer="maker 1")


def plan(*names: str, scan: Scan = SCAN) -> Plan:
    """Images all of whose cells read an SBOM."""
    cells = tuple(Cell(target=name, scan=scan.name, source=source_of(name)) for name in names)
    return msgspec.structs.replace(small_plan(names), scans=(scan,), cells=cells, waves=())


def cell_of(made: Plan, name: str) -> Cell:
    return next(cell for cell in made.cells if cell.target == name)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In the place of the static program one that runs what this machine has; nothing takes long."""
    program = tmp_path / PROGRAM_NAME
    program.write_text('#!/bin/sh\n[ "$1" != sh ] || { shift; set -- bash "$@"; }\nexec "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    for name, value in (("PAUSES", (0.01,)), ("POLL", 0.01), ("GRACE", 0.1)):
        monkeypatch.setattr(keeping, name, value)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def store(volume: Volume, made: Plan, *but: str) -> None:
    for name, target in made.targets_by_id.items():
        if name not in but:
            data, source = f"sbom of {name}".encode(), source_of(name)
            keep_sbom(volume, StoredSbom(target.digest, "packages", "0" * 32, source, len(data)), data)


class Pod:
    """The folders of a batch's pod."""

    def __init__(self, folder: Path, volume: Volume, made: Plan, number: str = "001") -> None:
        self.sboms, self.scan = folder / "sboms", folder / "scan"
        self.temporary = (folder / "tmp", folder / "shm")
        for each in (self.sboms, self.scan, *self.temporary, folder / "argo" / "ctr" / "main"):
            each.mkdir(parents=True)
        self.volume, self.plan = volume, made
        self.batch = find_sbom_batch(made, "reader", number)
        self.step = KeepSbomsStep(
            run=made.run, scan="reader", batch=number, executor=folder / "argo", sboms=self.sboms, scanned=self.scan,
            volume=volume.root,
        )  # fmt: skip

    def stage(self) -> int:
        return stage_sboms(self.plan, self.batch, self.volume, self.sboms)

    def read(self, folder: Path) -> str:
        """Run the scanner to its end; what the container said."""
        script = folder / "reader"
        script.write_text(f"#!/bin/sh\n{READER}")
        script.chmod(0o755)
        report = f"{self.scan}/report.json"
        command = [str(script), f"{self.scan}/sbom.json", report]
        program = str(self.sboms / PROGRAM_NAME)
        temporary = str(self.temporary[0]), str(self.temporary[1])
        words = loop(command, timeout=2, report=report, printed=False, program=program, temporary=temporary)
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    def end(self) -> None:
        """What Argo writes when the scanner's container has ended."""
        (self.step.executor / "ctr" / "main" / ENDED).write_text("0")

    def keep(self) -> list[str]:
        return list(keep_sboms(self.step, self.plan, self.batch, self.volume))


def record(volume: Volume, made: Plan, name: str) -> CellRecord:
    return Records(volume, made.run).look(name, "reader").record


def test_a_batch_follows_from_the_plan_and_is_as_even_as_it_can_be() -> None:
    made = plan(*(f"t{number}" for number in range(2 * MOST_CELLS + 1)))
    found = sbom_batches(made)
    assert [(each.number, len(each.cells)) for each in found] == [("001", 167), ("002", 167), ("003", 167)]
    assert [cell for each in found for cell in each.cells] == list(made.cells)
    assert sbom_batches(small_plan(("a",))) == ()
    with pytest.raises(UsageError, match="no batch '004'"):
        find_sbom_batch(made, "reader", "004")


def test_each_cell_has_its_own_end_and_one_bad_sbom_costs_no_other(tmp_path: Path, volume: Volume) -> None:
    made = plan("good", "fails", "hangs", "silent", "long", "leaves", "gone", "last")
    store(volume, made, "gone")
    pod = Pod(tmp_path / "pod", volume, made)
    assert pod.stage() == 7
    assert sorted(path.name for path in (pod.sboms / CELLS).iterdir()) == [f"000{place}" for place in (*range(1, 7), 8)]
    said = pod.read(tmp_path)
    assert "0002: exit code 3\nof no use" in said
    pod.end()
    lines = pod.keep()
    assert len(lines) == 7
    errors = {name: record(volume, made, name).error for name in made.targets_by_id}
    assert errors["good"] == errors["last"] == ""
    assert errors["fails"] == "ended with exit code 3"
    assert errors["hangs"] == "timed out after 2 s: raise the scan's timeout"
    assert "wrote no report" in errors["silent"]
    assert "over the limit" in errors["long"]
    assert "no longer on the volume" in errors["gone"]
    assert record(volume, made, "fails").log == "of no use\n"
    for name in ("good", "last"):
        kept = record(volume, made, name)
        assert (kept.attempts, kept.exit_code, kept.source, kept.image) == (1, 0, source_of(name), "reader:1")
        assert kept.finished
        assert (volume.cell(made.run, name, "reader") / "report.json").read_text() == f"{REPORT}\n"
    # A link is no report, and nothing behind it is read: the ledger's reader says so.
    assert not (volume.cell(made.run, "leaves", "reader") / "report.json").is_file()
    assert left_of(made, pod.batch, volume) == 5
    assert left_by_sboms(made, volume) == {
        (name, "reader") for name in ("fails", "hangs", "silent", "long", "leaves", "gone")
    }


def test_temporary_files_of_one_are_not_there_for_the_next(tmp_path: Path, volume: Volume) -> None:
    made = plan("a", "b")
    store(volume, made)
    pod = Pod(tmp_path / "pod", volume, made)
    pod.stage()
    for folder in pod.temporary:
        (folder / "before").write_text("x")
        (folder / ".hidden").mkdir()
    pod.read(tmp_path)
    assert [list(folder.iterdir()) for folder in pod.temporary] == [[], []]


def test_a_pod_that_was_killed_continues_after_the_cell_at_which_it_was(tmp_path: Path, volume: Volume) -> None:
    made = plan("a", "b", "c")
    store(volume, made)
    pod = Pod(tmp_path / "first", volume, made)
    pod.stage()
    pod.read(tmp_path)
    for name in ("0002", "0003"):
        (pod.scan / LEFT / name / EXIT).unlink()
    (pod.scan / LEFT / "0003" / BEGUN).unlink()
    signalled = keep_sboms(pod.step, made, pod.batch, volume)
    assert next(signalled).startswith("a/reader")
    os.kill(os.getpid(), signal.SIGTERM)  # as Argo does when the container is gone
    assert list(signalled) == []
    assert left_of(made, pod.batch, volume) == 2
    again = Pod(tmp_path / "second", volume, made)
    assert again.stage() == 1
    again.read(tmp_path)
    again.end()
    assert again.keep() == ["c/reader: its report is kept"]
    assert left_of(made, pod.batch, volume) == 1
    assert left_by_sboms(made, volume) == {("b", "reader")}
    assert "memory" in why_itself(made, "b", "reader", Records(volume, made.run))


@pytest.mark.parametrize("what", ["link", "file", "folders", "exit", "number"])
def test_what_a_scanner_makes_of_the_folders_leads_nowhere(tmp_path: Path, volume: Volume, what: str) -> None:
    made = plan("a")
    store(volume, made)
    pod = Pod(tmp_path / "pod", volume, made)
    pod.stage()
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "0001").mkdir(parents=True)
    for name, text in ((BEGUN, ""), (EXIT, "0 1\n"), ("report.json", REPORT)):
        (elsewhere / "0001" / name).write_text(text)
    own = pod.scan / LEFT
    if what == "link":
        own.symlink_to(elsewhere)
    elif what == "file":
        own.write_text("x")
    elif what == "folders":
        own.mkdir()
        (own / "0001").symlink_to(elsewhere / "0001")
    else:
        elsewhere.rename(own)
        (own / "0001" / EXIT).unlink()
        if what == "exit":
            (own / "0001" / EXIT).symlink_to("/etc/hostname")
        else:
            (own / "0001" / EXIT).write_text("-1 many")
    pod.end()
    pod.keep()
    assert not (volume.cell(made.run, "a", "reader") / "report.json").exists()
    assert left_of(made, pod.batch, volume) == 1
    assert left_by_sboms(made, volume) == {("a", "reader")}


def test_a_batch_that_cannot_run_at_all_says_so_for_each_cell_and_no_image_is_pulled(volume: Volume, tmp_path) -> None:
    denied = msgspec.structs.replace(plan("a", "b"), distrusted=(Distrust("it lies", denied=True, scan="reader"),))
    store(volume, denied)
    pod = Pod(tmp_path / "pod", volume, denied)
    with pytest.raises(PermanentError, match="it lies"):
        pod.stage()
    assert all("it lies" in record(volume, denied, name).error for name in ("a", "b"))
    assert left_by_sboms(denied, volume) == set()


def test_too_many_bytes_are_left_to_their_images(volume: Volume, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(staging, "MOST_TOGETHER", 20)
    made = plan("a", "b", "c")
    store(volume, made)
    pod = Pod(tmp_path / "pod", volume, made)
    assert pod.stage() == 2
    assert "together" not in record(volume, made, "a").error
    assert "of its batch have more than" in record(volume, made, "c").error


def test_what_is_left_is_pulled_as_far_as_one_workflow_does_it(volume: Volume, tmp_path, monkeypatch) -> None:
    made = plan("a", "b", "c")
    made = msgspec.structs.replace(made, limits=msgspec.structs.replace(made.limits, cells_per_shard=2))
    write_plan(made, volume)
    for name in "abc":
        Records(volume, made.run).write(name, "reader", CellRecord(1, now(), now(), "bad", source=source_of(name)))
    outputs = tmp_path / "outputs"
    assert left(LeftStep(run=made.run, sboms=True, outputs=outputs, volume=volume.root)) == 0
    items = msgspec.json.decode((outputs / "images").read_bytes())
    assert [item["target"] for item in items] == ["a", "b"]
    assert [item["scans"] for item in items] == [",reader,"] * 2
    assert "retry the run" in record(volume, made, "c").error
    assert "bad" in record(volume, made, "c").error


def test_a_retry_scans_the_image_of_what_was_tried_and_reads_the_sbom_of_what_was_not(volume: Volume) -> None:
    made = plan("tried", "untried", "done")
    write_plan(made, volume)
    records = Records(volume, made.run)
    records.write("tried", "reader", CellRecord(1, now(), now(), "bad", source=source_of("tried")))
    records.write("untried", "reader", CellRecord(error="never started: the run was cancelled", finished=now()))
    folder = volume.cell(made.run, "done", "reader")
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(REPORT)
    records.write("done", "reader", CellRecord(1, now(), now(), exit_code=0, source=source_of("done")))
    work = divide(made, volume, only=Only.FAILED)
    assert (work.images, work.scans) == (("tried",), {"tried": ["reader"]})
    assert [each.number for each in work.sboms] == ["001"]
    whole = divide(made, volume)
    assert (whole.images, len(whole.sboms)) == ((), 1)
    assert pending(made) == {}


def test_each_target_has_its_shard_whatever_becomes_of_its_sbom() -> None:
    made = plan("a", "b", "c", "d")
    cells = (msgspec.structs.replace(made.cells[2], source=None), *made.cells[:2], made.cells[3])
    limits = msgspec.structs.replace(made.limits, cells_per_shard=2)
    assert shards(msgspec.structs.replace(made, cells=cells, limits=limits)) == (("c",), ("a", "b"), ("d",))


def test_why_an_image_is_scanned_itself_is_noted(volume: Volume) -> None:
    made = plan("a")
    records = Records(volume, made.run)
    assert "did not come to it" in why_itself(made, "a", "reader", records)
    records.write("a", "reader", CellRecord(1, now(), now(), "it is damaged", source=source_of("a")))
    note = why_itself(made, "a", "reader", records)
    assert note == f"{ITSELF}its stored SBOM: it is damaged"
    records.write("a", "reader", CellRecord(2, now(), now(), "the image was bad, too", note=note))
    assert why_itself(made, "a", "reader", records) == note
    for unmatched, wanted in (("", ""), ("no SBOM of it is stored yet", ""), ("it is old", f"{ITSELF}it is old")):
        cell = msgspec.structs.replace(made.cells[0], source=None, unmatched=unmatched)
        assert why_itself(msgspec.structs.replace(made, cells=(cell,)), "a", "reader", records) == wanted


def test_the_end_of_a_log_is_kept_for_who_asks_why(tmp_path: Path, volume: Volume) -> None:
    made = plan("fails")
    store(volume, made)
    pod = Pod(tmp_path / "pod", volume, made)
    pod.stage()
    pod.read(tmp_path)
    assert (pod.scan / LEFT / "0001" / LOG).read_text() == "of no use\n"
