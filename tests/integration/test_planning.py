"""Plans made against real registries and real archives: what is found, where it is pulled, what could not be."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.config.loading import default_config
from orchestrator.engines.local.engine import LocalEngine
from orchestrator.inventory import Entry
from orchestrator.model import Decision, Outcome, Plan, Platform
from orchestrator.volume.layout import Volume
from tests.integration.engine import GOOD, Watch, scan
from tests.planned import plan_here
from tests.tools import faults, layouts, samples
from tests.tools.images import Image, layer, sha256
from tests.tools.proxy import Proxy
from tests.tools.servers import Registry
from tests.tools.upstream import Upstream

CATALOG = {"good": scan("good", GOOD)}
BOTH = ["linux/amd64", "linux/arm64"]


def plan(*references: str, offline: bool = False, local: bool = False, **overrides: object) -> Plan:
    entries = [Entry(reference=each, scans=("good",), origin="test", local=local) for each in references]
    config = default_config(environment={}, **{"limits": {"retries": 0}, **overrides})
    return plan_here(config, entries, CATALOG, run="r1", now=datetime.now(UTC), offline=offline)


def decisions(made: Plan) -> list[Decision]:
    return [cell.decision for cell in made.cells]


def test_tags_are_resolved_through_the_cache_of_their_upstream(
    upstream: Upstream, cache: Registry, repository: str
) -> None:
    image = samples.system()
    upstream.push(f"{repository}:1", image)
    made = plan(f"registry.example/{repository}:1", cache=[{"upstream": "registry.example", "url": cache.url}])
    (target,) = made.targets
    assert target.digest == image.digest
    assert target.reference == f"registry.example/{repository}:1"
    assert target.pull == f"{cache.url}/{repository}"
    assert target.compressions == ("gzip",)
    assert made.budget.pull_bytes == image.size + len(image.manifest)
    assert target.size is not None
    assert target.size >= image.size
    assert upstream.log.blob_reads() == {sha256(image.config): 1}  # for its platform; no layer


def test_an_index_gives_every_wanted_platform_and_tells_what_is_absent(registry: Registry, repository: str) -> None:
    index = samples.multi_platform(attestation=True)
    reference = registry.push(f"{repository}/index:1", index)
    single = registry.push(f"{repository}/single:1", samples.small())
    made = plan(reference, single, platforms=BOTH)
    assert [(target.platform, target.digest) for target in made.targets[:2]] == [
        (Platform(), index.images[0].digest),
        (Platform(architecture="arm64"), index.images[1].digest),
    ]
    assert decisions(made) == [Decision.RUN, Decision.RUN, Decision.RUN, Decision.SKIP]
    assert "linux/arm64" in made.cells[-1].reason
    pinned = plan(f"{reference.rpartition(':')[0]}@{index.digest}")
    assert [target.digest for target in pinned.targets] == [index.images[0].digest]


def test_an_image_for_none_of_the_platforms_fails_and_says_what_there_is(registry: Registry, repository: str) -> None:
    reference = registry.push(f"{repository}:1", Image.build([layer({"a": "b"})], platform="linux/s390x"))
    made = plan(reference)
    assert decisions(made) == [Decision.FAIL]
    assert "linux/s390x" in made.cells[0].reason


def test_the_same_digest_under_two_names_is_one_target(registry: Registry, repository: str) -> None:
    names = [registry.push(f"{repository}:{tag}", samples.small()) for tag in ("1", "latest")]
    made = plan(*names)
    (target,) = made.targets
    assert [name.reference for name in target.names] == sorted(names)
    assert made.budget.images == 1


def test_what_cannot_be_resolved_stops_nothing_else(
    registry: Registry, proxy: Proxy, upstream: Upstream, repository: str, tmp_path: Path
) -> None:
    there = registry.push(f"{repository}:1", samples.small())
    upstream.push(f"{repository}:1", samples.small())
    proxy.faults.add(faults.answer(500, path="*/broken/*", times=None))
    made = plan(
        f"{registry.host}/{repository}:no-such-tag",
        f"{upstream.host}/{repository}:1",
        f"{proxy.host}/broken/{repository}:1",
        "127.0.0.1:1/nobody/there:1",
        "Not an image",
        there,
    )
    assert decisions(made) == [Decision.FAIL] * 5 + [Decision.RUN]
    reasons = [cell.reason for cell in made.cells[:5]]
    assert all(reasons)
    assert len(set(reasons)) == 5
    assert "no-such-tag" in reasons[0]
    assert [target.id[:11] for target in made.targets[:5]] == ["unresolved-"] * 5


def test_archives_of_every_kind_are_planned_and_run(tmp_path: Path) -> None:
    image = samples.system()
    paths = [
        layouts.write_archive(tmp_path / "archive.tar", image),
        layouts.write_layout(tmp_path / "layout", image),
        layouts.write_docker_save(tmp_path / "saved.tar", image),
    ]
    made = plan(*map(str, paths), local=True)
    # An archive and a layout hold the very image; `docker save` unpacked its layers, so it has become another one.
    first, second = made.targets
    assert [name.reference for name in first.names] == sorted(map(str, paths[:2]))
    assert first.digest == image.digest
    assert second.compressions == ("none",)
    assert made.budget.pull_bytes == 0
    ledger = LocalEngine(Volume(tmp_path / "volume"), runner="process").run(made, Watch())
    assert ledger.count(Outcome.OK) == 2


@pytest.mark.parametrize("name", ["absent.tar", "folder", "text.tar", "empty.tar"])
def test_an_archive_that_is_none_is_a_failed_row(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.tar").write_text("not a tar")
    (tmp_path / "empty.tar").touch()
    made = plan(str(tmp_path / name), local=True)
    assert decisions(made) == [Decision.FAIL]
    assert name in made.cells[0].reason


def test_offline_asks_nobody_and_plans_what_is_pinned(proxy: Proxy, repository: str, tmp_path: Path) -> None:
    image = samples.small()
    archive = layouts.write_archive(tmp_path / "a.tar", samples.system())
    pinned = f"{proxy.host}/{repository}@{image.digest}"
    made = plan(pinned, f"{proxy.host}/{repository}:1", offline=True, platforms=BOTH)
    assert len(proxy.log) == 0
    assert decisions(made) == [Decision.RUN, Decision.SKIP, Decision.FAIL, Decision.FAIL]
    assert "digest" in made.cells[2].reason
    assert made.targets[0].digest == image.digest
    assert made.targets[0].size is None
    assert made.budget.unknown == 1
    assert plan(str(archive), local=True, offline=True).budget.unknown == 0


def test_a_pinned_index_planned_offline_gives_the_platform_s_image(
    registry: Registry, repository: str, tmp_path: Path
) -> None:
    index = samples.multi_platform()
    registry.push(f"{repository}:1", index)
    look = f"import tarfile; assert 'blobs/sha256/{index.images[1].digest[7:]}' in tarfile.open(tarball).getnames()\n"
    catalog = {"good": scan("good", look + GOOD)}
    entry = Entry(reference=f"{registry.host}/{repository}@{index.digest}", scans=("good",), origin="test")
    config = default_config(environment={}, platforms=["linux/arm64"])
    made = plan_here(config, [entry], catalog, run="r1", now=datetime.now(UTC), offline=True)
    ledger = LocalEngine(Volume(tmp_path / "volume"), runner="process").run(made, Watch())
    assert [(row.outcome, row.reason) for row in ledger.rows] == [(Outcome.OK, "")]
