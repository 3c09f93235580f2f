"""The campaign's table for the local engine: each fault, what it does to a run, and the same run again without it."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from orchestrator.config.loading import default_config
from orchestrator.inventory import Entry
from orchestrator.model import Plan
from orchestrator.results.ledger import read_ledger
from orchestrator.upkeep.plans import read_plan
from orchestrator.volume.layout import Volume
from tests.campaign.expected import UNDISTURBED
from tests.campaign.judge import judge
from tests.campaign.local_bench import Undisturbed, images, resume, run_undisturbed, scans, start, survivors
from tests.campaign.local_faults import IMAGES, TRIALS, LocalBench, Trial
from tests.campaign.scanners import GOOD
from tests.campaign.stores import store_away
from tests.campaign.table import Tell, in_words
from tests.integration.command import scanmatrix
from tests.planned import plan_here
from tests.tools import layouts, samples
from tests.tools.proxy import Proxy
from tests.tools.receivers import webhook
from tests.tools.servers import Registry, start_registry
from tests.tools.upstream import Upstream, start_upstream

if TYPE_CHECKING:
    from tests.tools.images import Image


class Bench:
    """What all trials share: registry, cache, and what an undisturbed run of a set of scans finds."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder, self._number = stack, folder, 0
        self.images: dict[str, Image] = dict(zip(IMAGES, images(), strict=True))
        self.upstream: Upstream = stack.enter_context(start_upstream(folder / "upstream", "127.0.0.1"))
        for name, image in self.images.items():
            self.upstream.push(f"campaign/{name}:1", image)
        self.cache = self.new_cache()
        self.proxy = stack.enter_context(Proxy(self.cache.url))
        self.undisturbed: Undisturbed = run_undisturbed(self.plan(GOOD), folder / "undisturbed")

    def new_cache(self) -> Registry:
        self._number += 1
        of, credentials = self.upstream.url, self.upstream.credentials
        folder = self._folder / f"cache-{self._number}"
        return self._stack.enter_context(start_registry(folder, "cache", cache_of=of, credentials=credentials))

    def plan(self, names: tuple[str, ...]) -> Plan:
        limits = {"imagesInFlight": 2, "cellsInFlight": 2, "retries": 2}
        config = default_config(
            environment={}, limits=limits, cache=[{"upstream": "registry.example", "url": self.proxy.url}]
        )
        entries = [
            Entry(reference=f"registry.example/campaign/{name}:1", scans=names, origin="campaign") for name in IMAGES
        ]
        catalog = {each.name: each for each in scans(*names)}
        return plan_here(config, entries, catalog, run="r1", now=datetime.now(UTC))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(stack, tmp_path_factory.mktemp("campaign"))


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    root = tmp_path / "volume"
    yield Volume(root)
    if root.is_mount():
        assert survivors(root) == []
        subprocess.run(["umount", root], check=True)


@pytest.mark.parametrize(
    "trial", [pytest.param(each, marks=() if each.short else pytest.mark.campaign, id=each.fault) for each in TRIALS]
)
def test_a_fault(bench: Bench, volume: Volume, tmp_path: Path, tell: Tell, trial: Trial) -> None:
    if os.geteuid() and trial.fault.startswith("volume"):
        pytest.skip("mounting a filesystem takes root")
    here = LocalBench(
        tmp_path, volume, bench.plan(trial.scans), bench.upstream, bench.proxy, bench.cache, bench.new_cache,
        bench.images,
    )  # fmt: skip
    same = bench.undisturbed.outcomes if trial.scans == GOOD and "database" not in trial.fault else None
    with trial.inflict(here):
        process = start(here.plan, volume, environment=here.environment)
        trial.strike(here, process)
        _, said = process.communicate(timeout=300)
        assert survivors(volume.root) == []
        if trial.cut:
            assert process.returncode != 0
            assert "Traceback" not in said
            outcome = "cut off"
        elif trial.ends:
            assert process.returncode == 3
            assert re.search(trial.ends, said), said
            assert "Traceback" not in said
            outcome = next(line for line in said.splitlines() if re.search(trial.ends, line))
        else:
            assert process.returncode == 0, said
            assert judge(volume, here.plan, trial.expected, same) == []
            outcome = in_words(read_ledger(volume, here.plan.run))
    if trial.expected != UNDISTURBED or trial.ends or trial.cut:
        assert resume(here.plan, volume) == []
        after = UNDISTURBED if trial.expected.mended else trial.expected
        assert judge(volume, here.plan, after, same) == []
        outcome += f"; again: {in_words(read_ledger(volume, here.plan.run))}"
    tell(trial.fault, "local", outcome)


@pytest.mark.campaign
def test_the_store_is_away(tmp_path: Path, tell: Tell) -> None:
    """Only who asks across runs needs it: owners hear of what changed when it is there again, once."""
    volume = Volume(tmp_path / "scanmatrix-data")
    layouts.write_archive(tmp_path / "web.tar", samples.system())
    with webhook() as hook:
        with store_away(volume, "127.0.0.1", tmp_path) as url:
            route = {"owners": "team-a", "webhook": {"url": hook.url, "secret": "a-secret-of-ours"}}
            config = {
                "targets": [{"archive": "web.tar", "owner": "team-a", "scans": "root-user"}],
                "notify": {"routes": [route]},
                "store": {"url": url},
            }
            (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(config))
            done = scanmatrix("run", "--run-id", "r1", cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert "notifications: " in done.stderr
            assert "Traceback" not in done.stderr
            assert judge(volume, read_plan("r1", volume), UNDISTURBED) == []
            assert hook.got == []
        config["store"] = {"url": f"sqlite:///{tmp_path / 'never-away.sqlite3'}"}
        (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(config))
        for _ in range(2):
            assert scanmatrix("results", "notify", "r1", cwd=tmp_path).returncode == 0
        assert len(hook.got) == 1
    tell("store away", "local", in_words(read_ledger(volume, "r1")))
