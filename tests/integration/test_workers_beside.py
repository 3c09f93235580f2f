"""A worker with the scanner's container beside it, whatever becomes of either: each cell is accounted for once."""

import os
import signal
from collections import Counter
from contextlib import contextmanager

import pytest

from orchestrator.engines.queue.neighbour import Neighbour
from orchestrator.engines.queue.worker import WorkerShare
from orchestrator.model import Outcome
from tests.integration import beside_pod
from tests.integration.engine import REPORT, rows, wait_for
from tests.integration.queue_place import QueuePlace

pytestmark = pytest.mark.skipif(bool(beside_pod.why_not()), reason=beside_pod.why_not())
WORKER = "w1"
#: Says so if it sees anything that another cell left, then leaves what it can.
SCANNER = f"""
report=$1 tarball=$2 action=$3
seen=$(ls -A /scan /tmp /dev/shm /made | grep -v :; ls /cell | grep -v image.tar; pgrep -x sleep)
[ -z "$seen" ] || {{ echo "it sees $seen"; exit 9; }}
head -c 1 "$tarball" > /tmp/read || exit 8
touch "$tarball" /cell/more /databases/more 2> /dev/null && exit 7
mkdir -p /tmp/deep/er && chmod 000 /tmp/deep
(setsid sh -c "trap '' TERM; exec sleep 98765" &)
eval "$action"
printf %s '{REPORT.decode()}' > "$report"
"""


class BesidePlace(QueuePlace):
    """With a scanner that is a shell script."""

    def write_template(self, name: str, action: str, **more) -> None:
        command = ["/bin/sh", "-c", SCANNER, "scan", "{report}", "{tarball}", "{parameter.action}"]
        super().write_template(name, action, command=command, parameters={"action": action}, **more)


@contextmanager
def container(place):
    with beside_pod.Container(place.folder / "pod", place.volume.root, scan="first", worker=WORKER) as found:
        yield found


def work_off(place, beside):
    neighbour = Neighbour(beside.folder)
    place.work_off("first", share=WorkerShare(once=True), name=WORKER, beside=neighbour)
    neighbour.close()


def start_worker(place, beside):
    return place.start_worker("--scan=first", f"--name={WORKER}", f"--beside={beside.folder}", "--once")


def test_a_cell_sees_nothing_of_the_one_before(tmp_path):
    place = BesidePlace(tmp_path, images=3, scans={"first": ":"})
    engine = place.engine()
    engine.submit(place.plan())
    with container(place) as beside:
        work_off(place, beside)
        assert {(row.outcome, row.reason) for row in engine.fetch("r1").rows} == {(Outcome.OK, "")}
        assert beside.starts == 1
        assert list(place.volume.worker(WORKER).iterdir()) == []
        assert (beside.folder / "life").exists()
    assert not list(place.volume.run("r1").glob("*/*/attempt-*"))
    assert not list(place.volume.run("r1").glob("*/*/image.tar"))


def test_databases_are_made_and_layers_are_read_in_the_scanner_s_container(tmp_path):
    place = BesidePlace(tmp_path, images=2, scans={"first": ":"})
    script = 'cat "$3/made" && ls -R "$2" && ! touch "$3/more" "$2/more" 2> /dev/null && printf %s "$4" > "$1"'
    command = ["/bin/sh", "-c", script, "scan", "{report}", "{layers}", "{database}", REPORT.decode()]
    refresh = ["/bin/sh", "-c", "date +%s%N > {database}/made && ! ls /volume 2> /dev/null"]
    # Its parameter has no meaning for this command.
    QueuePlace.write_template(place, "first", ":", command=command, parameters={}, database={"refresh": refresh})
    engine = place.engine()
    engine.submit(place.plan())
    with container(place) as beside:
        work_off(place, beside)
        assert list((beside.folder / "layers").iterdir()) == []
        assert list((beside.folder / "scanner" / "made").iterdir()) == []
    ledger = engine.fetch("r1")
    assert {(row.outcome, row.reason) for row in ledger.rows} == {(Outcome.OK, "")}
    [version] = {row.database_version for row in ledger.rows}
    assert (place.volume.databases("first") / version / "made").read_text().strip().isdecimal()


