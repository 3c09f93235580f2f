"""Scanners that workers keep running: what a cell leaves, what it breaks, and that none gets anything of another."""

import csv
import io
import json
import os
import re
import signal
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml

from orchestrator.engines.local.sandbox import find_sandbox
from orchestrator.kit.own import templates_folder
from orchestrator.model import Outcome
from orchestrator.volume.records import Records
from tests.cluster import databases
from tests.integration.engine import REPORT
from tests.integration.queue_place import QueuePlace, virus_place
from tests.tools import layouts, require
from tests.tools.images import Image, layer
from tests.tools.samples import EICAR

SERVER = """
import os, socket, sys
mark, path = sys.argv[1:]
asked = socket.socket(socket.AF_UNIX)
asked.bind(path)
asked.listen(8)
while True:
    try:
        asked.accept()[0].sendall(str(os.getpid()).encode())
    except OSError:
        pass  # who only asks whether it is ready does not wait for an answer
"""
READY = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
#: Says what it sees of others, then does what its image is for.
CLIENT = f"""
import glob, json, os, pathlib, signal, socket, subprocess, sys, time
report, layers, workdir, server, actions = sys.argv[1:]
def entries(folder):
    return sorted(os.listdir(folder))
others = [pid for pid in entries('/proc') if pid.isdigit() and int(pid) > 2
          and os.getsid(int(pid)) == int(pid) != os.getpid()]
asked = socket.socket(socket.AF_UNIX)
asked.connect(server + '/s')
served_by = asked.recv(100).decode()
number = pathlib.Path(glob.glob(layers + '/*/n')[0]).read_text()
print(json.dumps(dict(
    number=number, served=served_by, left=[*entries(workdir), *entries('/tmp'), *entries('/dev/shm')],
    server=entries(server), others=[pid for pid in others if pid != served_by], layers=len(entries(layers)),
    leaked=[name for name in os.environ if 'LEAK' in name])), file=sys.stderr)
exec(json.loads(actions).get(number, 'pass'))
pathlib.Path(report).write_bytes({REPORT!r})
"""
LEAVES = """
for folder in (workdir, '/tmp', '/dev/shm', server):
    os.makedirs(folder + '/deep' * 20)
    pathlib.Path(folder + '/left').write_text('x')
    os.symlink('/etc', folder + '/.link')
    os.chmod(folder + '/deep', 0)
os.environ['LEAK'] = 'x'
"""
FORKS = """
for _ in range(3):
    subprocess.Popen(['/bin/sh', '-c', 'trap "" TERM HUP; sleep 300; sleep 300'], start_new_session=True)
"""
KILLS_SERVER = "os.kill(int(served_by), signal.SIGKILL); time.sleep(0.5)"
KILLS_SUPERVISOR = "os.kill(2, signal.SIGKILL); time.sleep(60)"
REPLACES = "os.rename(server + '/s', server + '/t'); pathlib.Path(server + '/s').write_text('mine')"
FILLS = """
for number in range(10_000):
    pathlib.Path(workdir, str(number)).write_bytes(bytes(1 << 20))
    time.sleep(0.02)
"""


@pytest.fixture(autouse=True)
def _sandbox(tmp_path):
    require("busybox")
    if find_sandbox(tmp_path) is None:
        pytest.skip("bubblewrap does not work here")


def warm_place(folder, actions=None, *, images=3, timeout="2m", start=None, **settings):
    folder.mkdir(exist_ok=True)
    actions = actions or {}
    local = {"local": {"runner": "process", "sandbox": "required"}, "queue": {"lease": "30s"}}
    place = QueuePlace(folder, images=0, scans={}, **{**local, **settings})
    place.archives = [
        layouts.write_archive(folder / f"image-{number}.tar", Image.build([layer({"n": str(number)})]))
        for number in range(images)
    ]
    python = "/usr/bin/python3"
    template = {
        "name": "served", "description": "For tests", "image": "localhost/fake:1", "format": "scanmatrix", "retries": 0,
        "timeout": timeout,
        "command": [python, "-c", f"open(__import__('sys').argv[1], 'wb').write({REPORT!r})", "{report}", "{layers}"],
        "warm": {
            "start": [python, "-c", *(start or [SERVER, f"mark:{folder}", "{server}/s"])],
            "ready": [python, "-c", READY, "{server}/s"],
            "command": [python, "-c", CLIENT, "{report}", "{layers}", "{workdir}", "{server}", json.dumps(actions)],
            "readyWithin": "1m",
        },
    }  # fmt: skip
    place.use(template)
    return place


