"""Brokers of the queue that differ: with TLS and logins, and the one of `make queue`."""

import os
import subprocess
import sys
from contextlib import closing, suppress

import psutil
import pytest
import yaml

from orchestrator.api.doctor import examine
from orchestrator.config.loading import load_config
from orchestrator.queues import kafka
from orchestrator.queues.kafka import queue as module
from orchestrator.queues.kafka import topics as topics_module
from orchestrator.queues.kafka.connection import BrokerError, BrokerGoneError
from orchestrator.queues.kafka.topics import Topics
from tests.integration.engine import wait_for
from tests.integration.kafka_place import KafkaPlace, listening
from tests.integration.test_queue_kills import judge
from tests.queue_suite import order
from tests.tools import require
from tests.tools.certificates import Authority
from tests.tools.kafka import USER, start_kafka
from tests.tools.servers import PASSWORD
from tests.tracked import ROOT


def await_doctor(config):
    """Wait for the doctor to say that a broker answers; on a machine with much to do, it may be too slow for him."""
    wait_for(lambda: any("1 broker of cluster" in check.found for check in examine(config).checks))


def test_tls_passwords_certificates_and_a_broker_of_the_classic_protocol(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_SELF", 3600.0)
    authority = Authority(tmp_path / "authority")
    protocols = {"group_coordinator_rebalance_protocols": "classic"}
    tls = {"tls": True, "ca": "authority/ca.crt"}
    login = tls | {"mechanism": "PLAIN", "user": USER, "password": PASSWORD}
    with start_kafka(secured=authority, **protocols) as broker:
        place = KafkaPlace(tmp_path, broker, kafka=login)
        first = place.config
        await_doctor(first)
        plan = place.plan()
        with place.workers(1) as workers:
            listening(workers)
            assert workers[0]._queue._listener._protocol == "classic"
            place.engine().submit(plan)
            judge(place, plan, place.follow())
            wait_for(lambda: place.lag("first") == place.lag("second") == 0)
        assert_refused(KafkaPlace(tmp_path, broker, kafka=login | {"password": "not-this-one"}).config)

        # SCRAM is what a configuration means that names no mechanism.
        broker.let_in("scans", "by-scram")
        login = tls | {"user": "scans", "password": "by-scram"}
        assert_used(KafkaPlace(tmp_path, broker, kafka=login), "scram")
        assert_refused(KafkaPlace(tmp_path, broker, kafka=login | {"password": "not-this-one"}).config)

        authority.sign("worker")
        certified = tls | {"servers": broker.for_certificates}
        files = {"certificate": "authority/worker.crt", "key": "authority/worker.key"}
        assert_used(KafkaPlace(tmp_path, broker, kafka=certified | files), "certificate")
        with pytest.raises(BrokerError):
            kafka.look(KafkaPlace(tmp_path, broker, kafka=certified).config)
    with pytest.raises(BrokerGoneError, match=broker.server):
        kafka.look(first)


def assert_used(place, run):
    """Messages are sent, and the lag is read."""
    with place.queue() as queue:
        queue.hand_over(order(run, targets="ab", scans=("first",)))
        wait_for(lambda: place.lag() == 2)


def assert_refused(config):
    """And the password is in no message."""
    with pytest.raises(BrokerError) as refused:
        kafka.look(config)
    assert "not-this-one" not in f"{refused.value} {config!r}"


def test_make_queue_prints_what_the_doctor_accepts_and_leaves_nothing_when_it_ends(tmp_path):
    for tool in ("java", "kafka", "mvn"):
        require(tool)
    # What it stands on is there, in the environment of the tests.
    command = ["make", "--no-print-directory", f"--old-file={sys.prefix}/.installed", f"VENV={sys.prefix}", "queue"]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    environment["TMPDIR"] = str(tmp_path)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as make:
        printed = ""
        while not printed.endswith("\n\n") or "servers:" not in printed:
            line = make.stdout.readline()
            assert line, printed
            printed += line
        own = {"volume": {"path": str(tmp_path / "volume")}, "store": {"url": f"sqlite:///{tmp_path}/queue.sqlite3"}}
        (tmp_path / "config.yaml").write_text(printed[printed.index("engine:") :] + yaml.safe_dump(own))
        await_doctor(load_config(tmp_path / "config.yaml", environment={}))
        started = psutil.Process(make.pid).children(recursive=True)
        make.terminate()
    assert len(started) >= 2
    assert psutil.wait_procs(started, timeout=60)[1] == []
    assert not list(tmp_path.glob("kafka-*"))


@pytest.mark.campaign
def test_the_disk_of_a_broker_is_full(tmp_path, monkeypatch, caplog):
    """It ends, and a run does not; when there is room and it has been started again, its lag is what waits."""
    if os.geteuid():
        pytest.skip("only root mounts a small disk")
    for name, value in {"_SEND": 1.0, "_LATER": 0, "_REPAIR": 0, "_YOUNG": -1}.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(topics_module, "_PATIENCE", 1.0)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk], check=True)
    try:
        with start_kafka(within=disk) as broker:
            place = KafkaPlace(tmp_path, broker)
            with closing(Topics.of(place.config)) as topics:
                topics.make_sure(["first", "second"])
            fill(disk / "much")
            plan = place.plan()
            with place.workers(1):
                place.engine().submit(plan)
                judge(place, plan, place.follow())
            assert broker.server in caplog.text
            (disk / "much").unlink()
            broker.kill()
            broker.start()
            place.engine().submit(place.plan("r2"))
            with place.queue() as queue:
                wait_for(lambda: queue.sweep(lease=60, most_attempts=3) and place.lag("first") >= len(plan.targets))
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(file):
    """Take all that is left of a disk."""
    with file.open("wb", buffering=0) as opened, suppress(OSError):
        while True:
            opened.write(bytes(4096))
