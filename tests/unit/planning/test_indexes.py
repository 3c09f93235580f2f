"""An image that was found through an index is known by the index's digest, too: `docker pull` prints that one."""

import msgspec

from orchestrator.images.platforms import parse_platform
from orchestrator.inventory import Entry
from orchestrator.model import Plan
from orchestrator.model.documents import decode, encode
from orchestrator.planning.resolver import RegistryResolver
from orchestrator.results.cells import examine
from orchestrator.volume.layout import Volume
from tests.planned import plan_here
from tests.tools import layouts
from tests.tools.images import Image, Index, layer
from tests.unit.planning.samples import CATALOG, NOW, Table, config, entry, image, located

SCAN = "general"
ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def test_through_an_archive(tmp_path):
    images = [Image.build([layer({"p": p})], platform=p) for p in ("linux/amd64", "linux/arm64")]
    index = Index.build(images)
    resolver = RegistryResolver(None, tuple(map(parse_platform, ("linux/amd64", "linux/arm64"))), (), ())
    wanted = Entry(reference=str(layouts.write_layout(tmp_path / "a", index)), scans=(SCAN,), local=True)
    made = plan_here(config(), [wanted], CATALOG, run="r", now=NOW, resolver=resolver)
    assert [(target.digest, target.indexes) for target in made.targets] == [(i.digest, (index.digest,)) for i in images]


def plan():
    """Two tags of different indexes with the same image in both, and one that is in none."""
    same = located(image("app"))
    answers = {
        "docker.io/library/a:1": (msgspec.structs.replace(same, indexes=(ONE,)),),
        "docker.io/library/b:1": (msgspec.structs.replace(same, indexes=(TWO,)),),
        "docker.io/library/c:1": (same,),
    }
    entries = [entry(f"{name}:1", SCAN) for name in "abc"]
    return plan_here(config(), entries, CATALOG, run="r", now=NOW, resolver=Table(answers))


def test_of_every_name():
    (target,) = plan().targets
    assert target.indexes == (ONE, TWO)


def test_it_is_in_the_plan_on_the_volume_and_in_the_ledger(tmp_path):
    made = decode(encode(plan()), Plan, origin="plan.json")
    (target,), (cell, *_) = made.targets, made.cells
    assert target.indexes == (ONE, TWO)
    assert examine(made, cell, target, CATALOG[SCAN], Volume(tmp_path)).row.indexes == (ONE, TWO)


def test_plans_of_earlier_versions_are_read():
    raw = msgspec.json.decode(encode(plan()))
    for target in raw["targets"]:
        del target["indexes"]
    assert decode(msgspec.json.encode(raw), Plan, origin="plan.json").targets[0].indexes == ()
