"""The campaign's table for runs in the cluster, in both layouts.

`CAMPAIGN_KILLS` says how many SIGKILLs there are, `CAMPAIGN_LAYOUTS` which layouts (`cell image`), and the regular
expression `CAMPAIGN_FAULTS` which faults.
"""

import logging
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import pytest

import orchestrator
from orchestrator.model import Plan
from orchestrator.results.ledger import read_ledger
from orchestrator.results.provisional import LEDGER
from tests.campaign import clock, cluster_bench, cluster_faults, cluster_storage
from tests.campaign.cluster_bench import BAD, IMAGES, ClusterBench, ClusterTrial
from tests.campaign.cluster_faults import LOST
from tests.campaign.expected import UNDISTURBED, Expected
from tests.campaign.judge import judge
from tests.campaign.outcome import Outcomes, outcomes_of
from tests.campaign.scanners import FAULTS, GOOD
from tests.campaign.table import Tell, in_words
from tests.cluster import faults
from tests.cluster.state import State
from tests.e2e import quick
from tests.e2e.site import Site, await_, make_site
from tests.tools.upstream import Upstream

pytestmark = [pytest.mark.alone, pytest.mark.campaign]
SEED = int(os.environ.get("CAMPAIGN_SEED", "0")) or time.time_ns() % 10**9
KILLS = int(os.environ.get("CAMPAIGN_KILLS", "10"))
LAYOUTS = os.environ.get("CAMPAIGN_LAYOUTS", "cell image").split()
AT_ONCE = 4
#: Containers of each run that are killed at random.
OF_EACH = 3
_PLANNING, _REAPING = threading.Lock(), threading.Lock()
_log = logging.getLogger(__name__)
ONLY = re.compile(os.environ.get("CAMPAIGN_FAULTS", ""))
TRIALS = [each for each in cluster_faults.TRIALS + cluster_storage.TRIALS if ONLY.search(each.fault)]


@dataclass(frozen=True)
class Ground:
    """An installation, and what an undisturbed run finds there."""

    site: Site
    layout: str
    undisturbed: Outcomes


def start(site: Site, run: str, images: tuple[str, ...], scans: tuple[str, ...]) -> Plan:
    plan = quick.plan(site, run, images, scans)
    orchestrator.submit(plan, site.config)
    return plan


@pytest.fixture(scope="module")
def grounds(state: State, upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ground]]:
    """One of each layout."""
    quick.push(upstream, *IMAGES, *map(cluster_bench.image_for, (*BAD, cluster_bench.DATED)), size=50_000)
    made = [make_ground(state, upstream, layout, tmp_path_factory.mktemp(layout)) for layout in LAYOUTS]
    with ExitStack() as stack:
        with ThreadPoolExecutor() as pool:
            found = list(pool.map(stack.enter_context, made))
        yield found


@contextmanager
def make_ground(state: State, upstream: Upstream, layout: str, folder: Path) -> Iterator[Ground]:
    name = f"e2e-campaign-{layout}"
    with (
        faults.small_volume(state, name, 400_000_000) as storage,
        make_site(folder, name, upstream, **cluster_bench.installed(layout), storage=storage) as site,
    ):
        plan = start(site, "undisturbed", IMAGES, GOOD)
        assert site.wait(plan.run) == "Succeeded"
        assert judge(site.volume, plan, UNDISTURBED) == []
        yield Ground(site, layout, outcomes_of(site.volume, plan.run))


def wait_out(site: Site, run: str, *, gone: bool) -> None:
    """Until nothing of a run is active."""
    if not gone:
        site.wait(run)
    listed = ("get", "pods", "-l", f"scanmatrix/run={run}", "--field-selector=status.phase=Running", "-o", "name")
    await_(lambda: not site.kubectl(*listed).split(), 120, f"the last pods of {run} to end")


