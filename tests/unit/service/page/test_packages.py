"""What is in a target: a tree that is opened branch by branch, however large, circular or hostile its BOM is."""

import re

import pytest

from orchestrator.results.bom.tree import read_nodes
from orchestrator.service.page.views import packages
from orchestrator.volume.layout import Volume
from tests.page_volume import dependency_bom, write_boms
from tests.served import NAMES, configured, served
from tests.stored_runs import LOG4J, day, write_run
from tests.unit.results.test_bom_tree import document
from tests.unit.service.page.test_pages import HOSTILE, Marks

NEEDS = {"app": ["web", "ring-a"], "web": ["log4j-core"], "ring-a": ["ring-b"], "ring-b": ["ring-a"]}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    volume = Volume(tmp_path_factory.mktemp("packages") / "volume")
    names = {"a": NAMES["a"], "b": NAMES["b"], "c": NAMES["c"]}
    cells = {"a/general": [LOG4J], "b/general": [], "c/general": "timed out"}
    write_run(volume, "run-1", day(1), cells, names=names)
    listed = [(name, "1.0") for name in (*NEEDS, "log4j-core")]
    hostile = [(text.replace("\0", ""), text.replace("\0", "")) for text in HOSTILE] + [("javascript:alert(1)", "1")]
    bad = dependency_bom("b", hostile, {hostile[0][0]: [hostile[1][0], hostile[3][0]]})
    write_boms(volume, "run-1", {"a": [dependency_bom("a", listed, NEEDS)], "b": [bad]}, names)
    with served(configured(volume)) as found:
        yield found


def below(text):
    return [place.replace("&amp;", "&") for place in re.findall(r'data-below="([^"]+)"', text)]


def test_a_tree_is_opened_branch_by_branch_and_ends_in_a_circle(client):
    page = client.get("/targets/a/packages").text
    assert "5 packages" in Marks(page).words
    assert re.findall(r'class="name">([^<]+)', page) == ["app"]
    seen, waiting = [], below(page)
    while waiting:
        part = client.get(waiting.pop()).text
        seen += re.findall(r'class="name">([^<]+)', part)
        waiting += below(part)
    assert sorted(seen) == ["log4j-core", "ring-a", "ring-a", "ring-b", "web"]
    [to_ring] = [place for place in below(client.get(below(page)[0]).text) if "ring-b" in client.get(place).text]
    [last] = below(client.get(to_ring).text)
    assert "a circle" in client.get(last).text


def test_every_branch_has_an_address_that_works_without_a_script(client):
    page = client.get("/targets/a/packages").text
    [link] = re.findall(r'<a href="(/targets/a/packages\?at=[^"]+)">Open', page)
    opened = Marks(client.get(link.replace("&amp;", "&")).text).words
    assert "What app needs" in opened
    assert client.get("/targets/a/packages?at=nowhere&at=0").status_code == 200
    assert client.get("/targets/a/packages", params={"at": ["x"] * 41}).status_code == 400


def test_a_search_says_why_a_package_is_there(client):
    words = Marks(client.get("/targets/a/packages?q=LOG4J").text).words
    assert "1 package like LOG4J" in words
    assert "by app 1.0 → web 1.0" in words
    assert "No package of this target fits" in client.get("/targets/a/packages?q=nothing").text


def test_what_is_not_known_is_said_and_nothing_of_the_volume(client):
    answer = client.get("/targets/c/packages")
    assert answer.status_code == 200
    assert "What is in it is not known" in answer.text
    assert "volume" not in client.get("/targets/unknown/packages").text.replace("on the volume any more", "")
    assert client.get("/targets/unknown/packages").status_code == 404
    assert client.get("/targets/c/packages/below").status_code == 404


@pytest.mark.parametrize(
    "path", ["/targets/b/packages", "/targets/b/packages?vulnerable=true", "/targets/b/packages?q=*"]
)
def test_what_strangers_wrote_never_comes_alive(client, path):
    text = client.get(path).text
    for part in (text, *(client.get(place).text for place in below(text))):
        marks = Marks(part)
        assert marks.trouble == []
        assert all(link.startswith(("/", "?", "#")) and not link.startswith("//") for link in marks.links)
        assert "\u202e" not in part
        assert "\x1b" not in part


def test_a_large_bom_is_shown_in_parts():
    nodes = read_nodes(document({"a": [f"p{number}" for number in range(1000)]} | {f"p{n}": [] for n in range(1000)}))
    first = packages.branch(nodes, [nodes[0].key])
    assert (len(first.lines), first.left) == (packages.MOST, 1000 - packages.MOST)
    last = packages.branch(nodes, [nodes[0].key], 900)
    assert (len(last.lines), last.left) == (100, 0)


def test_a_deep_tree_is_closed_somewhere():
    names = [f"p{number:03}" for number in range(100)]
    nodes = read_nodes(document(dict(zip(names, [[each] for each in names[1:]] + [[]], strict=True))))
    way = [node.key for node in nodes[: packages.DEEPEST]]
    [line] = packages.branch(nodes, way).lines
    assert (line.way, line.why_closed) == ((), f"deeper than {packages.DEEPEST} levels")
