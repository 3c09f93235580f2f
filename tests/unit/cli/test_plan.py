"""`scanmatrix plan`: the figures of the way a plan will run, whichever engine that is."""

from pathlib import Path

import msgspec
import pytest
import yaml

from orchestrator.cli.matrix import plan
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.plan_tables import budget_line, print_plan
from orchestrator.cli.render import render
from orchestrator.errors import UsageError
from orchestrator.model import BomSource, Budget
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
        (
            Budget(cells=3, matched=2, saved_images=1, saved_bytes=3 * 1024**3),
            (),
            "; 2 cells from stored SBOMs, 1 image (3.0 GiB) not pulled",
        ),
    ],
)
def test_what_runs_together_and_takes_room_is_said(budget, waves, told):
    assert told in budget_line(msgspec.structs.replace(small_plan(*waves), budget=budget))


def test_a_cell_that_reads_a_stored_sbom_has_its_letter_and_any_other_that_could_its_reason(capsys):
    made = small_plan(("a",), ("b",))
    source = BomSource(bom=f"sha256:{'0' * 64}", made="2026-01-01T00:00:00Z", cataloguer="syft 1.42.3")
    first, second, *others = made.cells
    changed = (
        msgspec.structs.replace(first, source=source),
        msgspec.structs.replace(second, unmatched="no SBOM of it is stored yet"),
    )
    print_plan(msgspec.structs.replace(made, cells=(*changed, *others)))
    shown = capsys.readouterr().out
    assert "b reads a stored SBOM" in shown
    assert "the image itself: no SBOM of it is stored yet" in shown
