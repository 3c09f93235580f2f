"""The calls for asyncio: any number at a time, and one that is cancelled keeps nobody waiting."""

import asyncio
import inspect
import pickle
import subprocess
import sys

import pytest

from orchestrator import engines
from orchestrator.api import aio
from orchestrator.api import run as run_api
from orchestrator.config.loading import Config, default_config
from tests.aggregation import make_plan

#: An engine whose runs, and statuses after the first, come when `DONE` is set.
WAITING = """
import threading
from orchestrator.engines.interface import Interrupted
from orchestrator.planning.venue import HERE as venue

remote = {remote}
DONE, BEGUN, SEEN = threading.Event(), threading.Semaphore(0), []

def make(config, *, mounted):
    return Waiting()

class Waiting:
    def __init__(self):
        self.asked = threading.Event()

    def run(self, plan, observer):
        BEGUN.release()
        while not DONE.is_set():
            if self.asked.wait(0.01):
                SEEN.append("interrupted")
                raise Interrupted(plan.run)
        SEEN.append("ended")

    def interrupt(self):
        self.asked.set()

    def follow(self, run):
        try:
            yield "first"
            BEGUN.release()
            DONE.wait()
            yield "last"
        finally:
            SEEN.append("closed")

    def finish_left(self):
        return ()

    def status(self, run):
        return run
"""


@pytest.fixture
def waiting(tmp_path, monkeypatch):
    """Makes the engine, and gives its module."""

    def make(*, remote: bool):
        folder = tmp_path / "engines" / "waiting"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(WAITING.format(remote=remote))
        monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(folder.parent)])
        return __import__("orchestrator.engines.waiting", fromlist=["DONE"])

    yield make
    if (made := sys.modules.pop("orchestrator.engines.waiting", None)) is not None:
        made.DONE.set()
        del engines.waiting


def settings() -> Config:
    return default_config(environment={}, engine="waiting")


async def cancel(running: asyncio.Task) -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def something_seen(engine) -> None:
    while not engine.SEEN:
        await asyncio.sleep(0.01)


def test_more_runs_than_any_pool_has_threads_are_followed_and_others_still_answered(waiting):
    engine = waiting(remote=True)

    async def follow() -> list:
        return [each async for each in aio.follow(settings(), "r")]

    async def all_of_it() -> None:
        following = [asyncio.create_task(follow()) for _ in range(50)]
        for _ in following:
            await asyncio.to_thread(engine.BEGUN.acquire)
        assert await asyncio.wait_for(aio.status(settings(), "other"), 20) == "other"
        engine.DONE.set()
        assert await asyncio.gather(*following) == [["first", "last"]] * 50

    asyncio.run(all_of_it())


def test_a_cancelled_run_of_this_process_is_interrupted_and_has_ended(waiting):
    engine = waiting(remote=False)

    async def all_of_it() -> None:
        running = asyncio.create_task(aio.run(make_plan(), settings()))
        await asyncio.to_thread(engine.BEGUN.acquire)
        await cancel(running)
        assert engine.SEEN == ["interrupted"]

    asyncio.run(all_of_it())


def test_one_that_is_cancelled_before_its_engine_is_there_is_interrupted_then(waiting, monkeypatch):
    engine = waiting(remote=False)
    made, go_on = engine.threading.Event(), engine.threading.Event()
    build = engine.make

    def slow(config, *, mounted):
        made.set()
        go_on.wait()
        return build(config, mounted=mounted)

    monkeypatch.setattr(engine, "make", slow)

    async def all_of_it() -> None:
        running = asyncio.create_task(aio.run(make_plan(), settings()))
        await asyncio.to_thread(made.wait)
        await cancel(running)
        go_on.set()
        await asyncio.to_thread(engine.BEGUN.acquire)
        await something_seen(engine)

    asyncio.run(all_of_it())
    assert engine.SEEN == ["interrupted"]


def test_a_cancelled_run_elsewhere_continues(waiting):
    engine = waiting(remote=True)

    async def all_of_it() -> None:
        running = asyncio.create_task(aio.run(make_plan(), settings()))
        await asyncio.to_thread(engine.BEGUN.acquire)
        await cancel(running)
        assert engine.SEEN == []
        engine.DONE.set()
        await something_seen(engine)

    asyncio.run(all_of_it())
    assert engine.SEEN == ["ended"]


def test_a_stream_that_is_left_is_closed(waiting):
    engine = waiting(remote=True)

    async def all_of_it() -> None:
        stream = aio.follow(settings(), "r")
        async for each in stream:
            assert each == "first"
            break
        await stream.aclose()
        assert engine.SEEN == ["closed"]

    asyncio.run(all_of_it())


def test_the_process_ends_though_a_thread_still_waits(tmp_path):
    folder = tmp_path / "engines" / "waiting"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(WAITING.format(remote=True))
    code = f"""
import asyncio
from orchestrator import aio, engines, load_config
engines.__path__.append({str(folder.parent)!r})
config = load_config(references=["a:1"]).model_copy(update={{"engine": "waiting"}})
async def main():
    try:
        async with asyncio.timeout(60) as limit:
            async for each in aio.follow(config, "r"):
                print(each)
                limit.reschedule(asyncio.get_running_loop().time() + 0.2)
    except TimeoutError:
        print("left")
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (b"first\nleft\n", b"")


@pytest.mark.parametrize("name", aio.__all__)
def test_a_call_is_that_of_the_same_name_in_all_but_the_waiting(name):
    derived, call = getattr(aio, name), getattr(run_api, name)
    assert inspect.signature(derived) == inspect.signature(call)
    assert inspect.getdoc(derived) == inspect.getdoc(call)
    assert inspect.isasyncgenfunction(derived) == (name in {"follow", "logs"})
    assert inspect.iscoroutinefunction(derived) == (name not in {"follow", "logs"})
    assert pickle.loads(pickle.dumps(derived)) is derived
