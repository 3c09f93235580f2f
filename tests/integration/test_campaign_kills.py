"""SIGKILL at random places of a run of the local engine, and at any change that it makes to the volume.

The seed is printed; `CAMPAIGN_SEED` and `CAMPAIGN_KILLS` choose another one, and how many.
"""

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.campaign.local_bench import Undisturbed, cut_and_resume, cuts, images, run_undisturbed, scans
from tests.campaign.scanners import GOOD
from tests.campaign.table import Tell
from tests.integration.engine import plan_of

FEW, MANY = 4, 200
SEED = int(os.environ.get("CAMPAIGN_SEED", "0")) or time.time_ns() % 10**9


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    folder = tmp_path_factory.mktemp("undisturbed")
    return run_undisturbed(plan_of(folder, images()[:2], scans(*GOOD)), folder / "volume")


@pytest.mark.parametrize("number", [FEW, pytest.param(MANY, marks=pytest.mark.campaign)])
def test_a_run_that_is_killed_at_a_random_place_and_resumed_is_a_run(
    undisturbed: Undisturbed, tmp_path: Path, tell: Tell, number: int
) -> None:
    number = int(os.environ.get("CAMPAIGN_KILLS", number))
    print(f"seed {SEED}: {number} kills over {undisturbed.seconds:.2f} s and {undisturbed.points} changes")  # noqa: T201
    bad = {}
    for place, cut in enumerate(cuts(SEED, number, undisturbed, sandboxes=["off", "auto"])):
        said = cut_and_resume(undisturbed, cut, tmp_path / str(place))
        print(f"{place + 1}: {cut}: {said or 'whole'}", flush=True)  # noqa: T201
        if said:
            bad[str(cut)] = said
        else:
            shutil.rmtree(tmp_path / str(place))
    tell(f"SIGKILL at {number} places", "local", f"{number - len(bad)} of {number} resumed whole (seed {SEED})")
    assert bad == {}, f"seed {SEED}"