def test_a_server_is_started_once_and_one_that_does_not_come_up_is_done_without(tmp_path):
    place = BesidePlace(tmp_path, images=3, scans={"first": ":"})
    asks = "grep -q hello {server}/up && echo asked >> {server}/up"
    command = ["/bin/sh", "-c", SCANNER, "scan", "{report}", "{tarball}", asks]
    start = ["/bin/sh", "-c", "cp {files}/greeting {server}/up; exec tail -f /dev/null"]
    warm = {"start": start, "ready": ["/bin/sh", "-c", "test -s {server}/up"], "command": command}
    place.write_template("first", "exit 4", warm=warm | {"files": {"greeting": "hello"}})
    engine = place.engine()
    engine.submit(place.plan())
    with container(place) as beside:
        work_off(place, beside)
        assert {(row.outcome, row.reason) for row in engine.fetch("r1").rows} == {(Outcome.OK, "")}
        assert (beside.folder / "scanner" / "server" / "up").read_text().count("asked") == 3
        broken = warm | {"start": ["/bin/sh", "-c", "exit 1"], "files": {"greeting": "hello"}}
        place.write_template("first", ":", warm=broken)
        engine.submit(place.plan("r2"))
        work_off(place, beside)
    assert {(row.outcome, row.reason) for row in engine.fetch("r2").rows} == {(Outcome.OK, "")}


@pytest.mark.parametrize(
    ("action", "more", "reason"),
    [
        ("sleep 60", {"timeout": "1s"}, "timed out after 1 s"),
        ("exit 3", {}, "exit code 3"),
        ("echo lost >&2; kill -9 $$", {}, "killed by SIGKILL"),
        ("seq 1000000 > /scan/much; sleep 60", {"scratchLimit": "1Mi"}, "scratchLimit"),
    ],
    ids=["hangs", "fails", "killed", "fills its folder"],
)
def test_what_a_scanner_does_costs_its_own_cell(tmp_path, action, more, reason):
    """The first of two images; the other one is scanned after it."""
    action = f"[ -e /server/mark ] || {{ : > /server/mark; {action}; }}"
    place = BesidePlace(tmp_path, images=2, scans={"first": action})
    place.write_template("first", action, **more)
    engine = place.engine()
    engine.submit(place.plan())
    with container(place) as beside:
        work_off(place, beside)
    ledger = engine.fetch("r1")
    assert Counter(row.outcome for row in ledger.rows) == {Outcome.OK: 1, Outcome.FAILED: 1}
    assert reason in next(row.reason for row in ledger.rows if row.outcome is Outcome.FAILED)


def test_worker_and_scanner_are_killed_in_the_middle_of_a_cell(tmp_path):
    place = BesidePlace(tmp_path, images=1, scans={"first": "echo begun > /server/begun; sleep 3"})
    place.write_template("first", place.scans["first"], retries=3)
    engine = place.engine()
    engine.submit(place.plan())
    with container(place) as beside:
        begun = beside.folder / "scanner" / "server" / "begun"
        process = start_worker(place, beside)
        wait_for(begun.exists, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(60)
        process.stderr.close()
        begun.unlink()
        process = start_worker(place, beside)
        wait_for(begun.exists, process)
        assert beside.starts >= 2  # what the killed worker had begun ended with its container
        beside.kill()
        assert process.wait(300) == 0
        process.stderr.close()
    row = rows(engine.fetch("r1"))["first"]
    assert (row.outcome, row.reason) == (Outcome.OK, "")
    assert row.attempts >= 3  # one more where its container ended just when it was given to the second worker