def rows_of(place, run="r1"):
    """Rows of the ledger, and records, by the number of the image; every cell is there once."""
    ledger, records = place.engine().fetch(run), Records(place.volume, run)
    numbered = {re.search(r"image-(\d+)", row.references[0])[1]: row for row in ledger.rows}
    assert len(numbered) == len(ledger.rows) == len(place.archives)
    return numbered, {key: records.look(row.target, row.scan).record for key, row in numbered.items()}


def seen_by(record):
    """What a cell saw before it did anything, without what every sandbox shows of `PATH` below /tmp."""
    seen = json.loads(record.log.splitlines()[0])
    shown = {Path(folder).parts[2] for folder in os.environ["PATH"].split(":") if folder.startswith("/tmp/")}
    return seen | {"left": [name for name in seen["left"] if name not in shown]}


def left_over(place):
    """Processes of a place's servers."""
    return [
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if f"mark:{place.folder}" in (each.info["cmdline"] or []) and SERVER in each.info["cmdline"]
    ]


def test_one_server_reads_all_images_and_ends_with_its_worker(tmp_path):
    place = warm_place(tmp_path / "place")
    place.engine().submit(place.plan())
    assert place.work_off() == 3
    rows, records = rows_of(place)
    assert all_ok(rows)
    assert len({seen_by(record)["served"] for record in records.values()}) == 1
    assert all("beside a server that stays running" in record.isolation for record in records.values())
    assert not [line for line in place.told if "without its server" in line]
    assert left_over(place) == []
    assert list(place.volume.servers.iterdir()) == []


def test_nothing_of_a_cell_is_there_for_the_next_and_what_it_breaks_is_its_own(tmp_path):
    actions = {"0": LEAVES, "1": FORKS, "2": KILLS_SERVER, "3": REPLACES, "4": KILLS_SUPERVISOR, "5": FILLS}
    place = warm_place(tmp_path / "place", actions, images=9, limits={"cellDisk": "16Mi"})
    place.engine().submit(place.plan())
    assert place.work_off() == 9
    rows, records = rows_of(place)
    failed = {number for number, row in rows.items() if row.outcome is not Outcome.OK}
    assert failed == {"2", "4", "5"}
    for number in ("2", "4"):
        assert "its server ended while this image was read, 2 times" in rows[number].reason
    assert "limits.cellDisk" in rows["5"].reason
    for number in rows.keys() - failed:
        seen = seen_by(records[number])
        assert (seen["number"], seen["left"], seen["server"]) == (number, [], ["s"])
        assert (seen["others"], seen["layers"], seen["leaked"]) == ([], 2, [])
    assert left_over(place) == []


def test_a_cell_that_hangs_is_ended_after_its_timeout(tmp_path):
    place = warm_place(tmp_path / "place", {"0": "time.sleep(600)"}, images=1, timeout="2s")
    place.engine().submit(place.plan())
    place.work_off()
    rows, _ = rows_of(place)
    assert "timed out after 2 s" in rows["0"].reason
    assert left_over(place) == []


@pytest.mark.parametrize(
    ("start", "why"), [(["raise SystemExit('no signatures')"], "no signatures"), (["pass"], "the server ended")]
)
def test_without_a_server_that_starts_images_are_read_cold_and_it_is_said(tmp_path, start, why):
    place = warm_place(tmp_path / "place", start=start, images=2)
    place.engine().submit(place.plan())
    place.work_off()
    rows, records = rows_of(place)
    assert all_ok(rows)
    [said] = [line for line in place.told if "without its server" in line]
    assert why in said
    assert all("no server: " in record.isolation for record in records.values())


def test_a_worker_that_is_killed_leaves_nothing_and_another_one_reads_what_is_left(tmp_path):
    place = warm_place(tmp_path / "place", {"1": "time.sleep(2)"}, queue={"lease": "2s"})
    place.engine().submit(place.plan())
    first = place.start_worker()
    try:
        _until(lambda: left_over(place))
        first.send_signal(signal.SIGKILL)
        first.wait(30)
        _until(lambda: not left_over(place))
        assert [path.name for path in place.volume.servers.iterdir()] != []
        place.work_off()
        rows, _ = rows_of(place)
        assert all_ok(rows)
        assert list(place.volume.servers.iterdir()) == []
    finally:
        first.stderr.close()


