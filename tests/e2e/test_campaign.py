"""The campaign's table for runs in the cluster, in both layouts; `CAMPAIGN_KILLS` says how many SIGKILLs there are."""

import os
import random
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import pytest

import orchestrator
from orchestrator.model import Plan
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import LEDGER
from tests.campaign import cluster_faults
from tests.campaign.cluster_faults import BAD, IMAGES, LOST, TRIALS, ClusterBench, ClusterTrial
from tests.campaign.expected import UNDISTURBED, Expected
from tests.campaign.judge import judge
from tests.campaign.outcome import Outcomes, outcomes_of
from tests.campaign.scanners import GOOD
from tests.campaign.table import Tell, in_words
from tests.cluster.state import State
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site
from tests.tools.upstream import Upstream

pytestmark = [pytest.mark.alone, pytest.mark.campaign]
SEED = int(os.environ.get("CAMPAIGN_SEED", "0")) or time.time_ns() % 10**9
KILLS = int(os.environ.get("CAMPAIGN_KILLS", "10"))
AT_ONCE = 4
_PLANNING = threading.Lock()


@dataclass(frozen=True)
class Ground:
    """An installation, and what an undisturbed run finds there.

    Attributes:
        seconds: that it took.
    """

    site: Site
    layout: str
    undisturbed: Outcomes
    seconds: float


def start(site: Site, run: str, images: tuple[str, ...], scans: tuple[str, ...]) -> Plan:
    plan = quick.plan(site, run, images, scans)
    orchestrator.submit(plan, site.config)
    return plan


@pytest.fixture(scope="module", params=["cell", "image"])
def ground(
    request: pytest.FixtureRequest, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    layout: str = request.param
    folder = tmp_path_factory.mktemp(f"campaign-{layout}")
    quick.push(upstream, *IMAGES, *map(cluster_faults.bad_image, BAD), size=50_000)
    settings = {"layout": layout, "limits": {"imagesInFlight": 4, "deadline": "10m", "retries": 3}}
    name = f"e2e-campaign-{layout}"
    with make_site(
        folder, name, upstream, csv=cluster_faults.targets(), templates=cluster_faults.templates(), settings=settings
    ) as site:
        began = time.monotonic()
        plan = start(site, "undisturbed", IMAGES, GOOD)
        assert site.wait(plan.run) == "Succeeded"
        seconds = time.monotonic() - began
        assert judge(site.volume, plan, UNDISTURBED) == []
        yield Ground(site, layout, outcomes_of(site.volume, plan.run), seconds)


def wait_out(site: Site, run: str, *, gone: bool) -> None:
    """Until nothing of a run is active."""
    if not gone:
        site.wait(run)
    listed = ("get", "pods", "-l", f"scanmatrix/run={run}", "--field-selector=status.phase=Running", "-o", "name")
    await_(lambda: not site.kubectl(*listed).split(), 120, f"the last pods of {run} to end")


@pytest.mark.parametrize("trial", [each for each in TRIALS if each.alone], ids=lambda trial: trial.fault)
def test_a_fault(ground: Ground, state: State, tell: Tell, trial: ClusterTrial) -> None:
    """One that disturbs others."""
    tell(trial.fault, ground.layout, undergo(ground, state, trial))


def test_faults_beside_each_other(ground: Ground, state: State, tell: Tell) -> None:
    """Those that disturb nobody but their own run."""
    wrong = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        several = {each: pool.submit(undergo, ground, state, each) for each in TRIALS if not each.alone}
        for trial, result in several.items():
            try:
                outcome = result.result()
            except Exception as error:  # noqa: BLE001 - the others are judged as well
                outcome = wrong[trial.fault] = f"WRONG: {error}"
            tell(trial.fault, ground.layout, outcome)
    assert wrong == {}


def undergo(ground: Ground, state: State, trial: ClusterTrial) -> str:
    """A run, what is done to it, and its judgement; how it ended, in words."""
    site = ground.site
    run = re.sub(r"[^a-z0-9]+", "-", f"{trial.fault}-{ground.layout}".lower())
    images, same = IMAGES, ground.undisturbed
    if trial.fresh:
        images, same = tuple(f"{run}-{number}" for number in range(2)), None
        quick.push(site.upstream, *images, size=100_000)
    bench = ClusterBench(site, state, ground.layout, images)
    with _PLANNING:  # it writes the one list of targets
        plan = quick.plan(site, run, images, GOOD)
    with trial.around(bench):
        bench.run = orchestrator.submit(plan, site.config)
        trial.strike(bench)
    wait_out(site, run, gone=trial.fault == "Workflow deleted")
    for rule in bench.rules:
        rule.times = 0
    if trial.reaped:
        cluster_faults.reap(site)
    assert judge(site.volume, plan, trial.expected, same, alone=False) == []
    outcome = in_words(read_ledger(site.volume, run))
    if "failed" in outcome:
        cluster_faults.retry(site, run)
        assert judge(site.volume, plan, UNDISTURBED, same, alone=False) == []
        outcome += f"; again: {in_words(read_ledger(site.volume, run))}"
    return outcome


def test_bad_scanners(ground: Ground, tell: Tell) -> None:
    """Each in a run of its own, all of them beside each other."""
    site = ground.site
    plans = {
        scan: start(site, f"{scan}-{ground.layout}", (cluster_faults.bad_image(scan),), ("finds", scan)) for scan in BAD
    }
    wrong = {}
    for scan, plan in plans.items():
        wait_out(site, plan.run, gone=False)
        reason = BAD[scan]
        expected = Expected(f"*/{scan}", must_fail=True, reasons=(reason,)) if reason else UNDISTURBED
        said = judge(site.volume, plan, expected, alone=False)
        tell(scan, ground.layout, in_words(read_ledger(site.volume, plan.run)) + (f" WRONG: {said}" if said else ""))
        if said:
            wrong[scan] = said
    assert wrong == {}


def test_sigkill_at_random(ground: Ground, state: State, tell: Tell) -> None:
    """Some runs beside each other; a random container of each dies at a random moment."""
    site, chance = ground.site, random.Random(SEED)
    wrong, left = {}, KILLS
    while left > 0:
        batch = [f"kill-{ground.layout}-{left - number}" for number in range(min(AT_ONCE, left))]
        left -= len(batch)
        plans = {run: start(site, run, IMAGES[:1], GOOD) for run in batch}
        killed = {}
        for run in batch:
            bench = ClusterBench(site, state, ground.layout, run)
            killed[run] = cluster_faults.kill_anything(bench, chance, ground.seconds / len(batch))
        for run, plan in plans.items():
            wait_out(site, run, gone=False)
            if not (site.volume.results(run) / LEDGER).exists():
                cluster_faults.reap(site)
            said = judge(site.volume, plan, LOST, part_of(ground.undisturbed, plan), alone=False)
            if said:
                wrong[f"{run}: {killed[run]}"] = said
    tell(f"SIGKILL of {KILLS} containers", ground.layout, f"{KILLS - len(wrong)} of {KILLS} whole (seed {SEED})")
    assert wrong == {}, f"seed {SEED}"


def part_of(whole: Outcomes, plan: Plan) -> Outcomes:
    """What an undisturbed run of fewer images would have found."""
    cells, targets = {cell.id for cell in plan.cells}, {target.id for target in plan.targets}
    return replace(
        whole,
        reports={cell: value for cell, value in whole.reports.items() if cell in cells},
        findings={cell: value for cell, value in whole.findings.items() if cell in cells},
        merged={target: value for target, value in whole.merged.items() if target in targets},
        components={target: value for target, value in whole.components.items() if target in targets},
    )