@pytest.mark.parametrize("trial", [each for each in TRIALS if each.alone], ids=lambda trial: trial.fault)
def test_a_fault(grounds: list[Ground], state: State, tell: Tell, trial: ClusterTrial) -> None:
    """One that disturbs others; in both layouts at the same time, and struck once where it is about the cluster."""
    shared = replace(trial, strike=once(trial.strike, len(grounds))) if trial.wide else trial
    in_each(grounds, tell, {shared: lambda ground: undergo(ground, state, shared)})


def once(strike: Callable[[ClusterBench], None], several: int) -> Callable[[ClusterBench], None]:
    """What is done for several runs at the same time: by one of them, when all scan."""
    barrier = threading.Barrier(several)

    def struck(bench: ClusterBench) -> None:
        try:
            bench.scanning()
            if barrier.wait(300) == 0:
                strike(bench)
            barrier.wait(300)
        except BaseException:
            barrier.abort()
            raise

    return struck


def in_each(
    grounds: list[Ground], tell: Tell, trials: Mapping[ClusterTrial, Callable[[Ground], str]], *, at_once: int = 2
) -> None:
    """Tell the outcomes of trials in every layout; one that went wrong costs no other."""
    wrong = {}
    with ThreadPoolExecutor(at_once) as pool:
        several = [(each.fault, ground, pool.submit(do, ground)) for each, do in trials.items() for ground in grounds]
        for fault, ground, result in several:
            try:
                outcome = result.result()
            except Exception as error:  # noqa: BLE001 - the others are judged as well
                _log.exception("%s in %s", fault, ground.layout)
                outcome = wrong[fault, ground.layout] = f"WRONG: {type(error).__name__}: {error}"
            tell(fault, ground.layout, outcome)
    assert wrong == {}


def test_faults_beside_each_other(grounds: list[Ground], state: State, tell: Tell) -> None:
    """Those that disturb nobody but their own run."""
    trials = {each: partial(undergo, state=state, trial=each) for each in TRIALS if not each.alone}
    in_each(grounds, tell, trials, at_once=AT_ONCE)


def undergo(ground: Ground, state: State, trial: ClusterTrial) -> str:
    """A run, what is done to it, and its judgement; how it ended, in words."""
    site = ground.site
    run = re.sub(r"[^a-z0-9]+", "-", f"{trial.fault}-{ground.layout}".lower())
    bench = ClusterBench(site, state, ground.layout, trial.images)
    if trial.sizes:
        bench.images = tuple(f"{run}-{number}" for number in range(len(trial.sizes)))
        bench.layers = tuple(
            quick.push(site.upstream, image, size=size)[0]
            for image, size in zip(bench.images, trial.sizes, strict=True)
        )
    same = ground.undisturbed if (bench.images, trial.scans) == (IMAGES, GOOD) else None
    with _PLANNING:  # it writes the one list of targets
        plan = quick.plan(site, run, bench.images, trial.scans)
    with trial.during(bench):
        with trial.around(bench):
            bench.run = orchestrator.submit(plan, site.config)
            trial.strike(bench)
        wait_out(site, run, gone=trial.fault == "Workflow deleted")
        if trial.reaped:
            cluster_bench.reap(site)
    assert judge(site.volume, plan, trial.expected, same, alone=False) == []
    outcome = in_words(read_ledger(site.volume, run))
    if "failed" in outcome:
        with trial.again(bench):
            cluster_bench.retry(site, run)
        assert judge(site.volume, plan, UNDISTURBED, same, alone=False) == []
        outcome += f"; again: {in_words(read_ledger(site.volume, run))}"
    return outcome