def test_a_worker_that_is_stopped_ends_its_server(tmp_path):
    place = warm_place(tmp_path / "place")
    place.engine().submit(place.plan())
    worker = place.start_worker()
    _until(lambda: left_over(place))
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert left_over(place) == []
    assert list(place.volume.servers.iterdir()) == []


def _until(there):
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end
        time.sleep(0.05)


def all_ok(rows):
    """Whether every cell is; shown with its reason otherwise."""
    assert [row.reason for row in rows.values() if row.outcome is not Outcome.OK] == []
    return True


def test_clamd_finds_what_clamscan_finds(tmp_path, virus_signatures):
    for program in ("clamscan", "clamd", "clamdscan"):
        require(program)
    nested = zipped({"inner/a.zip": zipped({"b.com": EICAR}), "c.txt": b"clean"})
    contents = [
        {"n": b"clean"},
        {"srv/eicar.com": EICAR, "srv/other": b"clean", "odd name: FOUND": EICAR},
        {"app/outer.zip": nested, "/".join(["deep"] * 60): EICAR},
        {"mail.txt": b"x" * 100_000 + EICAR},
    ]
    archives = [
        layouts.write_archive(tmp_path / f"image-{number}.tar", Image.build([layer(files)]))
        for number, files in enumerate(contents)
    ]
    found = {}
    for kind in ("cold", "warm"):
        place = virus_place(tmp_path / kind, archives, virus_signatures, warm=kind == "warm")
        place.engine().submit(place.plan())
        place.work_off()
        rows, records = rows_of(place)
        assert all_ok(rows)
        assert {"beside a server" in record.isolation for record in records.values()} == {kind == "warm"}
        written = list(csv.DictReader(io.StringIO((place.volume.results("r1") / "findings.csv").read_text())))
        found[kind] = sorted(
            (row["id"], row["location"], row["place"], row["severity"], row["target"]) for row in written
        )
    assert found["cold"] == found["warm"]
    assert len({row[1] for row in found["warm"]}) == 4


#: As `general` could have one.
TRIVY_S_SERVER = {
    "start": ["trivy", "server", "--listen=127.0.0.1:4954", "--cache-dir={database}", "--cache-backend=memory",
              "--skip-db-update"],
    "ready": ["/usr/bin/python3", "-c", "__import__('urllib.request').request.urlopen('http://127.0.0.1:4954/healthz')"],
}  # fmt: skip


def test_why_general_has_no_server(tmp_path, java_tool, monkeypatch):
    """Trivy's remembers what was in a layer by the name that an image's config gives it, and does not look again.

    An image with the names of another one's layers, and nothing in them, makes that other one look clean.
    """
    monkeypatch.setenv("PATH", f"{require('trivy').parent}:{os.environ['PATH']}")
    written = tmp_path / "trivy"
    databases.trivy(written)
    nothing = layer({"nothing": b""})
    liar = Image.build([replace(each, blob=nothing.blob) for each in java_tool.layers])
    archives = {
        name: layouts.write_archive(tmp_path / f"image-{number}.tar", image)
        for number, (name, image) in enumerate({"liar": liar, "honest": java_tool}.items())
    }
    general = yaml.safe_load((templates_folder() / "general.yaml").read_text())
    general["database"] = {"refresh": ["cp", "-r", str(written / "db"), str(written / "java-db"), "{database}"]}
    del general["parameters"]
    command = [word for word in general["command"] if word not in {"--cache-backend=memory", "--skip-db-update"}]
    warm = TRIVY_S_SERVER | {"command": [*command, "--server=http://127.0.0.1:4954"]}
    found = {}
    for kind, template in {"cold": general, "warm": general | {"warm": warm}}.items():
        (tmp_path / kind).mkdir()
        place = QueuePlace(tmp_path / kind, images=0, scans={}, local={"runner": "process", "sandbox": "required"})
        place.use(template)
        for name, archive in archives.items():  # in this order
            place.archives = [archive]
            place.engine().submit(place.plan(name))
        place.work_off()
        rows, records = rows_of(place, "honest")
        assert all_ok(rows)
        assert {"beside a server" in record.isolation for record in records.values()} == {kind == "warm"}
        written_findings = (place.volume.results("honest") / "findings.csv").read_text()
        found[kind] = written_findings.count("CVE-2021-44228")
    assert found["cold"] > 0 == found["warm"]


def zipped(files):
    """A ZIP archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
