"""What several rows and workloads say of one image: none overwrites another, each platform is a target of its own."""

import itertools

import pytest

from orchestrator.inventory import Entry
from orchestrator.inventory.csv_file import parse_csv
from orchestrator.model import Decision, Ledger, Plan, Platform, TargetKind
from orchestrator.model.documents import decode, encode
from orchestrator.planning import Located
from orchestrator.planning.resolver import RegistryResolver
from orchestrator.results.naming import remarks
from tests.planned import plan_here
from tests.unit.planning.samples import AMD64, ARM64, CATALOG, NOW, Table, config, digest, image, located

UBUNTU = "docker.io/library/ubuntu:20.04"
INDEX = f"registry.example/app@{digest('index')}"
ASKED = "the annotation scanmatrix/skip of the namespace eu/bank asks to leave it out"


class Index:
    """A resolver of an index with an image for each of two platforms."""

    def __call__(self, reference: str, *, local: bool, platform: Platform | None = None) -> tuple[Located, ...]:
        wanted = (AMD64,) if platform is None else (platform,)
        return tuple(located(image(str(each), platform=each)) for each in wanted)


def running(namespace: str = "shop", *scans: str, reference: str = INDEX, owner: str = "team", **fields) -> Entry:
    labels = {"cluster": "eu", "namespace": namespace, "workload": "Deployment/app", "container": "main"}
    labels |= fields.pop("labels", {})
    return Entry(reference=reference, scans=scans or ("virus",), owner=owner, labels=labels, origin="eu", **fields)


def plan(entries, resolver=None, **options) -> Plan:
    resolver = resolver or Table({UBUNTU: (located(image("u")),)})
    return plan_here(config(), entries, CATALOG, run="r1", now=NOW, resolver=resolver, **options)


def decisions(made: Plan) -> dict[str, tuple[Decision, str]]:
    return {cell.scan: (cell.decision, cell.reason) for cell in made.cells}


def test_an_image_that_three_namespaces_run_has_three_names():
    (target,) = plan([running(namespace) for namespace in ("a", "b", "c")], Index()).targets
    assert target.workloads == ("eu/a/Deployment/app", "eu/b/Deployment/app", "eu/c/Deployment/app")
    assert {name.reference for name in target.names} == {INDEX}
    assert {name.owner for name in target.names} == {"team"}


@pytest.mark.parametrize("rows", list(itertools.permutations(["30d", "3650d", ""])))
def test_rows_of_one_image_and_owner_keep_their_labels_in_any_order(rows):
    text = "image,scans,owner,maxLifetime\n" + "".join(f"ubuntu:20.04,image-lifetime,me,{said}\n" for said in rows)
    (target,) = plan(parse_csv(text, "targets.csv", tuple(CATALOG))).targets
    assert sorted(name.labels.get("maxLifetime", "") for name in target.names) == ["", "30d", "3650d"]


def test_the_order_of_entries_changes_no_name():
    entries = [running("a"), running("b", labels={"contact": "#b"}), running("a", labels={"container": "side"})]
    orders = [plan(order, Index()).targets for order in itertools.permutations(entries)]
    assert len(set(map(repr, orders))) == 1
    assert len(orders[0][0].names) == 3


def test_the_same_twice_is_one_name():
    (target,) = plan([running(), running()], Index()).targets
    assert len(target.names) == 1


def test_each_platform_that_runs_is_a_target_with_only_its_own_names():
    entries = [running("x86", platform=AMD64), running("arm", platform=ARM64), running("more-arm", platform=ARM64)]
    made = plan(entries, Index())
    assert {target.platform: target.workloads for target in made.targets} == {
        AMD64: ("eu/x86/Deployment/app",),
        ARM64: ("eu/arm/Deployment/app", "eu/more-arm/Deployment/app"),
    }
    assert len(made.cells) == 2


def test_an_index_that_is_planned_offline_is_a_target_for_each_platform_too():
    resolver = RegistryResolver(None, (AMD64,), (), ())
    entries = [running("x86", platform=AMD64), running("arm", platform=ARM64), running("nobody-knows")]
    made = plan(entries, resolver)
    assert {target.platform: len(target.names) for target in made.targets} == {AMD64: 2, ARM64: 1}
    assert len({target.id for target in made.targets}) == 2


