"""What nobody foresaw of one target, source or cell is its own failure; the rest is planned."""

from pathlib import Path

import pytest

from orchestrator import inventory
from orchestrator.config.targets import RegistrySource
from orchestrator.inventory import Entry, collect, landscape, registry
from orchestrator.inventory.annotations import Wishes
from orchestrator.inventory.registry import choose
from orchestrator.kit.guarding import InternalError, is_internal
from orchestrator.model import Decision, Plan, TargetKind
from orchestrator.planning import Located, decisions
from tests.planned import plan_here
from tests.unit.planning.samples import CATALOG, NOW, Table, config, entry, image, located

GOOD, EVIL = "docker.io/library/good:1", "docker.io/library/evil:1"
UNFORESEEN = [
    RecursionError("deep"), MemoryError(), ValueError("Exceeds the limit"), KeyError("layers"), OverflowError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"), UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no"),
]  # fmt: skip


class Raising(Table):
    """A resolver that fails on one reference in a way that no resolver should."""

    def __init__(self, error: BaseException) -> None:
        super().__init__({GOOD: (located(image(GOOD)),)})
        self._error = error

    def __call__(self, reference: str, *, local: bool) -> tuple[Located, ...]:
        if reference == EVIL:
            raise self._error
        return super().__call__(reference, local=local)


def plan(resolver: Table, **options: object) -> Plan:
    entries = [entry("evil:1", "general", "virus"), entry("good:1", "general")]
    return plan_here(config(), entries, CATALOG, run="r1", now=NOW, resolver=resolver, **options)


@pytest.mark.parametrize(
    "error", [*UNFORESEEN, OSError(36, "File name too long")], ids=lambda each: type(each).__name__
)
def test_one_image_fails_alone(error: Exception) -> None:
    made = plan(Raising(error))
    found = {target.reference: target for target in made.targets}
    assert found[GOOD].error == ""
    assert is_internal(found[EVIL].error) == (not isinstance(error, OSError))
    decided = {(cell.target, cell.scan): cell.decision for cell in made.cells}
    assert decided == {
        (found[EVIL].id, "general"): Decision.FAIL,
        (found[EVIL].id, "virus"): Decision.FAIL,
        (found[GOOD].id, "general"): Decision.RUN,
    }


def test_one_repository_fails_alone() -> None:
    url = "https://git.example/evil"

    def repositories(url: str, ref: str) -> Located:
        raise KeyError(ref)

    entries = [
        entry("good:1", "general"),
        Entry(reference=url, scans=("dependency",), kind=TargetKind.REPOSITORY, ref="main"),
    ]
    made = plan_here(
        config(), entries, CATALOG, run="r1", now=NOW, resolver=Raising(KeyError()), repositories=repositories
    )
    found = {target.reference: target for target in made.targets}
    assert found[GOOD].error == ""
    assert is_internal(found[f"{url}#main"].error)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(5)], ids=["interrupt", "exit"])
def test_an_interrupt_is_no_failure_of_a_target(error: BaseException) -> None:
    with pytest.raises(type(error)):
        plan(Raising(error))


def test_a_cell_that_cannot_be_decided_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> str:
        raise OverflowError

    monkeypatch.setattr(decisions, "_unreadable", unreadable)
    made = plan(Table({GOOD: (located(image(GOOD)),)}))
    reasons = {cell.decision: cell.reason for cell in made.cells}
    assert reasons.keys() == {Decision.FAIL}
    assert any(is_internal(cell.reason) and "good:1" in cell.reason for cell in made.cells)


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda each: type(each).__name__)
def test_a_source_that_breaks_is_named(error: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def read(source: object, context: object) -> list[Entry]:
        raise error

    monkeypatch.setitem(inventory.READERS, "image", read)
    with pytest.raises(InternalError, match="image"):
        collect(config(targets=[{"image": "evil:1"}]), tmp_path)


def test_a_name_that_is_no_unicode_is_a_target_like_others() -> None:
    made = plan_here(config(), [entry("/tmp/\udcff.tar", "general")], CATALOG, run="r1", now=NOW, resolver=Table({}))
    assert made.targets[0].error


def test_tags_of_any_count_of_digits_are_sorted() -> None:
    section = RegistrySource(host="registry.example", repositories=("app",), tags=("*",))
    long = ["v" + "9" * 5000, "build-" + "1" * 5000, "build-" + "2" * 5000, "build-10", "build-9", "build-007", "x"]
    assert choose(long, section) == [
        "x", "v" + "9" * 5000, "build-" + "2" * 5000, "build-" + "1" * 5000, "build-10", "build-9", "build-007",
    ]  # fmt: skip


def test_a_list_of_tags_that_breaks_us_fails_its_own_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    def tags(self: object, location: str, **_: object) -> list[str]:
        if "evil" in location:
            raise RecursionError
        return ["1"]

    monkeypatch.setattr(registry.RegistryClient, "tags", tags)
    source = {"registry": {"host": "registry.example", "repositories": ["evil", "good"]}, "scans": ["general"]}
    evil, good = collect(config(targets=[source]), catalog=CATALOG)
    assert (good.reference, good.error) == ("registry.example/good:1", "")
    assert is_internal(evil.error)
    made = plan_here(config(), [evil, good], CATALOG, run="r1", now=NOW, resolver=Table({}))
    assert [is_internal(target.error) for target in made.targets] == [True, False]


def test_annotations_that_break_us_leave_their_image_to_be_scanned(monkeypatch: pytest.MonkeyPatch) -> None:
    def wishes(levels: object, scans: object, where: str) -> Wishes:
        raise OverflowError

    monkeypatch.setattr(landscape, "wishes", wishes)
    read = landscape.Landscape.__new__(landscape.Landscape)
    read._wished, read._scans = {}, ()
    assert read._wishes(({"scanmatrix/max-lifetime": "1d"},), "c/n/Deployment/x") == Wishes()
