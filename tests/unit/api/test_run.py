"""Which cell is meant by what a person types, and runs that nobody works on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.api import run as run_api
from orchestrator.config.loading import Config, load_config
from orchestrator.errors import UsageError
from orchestrator.model import CellStatus, RunStatus

STATUS = RunStatus(
    run="r",
    state="running",
    cells=(
        CellStatus(target="abc1", scan="virus", reference="docker.io/library/ubuntu:20.04"),
        CellStatus(target="abc2", scan="virus", reference="docker.io/library/ubuntu:22.04"),
        CellStatus(target="abc2", scan="secrets", reference="docker.io/library/ubuntu:22.04"),
    ),
)


@pytest.mark.parametrize("typed", ["abc1", "docker.io/library/ubuntu:20.04", "ubuntu:20.04"])
def test_a_cell_is_found_by_its_target_or_a_name_of_its_image(typed: str) -> None:
    assert run_api._find_cell(STATUS, typed, "virus") == "abc1"


@pytest.mark.parametrize(
    ("typed", "scan"), [("ubuntu", "virus"), ("abc", "virus"), ("alpine", "virus"), ("", "virus"), ("abc1", "secrets")]
)
def test_what_means_several_cells_or_none_is_refused(typed: str, scan: str) -> None:
    with pytest.raises(UsageError):
        run_api._find_cell(STATUS, typed, scan)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    path = tmp_path / "scanmatrix.yaml"
    path.write_text(f"targets: [{{csv: {{path: targets.csv}}}}]\nvolume:\n  path: {tmp_path / 'volume'}\n")
    return load_config(path, environment={})


@pytest.mark.parametrize("call", [run_api.delete, run_api.fetch])
def test_what_only_a_cluster_can_do_is_refused_for_local_runs(config: Config, call: Callable) -> None:
    assert config.engine == "local"
    with pytest.raises(UsageError, match="engine"):
        call(config, "r")


def test_a_run_that_nobody_works_on_cannot_be_cancelled(config: Config) -> None:
    with pytest.raises(UsageError, match="not running"):
        run_api.cancel(config, "r")
