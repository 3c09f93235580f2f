"""The calls that run, follow and end runs for asyncio; see `orchestrator.api.aio`."""

from orchestrator.api.aio import *  # noqa: F403
