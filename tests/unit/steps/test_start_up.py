"""A pod's step imports what it needs: each pod of a run starts it, and there are thousands."""

import gc
import subprocess
import sys

import pytest

from orchestrator.steps import __main__

#: What takes long to import, and what only the plan and the people's commands need.
HEAVY = {
    "alembic", "asyncio", "boto3", "botocore", "cyclonedx", "hera", "jinja2", "jsonschema_rs", "kubernetes",
    "multiprocessing", "numpy", "packageurl", "pandas", "pyarrow", "pydantic", "rich", "sqlalchemy", "typer",
    "typing_extensions", "univers", "xml",
    "orchestrator.api", "orchestrator.catalog.loading", "orchestrator.config.loading", "orchestrator.engines",
    "orchestrator.inventory", "orchestrator.planning.matrix", "orchestrator.store", "orchestrator.workflows",
}  # fmt: skip
#: What only those need that read registries or git hosts.
NETWORK = {
    "email",
    "ssl",
    "subprocess",
    "tenacity",
    "urllib3",
    "orchestrator.git.command",
    "orchestrator.net.transport",
}
YAML = {"yaml"}
STEPS = {
    "orchestrator.steps.__main__": HEAVY | NETWORK | YAML,
    "orchestrator.steps.pull": (HEAVY | NETWORK | YAML)
    - {"email", "ssl", "tenacity", "urllib3"}
    - {"orchestrator.net.transport"},
    "orchestrator.steps.stage": HEAVY | NETWORK | YAML,
    "orchestrator.steps.aggregate": HEAVY | NETWORK | YAML,
    "orchestrator.analysis.pipeline": (HEAVY | NETWORK | YAML) - {"packageurl", "univers"},  # what it merges by
    "orchestrator.steps.check": (HEAVY | NETWORK | YAML) - {"email"},  # its own version, by importlib.metadata
    "orchestrator.steps.refresh": HEAVY | NETWORK | YAML,
    "orchestrator.steps.settle": HEAVY | NETWORK | YAML,
    "orchestrator.argo.binding": HEAVY | NETWORK | YAML,
    "orchestrator.upkeep.databases": HEAVY | NETWORK | YAML,
    "orchestrator.upkeep.left": HEAVY | NETWORK | YAML,
    "orchestrator.upkeep.links": HEAVY | NETWORK | YAML,
    "orchestrator.upkeep.plans": HEAVY | NETWORK | YAML,
    "orchestrator.upkeep.unpulled": HEAVY | NETWORK | YAML,
    "orchestrator.argo.log_archive": HEAVY | NETWORK | YAML,
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_imports_only_what_it_needs(step: str) -> None:
    code = f"import orchestrator.steps, {step}, sys; print(*sys.modules)"  # a pod comes in through `steps`
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert step in loaded
    assert STEPS[step].isdisjoint(loaded), STEPS[step] & set(loaded)


def test_what_a_step_leaves_out_is_there_for_those_who_want_it() -> None:
    """Steps also run inside other people's programs."""
    code = (
        "import orchestrator.steps.pull, msgspec, typing, typing_extensions as t; print(t.Required is typing.Required)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "True\n"


def test_the_process_of_a_step_ends_as_the_step_does(monkeypatch: pytest.MonkeyPatch) -> None:
    before = gc.get_threshold()
    monkeypatch.setattr(__main__, "main", lambda: 75)
    try:
        assert __main__.program() == 75
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_what_is_heavy_is_called_as_it_is_imported() -> None:
    """A name that nobody could import would forbid nothing."""
    from importlib.util import find_spec  # noqa: PLC0415

    assert [name for name in HEAVY | NETWORK | YAML if find_spec(name) is None] == []
