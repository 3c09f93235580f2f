"""Repositories in a plan: which cells they have, and which of these ask an API."""

import msgspec
import pytest

from orchestrator.inventory import Entry
from orchestrator.model import Decision, Limits, Online, OnRepository, Plan, ReadBudget, Scan, TargetKind
from orchestrator.model.documents import decode, encode
from orchestrator.net.allowance import Allowance
from orchestrator.planning import Located
from orchestrator.planning.batches import split
from orchestrator.planning.repositories import GitResolver, is_online, online_hosts
from orchestrator.planning.targets import make_id
from orchestrator.planning.venue import CLUSTER, HERE, Venue
from tests.planned import plan_here
from tests.unit.planning.samples import CATALOG, NOW, Table, config, entry, image, located

URL = "https://github.com/example/shop.git"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
ONLINE = Online(command=("card", "{repository}"), tokens={"github.com": "GITHUB_AUTH_TOKEN"})
SCANS = CATALOG | {
    "card": Scan(name="card", image="card:1", command=(), format="scorecard",
                 repository=OnRepository(command=("card", "{checkout}"), online=ONLINE)),
    "general": msgspec.structs.replace(CATALOG["general"], repository=OnRepository(command=("trivy", "{checkout}"))),
}  # fmt: skip
DEFAULTS = {"scans": {"default": ["general", "virus"], "repositoryDefault": ["card"]}}


def repository(url: str = URL, ref: str = "HEAD", *scans: str, **labels: str) -> Entry:
    return Entry(reference=url, ref=ref, kind=TargetKind.REPOSITORY, scans=scans, labels=labels, origin="targets.csv:3")


def commits(url: str, ref: str) -> Located:
    """Every ref is the same commit."""
    return GitResolver(offline=True)(url, COMMIT)


def plan(*entries: Entry, venue: Venue = HERE, **overrides: object) -> Plan:
    resolver = Table({"docker.io/library/a:1": (located(image("a")),)})
    settings = config(**(DEFAULTS | overrides))
    return plan_here(settings, entries, SCANS, run="r", now=NOW, venue=venue, resolver=resolver, repositories=commits)


def decisions(made: Plan) -> dict[str, tuple[Decision, str]]:
    return {cell.scan: (cell.decision, cell.reason) for cell in made.cells}


def test_the_target_keeps_the_url_asked_for_and_names_its_commit():
    (target,) = plan(repository(ref="v1", team="x"), repository(ref="main")).targets
    assert [name.reference for name in target.names] == [f"{URL}#main", f"{URL}#v1"]
    assert (target.pull, target.digest, target.commit) == (URL, f"git:{COMMIT}", COMMIT)
    assert (str(target.platform), target.size, target.kind) == ("", None, TargetKind.REPOSITORY)
    assert target.id.startswith("git-")
    assert len(target.id) <= 63


def test_its_id_is_made_of_url_and_commit():
    ids = {make_id(commits(url, "main"), url) for url in (URL, f"{URL}x")}
    other = Located(platform=commits(URL, "x").platform, pull=URL, digest=f"git:{'f' * 40}", kind=TargetKind.REPOSITORY)
    assert len(ids | {make_id(other, URL)}) == 3
    assert make_id(commits(URL, "a"), "x") == make_id(commits(URL, "b"), "y")


def test_the_default_scans_are_those_of_its_kind():
    made = plan(entry("a:1"), repository())
    assert {(cell.target[:3], cell.scan) for cell in made.cells} == {
        ("sha", "general"),
        ("sha", "virus"),
        ("git", "card"),
    }


def test_all_scans_are_those_that_can_read_its_kind():
    assert decisions(plan(repository(URL, "HEAD", "*"))) == {"card": (Decision.RUN, ""), "general": (Decision.RUN, "")}
    assert "card" not in decisions(plan(entry("a:1", "*")))


def test_a_scan_that_cannot_read_its_kind_is_skipped_with_a_reason():
    assert decisions(plan(repository(URL, "HEAD", "virus")))["virus"] == (
        Decision.SKIP, "virus reads no source repositories",
    )  # fmt: skip
    assert decisions(plan(entry("a:1", "card")))["card"] == (Decision.SKIP, "card reads no images")


def test_exclusions_and_the_allowlist_hold_for_repositories():
    exclude = [{"image": "https://github.com/example/*", "reason": "agreed"}]
    scans = DEFAULTS["scans"] | {"exclude": exclude}
    assert decisions(plan(repository(), scans=scans))["card"] == (Decision.SKIP, "excluded: agreed")
    refused = decisions(plan(repository(), allow={"images": ["docker.io/other/*"]}))["card"]
    assert (refused[0], "not allowed" in refused[1]) == (Decision.SKIP, True)


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "https://host/x.git --upload-pack=x", "not a url", "http://example.com/x"]
)
def test_a_malformed_url_fails_its_cells(url):
    made = plan_here(config(**DEFAULTS), [repository(url)], SCANS, run="r", now=NOW)
    assert [cell.decision for cell in made.cells] == [Decision.FAIL]
    assert made.targets[0].id.startswith("unresolved-")


def test_a_plan_is_read_back_as_it_was_and_cut_like_any_other():
    made = plan(entry("a:1"), repository(), repository("https://github.com/example/other"))
    assert decode(encode(made), Plan, origin="test") == made
    parts = split(msgspec.structs.replace(made, limits=Limits(cells_per_shard=1)))
    assert [len(part.targets) for part in parts] == [1, 1, 1]
    assert made.budget.unknown == 2


def test_a_cell_asks_the_api_where_there_is_a_token(monkeypatch):
    monkeypatch.delenv("GITHUB_AUTH_TOKEN", raising=False)
    urls = (URL, "git@github.com:example/shop", "https://git.example/x/y", "https://github.com/only-owner")
    assert [cell.online for cell in plan(*map(repository, urls)).cells] == [False] * 4
    monkeypatch.setenv("GITHUB_AUTH_TOKEN", "x")
    assert [cell.online for cell in plan(*map(repository, urls)).cells] == [True, True, False, False]
    # In a cluster only its Secrets count.
    assert [cell.online for cell in plan(repository(), venue=CLUSTER).cells] == [False]
    monkeypatch.delenv("GITHUB_AUTH_TOKEN")
    secrets = {"tokenSecrets": {"github.com": "github-token", "git.example": "other"}}
    assert [cell.online for cell in plan(*map(repository, urls), venue=CLUSTER, argo=secrets).cells] == [
        True, True, False, False,
    ]  # fmt: skip


def test_what_names_an_api_is_plain():
    made = plan(repository("https://github.com/example/{{workflow.name}}"))
    assert not is_online(made.targets[0], {"github.com"})


def test_a_scan_that_asks_no_api_needs_no_token(monkeypatch):
    monkeypatch.setenv("GITHUB_AUTH_TOKEN", "x")
    assert online_hosts(config(), SCANS["general"], HERE) == frozenset()


def test_after_the_deadline_of_planning_no_host_is_asked():
    spent = Allowance(ReadBudget(seconds=0), "limits.planning")
    found = GitResolver(allowance=spent)("https://git.invalid/a/b", "main")
    assert "limits.planning.time" in found.error
    assert not found.digest