def test_clock_stepping(grounds: list[Ground], state: State, upstream: Upstream, tmp_path: Path, tell: Tell) -> None:
    """In each process of ours and of the scanners; the cluster itself has the one clock of this machine."""
    clock.import_image(state)
    trial = ClusterTrial("clock stepping")

    def with_clock(ground: Ground) -> str:
        kept = cluster_bench.installed(ground.layout, image=clock.IMAGE, scanner=clock.IMAGE)
        folder = tmp_path / ground.layout
        folder.mkdir()
        with make_site(folder, f"e2e-clock-{ground.layout}", upstream, **kept) as site:
            return undergo(replace(ground, site=site), state, trial)

    in_each(grounds, tell, {trial: with_clock})


def test_bad_scanners(grounds: list[Ground], tell: Tell) -> None:
    """Each in a run of its own, all of them beside each other."""
    several = [
        (scan, ground, start(ground.site, f"{scan}-{ground.layout}", (cluster_bench.image_for(scan),), ("finds", scan)))
        for scan in BAD
        if ONLY.search(FAULTS[scan])
        for ground in grounds
    ]
    wrong = {}
    for scan, ground, plan in several:
        wait_out(ground.site, plan.run, gone=False)
        reason = BAD[scan]
        expected = Expected(f"*/{scan}", must_fail=True, reasons=(reason,)) if reason else UNDISTURBED
        said = judge(ground.site.volume, plan, expected, alone=False)
        outcome = in_words(read_ledger(ground.site.volume, plan.run))
        tell(FAULTS[scan], ground.layout, f"{outcome} WRONG: {said}" if said else outcome)
        if said:
            wrong[scan, ground.layout] = said
    assert wrong == {}


def test_sigkill_at_random(grounds: list[Ground], state: State, tell: Tell) -> None:
    """Some runs beside each other; random containers of each die at random moments."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(grounds)) as pool:
        found = list(pool.map(lambda ground: kill_all(ground, state), grounds))
    seconds = time.monotonic() - began
    for ground, several in zip(grounds, found, strict=True):
        bad = sum(1 for each in several if each.wrong)
        kills = sum(len(each.killed) for each in several)
        words = f"{kills} in {len(several)} runs, of which {len(several) - bad} are whole (seed {SEED})"
        _log.warning("%s: %s, %.1f s for each", ground.layout, words, seconds / max(kills, 1))
        tell("SIGKILL of containers", ground.layout, words)
    assert [each for several in found for each in several if each.wrong] == [], f"seed {SEED}"


@dataclass(frozen=True)
class Struck:
    """A run, the pods of which a container was killed, and what is wrong with it."""

    run: str
    killed: list[str]
    wrong: list[str]


def kill_all(ground: Ground, state: State) -> list[Struck]:
    """Runs, some at a time and each of these one after the other, until enough containers were killed."""
    found: list[Struck] = []

    def go_on(worker: int) -> None:
        chance = random.Random(f"{SEED} {ground.layout} {worker}")
        for number in count():
            if sum(len(each.killed) for each in found) >= KILLS:
                return
            found.append(kill_one(ground, state, chance, f"kill-{ground.layout}-{worker}-{number}"))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(go_on, range(AT_ONCE)))
    return found


def kill_one(ground: Ground, state: State, chance: random.Random, run: str) -> Struck:
    """A run with as many kills as there is time for."""
    site, bench = ground.site, ClusterBench(ground.site, state, ground.layout, run=run)
    with _PLANNING:
        plan = start(site, run, IMAGES[:1], GOOD)
    stages = cluster_faults.STAGES[ground.layout]
    chosen = chance.choices(range(len(stages)), list(stages.values()), k=OF_EACH)
    tried = [cluster_faults.kill_anything(bench, chance, list(stages)[each]) for each in sorted(chosen)]
    killed = [pod for pod in tried if pod]
    wait_out(site, run, gone=False)
    with _REAPING:
        if not (site.volume.results(run) / LEDGER).exists():
            cluster_bench.reap(site)
    said = judge(site.volume, plan, LOST, part_of(ground.undisturbed, plan), alone=False)
    _log.info("%s: %s: %s", run, killed, said or "whole")
    return Struck(run, killed, said)


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
