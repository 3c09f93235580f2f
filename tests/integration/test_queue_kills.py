"""Workers and the database of the queue are killed at random moments: no cell is lost, and none is counted twice."""

import os
import random
import signal
import threading
import time
from collections import Counter
from contextlib import suppress

import psutil
import pytest

from orchestrator.engines.interface import Silent
from orchestrator.model import Outcome
from tests.integration.engine import is_running, wait_for
from tests.integration.queue_place import QueuePlace
from tests.store_servers import server, url  # noqa: F401
from tests.tools.postgres import start_postgres

SEED = int(os.environ.get("CAMPAIGN_SEED", "20"))
KILLS = int(os.environ.get("CAMPAIGN_KILLS", "50"))


def judge(place, plan, ledger):
    """Each cell once in the ledger, ended well, and nothing left of those that were killed."""
    assert Counter((row.target, row.scan) for row in ledger.rows) == Counter(
        (cell.target, cell.scan) for cell in plan.cells
    )
    assert {(row.outcome, row.reason) for row in ledger.rows} == {(Outcome.OK, "")}
    assert set(place.begun()) == {f"{cell.target} {cell.scan}" for cell in plan.cells}
    assert not list(place.volume.run(plan.run).glob("*/*/attempt-*"))
    assert not list(place.volume.run(plan.run).glob("*/*/image.tar"))
    assert not list((place.volume.root / "running").iterdir())
    assert place.engine().status(plan.run).state == "succeeded"


def test_the_database_is_away_for_a_while(tmp_path, server, url):  # noqa: F811
    place = QueuePlace(tmp_path, images=3, url=url, scans={"first": "time.sleep(1)", "second": "pass"})
    plan, ledgers = place.plan(), []
    following = threading.Thread(target=lambda: ledgers.append(place.engine().run(plan, Silent())), daemon=True)
    with place.workers(2):
        following.start()
        wait_for(place.begun)
        server.kill()
        time.sleep(4)  # longer than a lease, and a half
        server.start()
        following.join(300)
    judge(place, plan, *ledgers)
    # Nobody lost a cell: those that were at work when the database went said so when it was back.
    assert max(Counter(place.begun()).values()) == 1


def kills(place, server, number, broker=None):  # noqa: F811
    """Kill workers, the database, and with a broker that and scanners: each as often as the others."""
    chance, plan = random.Random(SEED), place.plan()
    engine = place.engine()
    engine.submit(plan)
    workers = [place.start_worker("--scan=first") for _ in range(2)]

    def worker():
        victim = chance.randrange(len(workers))
        os.kill(workers[victim].pid, signal.SIGKILL)
        workers[victim].wait(60)
        workers[victim].stderr.close()
        workers[victim] = place.start_worker("--scan=first")

    def restart(what):
        what.kill()
        time.sleep(chance.uniform(0, 2))
        what.start()

    def scanner():
        with suppress(psutil.Error):
            for process in psutil.Process(chance.choice(workers).pid).children(recursive=True):
                if not process.children():
                    process.kill()

    kinds = [worker, worker, lambda: restart(server)] + ([lambda: restart(broker), scanner] if broker else [])
    strikes = [kinds[place % len(kinds)] for place in range(number)]
    chance.shuffle(strikes)
    for strike in strikes:
        time.sleep(chance.uniform(0.5, 3))
        strike()
    try:
        wait_for(lambda: engine.finish_left() or engine.status("r1").ended, seconds=240)
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait(300)
            worker.stderr.close()
    assert not any(is_running(worker.pid) for worker in workers)
    judge(place, plan, engine.fetch("r1"))


def test_workers_and_the_database_are_killed(tmp_path):
    with start_postgres("127.0.0.1") as server:  # noqa: F811
        queue = {"lease": "2s", "attempts": 10}
        place = QueuePlace(
            tmp_path, images=4, url=server.create("queue"), scans={"first": "time.sleep(0.3)"}, queue=queue
        )
        kills(place, server, 3)


@pytest.mark.campaign
def test_workers_and_the_database_are_killed_often(tmp_path):
    with start_postgres("127.0.0.1") as server:  # noqa: F811
        queue = {"lease": "2s", "attempts": 10}
        place = QueuePlace(
            tmp_path, images=120, url=server.create("queue"), scans={"first": "time.sleep(0.3)"}, queue=queue
        )
        kills(place, server, KILLS)