def test_a_machine_whose_image_cannot_be_found_fails_for_its_own_platform():
    resolver = RegistryResolver(None, (AMD64,), (), ())
    made = plan([running(reference="registry.example/app:1", platform=ARM64)], resolver)
    assert [target.platform for target in made.targets] == [ARM64]
    assert [cell.decision for cell in made.cells] == [Decision.FAIL]


def test_what_somebody_asks_to_leave_out_is_a_skipped_cell_that_says_who():
    made = plan([running("bank", skip=ASKED)], Index())
    assert decisions(made) == {"virus": (Decision.SKIP, ASKED)}
    assert made.waves == ()


def test_what_is_left_out_need_not_exist():
    made = plan([running(reference="gone:1", skip=ASKED)])
    assert decisions(made) == {"virus": (Decision.SKIP, ASKED)}


def test_one_who_asks_to_leave_out_an_image_does_not_keep_others_from_having_it_scanned():
    made = plan([running("bank", "virus", "general", skip=ASKED), running("shop", "virus")], Index())
    assert decisions(made) == {"virus": (Decision.RUN, ""), "general": (Decision.SKIP, ASKED)}
    (said,) = remarks({target.id: target.names for target in made.targets})
    assert ASKED in said
    assert "eu/bank/Deployment/app" in said


def test_everybody_who_asks_is_named():
    other = ASKED.replace("bank", "shop")
    made = plan([running("bank", skip=ASKED), running("shop", skip=other)], Index())
    ((decision, reason),) = decisions(made).values()
    assert decision is Decision.SKIP
    assert ASKED in reason
    assert other in reason


def test_what_is_noted_of_names_is_said_once():
    names = {"t": plan([running("a", note="odd"), running("b", note="odd")], Index()).targets[0].names}
    (said,) = remarks(names)
    assert said.startswith("odd: ")
    assert said.endswith("and 1 more")


def test_a_target_that_no_scan_can_read_has_rows_nevertheless():
    entry = Entry(reference="https://git.example/a", scans=("*",), kind=TargetKind.REPOSITORY, ref="main")
    found = Located(
        platform=Platform(os="", architecture=""), digest="git:" + "a" * 40, kind=TargetKind.REPOSITORY, pull="x"
    )
    made = plan([entry], repositories=lambda url, ref: found)
    assert {cell.decision for cell in made.cells} == {Decision.SKIP}
    assert {cell.scan for cell in made.cells} == set(CATALOG)


def test_two_owners_and_two_workloads_of_one_reference_are_names_of_their_own():
    entries = [running("shop"), running("shop", owner="others"), running("blog"), running("shop")]
    (target,) = plan(entries, Index()).targets
    assert {(name.owner, name.labels["namespace"]) for name in target.names} == {
        ("team", "shop"), ("others", "shop"), ("team", "blog"),
    }  # fmt: skip
    assert len({name.key for name in target.names}) == len(target.names) == 3
    ledger = Ledger(run="r", created="", finished="", rows=(), names={target.id: target.names})
    assert decode(encode(ledger), Ledger, origin="test").names[target.id] == target.names


MIRROR, HUB = f"mirror.example/app:1@{digest('app')}", f"docker.io/library/app@{digest('app')}"


@pytest.mark.parametrize(
    ("known", "note"), [({MIRROR, HUB}, ""), ({MIRROR}, ""), ({HUB}, f"{HUB}, as its node calls it")]
)
def test_an_image_is_read_by_the_name_in_its_pod_or_else_as_the_node_calls_it(known, note):
    resolver = Table({each: (located(image("app")),) for each in known})
    (target,) = plan([running(reference=MIRROR, also_called=HUB)], resolver).targets
    [name] = target.names
    assert (name.reference, target.error) == (MIRROR, "")
    assert bool(name.note) is bool(note)
    assert note in name.note


def test_an_image_that_neither_name_leads_to_says_both():
    (target,) = plan([running(reference=MIRROR, also_called=HUB)], Table({})).targets
    assert MIRROR in target.names[0].reference
    assert f"{HUB}, as its node calls it: " in target.error
