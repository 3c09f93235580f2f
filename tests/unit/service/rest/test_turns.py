"""Turns: what waits for what, and for how long."""

import threading
import time

import anyio
import pytest
from pydantic import SecretStr

from orchestrator.service.rest.problems import BusyError
from orchestrator.service.rest.settings import ServeSettings
from orchestrator.service.rest.state import serving
from orchestrator.store.documents import StoreSlowError
from tests.served import configured, run_async

#: Where nobody listens.
GONE = "postgresql://ann:geheim@127.0.0.1:1/x"


def test_questions_are_answered_while_plans_wait_for_a_registry(config):
    release = threading.Event()

    async def ask(state):
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(state.do, release.wait, 20)
            await anyio.sleep(0.05)
            try:
                with anyio.fail_after(10):
                    return await state.ask(state.store.check)
            finally:
                release.set()

    with serving(config, ServeSettings(questions=1, works=1)) as state:
        state.kept.refresh()
        run_async(ask, state)


def test_waiting_for_its_turn_is_part_of_a_question_s_time(config):
    async def ask(state):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(state.ask, time.sleep, 0.6)
            await anyio.sleep(0.05)
            with pytest.raises(StoreSlowError):
                await state.ask(state.store.check)

    with serving(config, ServeSettings(questions=1, query_seconds=0.3)) as state:
        state.kept.refresh()
        run_async(ask, state)


def test_a_store_that_cannot_be_filled_says_why(volume):
    async def ask(state):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(state.keep_filled)
            with anyio.fail_after(30):
                while True:
                    with pytest.raises(BusyError) as error:
                        await state.ask(state.store.check)
                    if "has just started" not in str(error.value):
                        break
                    await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()
        return str(error.value)

    config = configured(volume)
    config = config.model_copy(update={"store": config.store.model_copy(update={"url": SecretStr(GONE)})})
    with serving(config, ServeSettings(refresh_seconds=0.1)) as state:
        told = run_async(ask, state)
    assert "the database does not answer" in told
    assert "geheim" not in told
