"""`scanmatrix plan`: the figures of the way a plan will run, whichever engine that is."""

from pathlib import Path

import msgspec
import pytest
import yaml

from orchestrator.cli.matrix import plan
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.plan_tables import budget_line
from orchestrator.cli.render import render
from orchestrator.errors import UsageError
from orchestrator.model import Budget
from orchestrator.workflows import ManifestKind
from tests.unit.steps.plans import plan as small_plan

IMAGE = f"r.example/i@sha256:{'a' * 64}"
TEMPLATE = {
    "name": "mine", "description": "d", "image": "mine:1", "format": "sarif",
    "command": ["mine", "{tarball}", "--out={report}", "--template={{.Name}}"],
}  # fmt: skip


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A scan that only the local engine can run: Argo would take its braces for its own."""
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(TEMPLATE))
    path = tmp_path / "scanmatrix.yaml"
    scans = {"templates": ["mine.yaml"], "default": ["mine"]}
    path.write_text(yaml.safe_dump({"scans": scans, "targets": [{"image": IMAGE}]}))
    return path


def test_what_only_the_local_engine_runs_is_planned_for_it(config, capsys):
    plan(config=config, offline=True)
    line = capsys.readouterr().out.splitlines()[-1]
    assert "1 of 1 cells" in line
    assert "pods" not in line


def test_the_engine_of_the_command_line_decides(config, capsys):
    plan(config=config, offline=True, engine="argo")
    assert "4 pods, a Workflow of" in capsys.readouterr().out.replace("\n", " ")
    plan(config=config, offline=True, engine="argo", output=OutputFormat.JSON)
    assert msgspec.json.decode(capsys.readouterr().out)["budget"]["spec_bytes"] > 0


@pytest.mark.parametrize(
    ("kind", "option"),
    [("schedule", {"scan": ["mine"]}), ("schedule", {"run_id": "mine"}), ("template", {"run_id": "mine"})],
)
def test_what_plans_in_the_cluster_takes_no_option_that_it_would_drop(config, kind, option):
    name = f"--{next(iter(option)).replace('_', '-')}"
    with pytest.raises(UsageError, match=f"--kind {kind}: .* leave out {name}"):
        render(config=config, offline=True, kind=ManifestKind(kind), **option)


@pytest.mark.parametrize(
    ("budget", "waves", "told"),
    [
        (Budget(cells=4, images=2, volume_bytes=9 * 1024**3), (("a",), ("b",)), "in 2 batches, one after the other: "),
        (Budget(cells=4, images=2, at_once=2), (("a",), ("b",), ("c",)), "in 3 batches, 2 at a time: "),
        (Budget(cells=4, images=2, at_once=1), (("a", "b"),), "on 2 targets: "),
        (Budget(volume_bytes=9 * 1024**3), (), "9.0 GiB on the volume"),
    ],
)
def test_what_runs_together_and_takes_room_is_said(budget, waves, told):
    assert told in budget_line(msgspec.structs.replace(small_plan(*waves), budget=budget))
