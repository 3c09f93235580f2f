"""The documentation holds together: every link and every anchor leads somewhere."""

import re
from pathlib import Path
from pkgutil import resolve_name

import pytest

import orchestrator
from tests.golden import check_golden
from tests.tracked import tracked

ROOT = Path(__file__).parents[2]
TOP = [ROOT / f"{name}.md" for name in ("README", "SECURITY", "CONTRIBUTING", "CHANGELOG")]
PAGES = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]
OTHERS = [*sorted((ROOT / ".github").rglob("*.md")), ROOT / "pv" / "README.md"]
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
NAME = re.compile(r"`(orchestrator(?:\.[A-Za-z_]\w*)+)`")
FILE = re.compile(r"`((?:orchestrator|workflows|tests|argo-install|pv|\.ci|\.github)/[\w./*-]+)[`:]")
IMPORT = re.compile(r"^from scanmatrix import ([\w, ]+)$", re.MULTILINE)
LONG = 2000  # words, from which on a page begins with its contents
CONTENTS = re.compile(r"<!-- contents -->\n.*?<!-- end of contents -->\n\n", re.DOTALL)
NO_TEXT = re.compile(r"^```.*?^```|<!--.*?-->", re.MULTILINE | re.DOTALL)


def anchor_of(heading: str) -> str:
    """As GitHub makes it and `mkdocs.yml` asks of the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    """Those of a page's headings."""
    headings = re.findall(r"^#+ +(.*)$", NO_TEXT.sub("", page.read_text()), re.MULTILINE)
    return {anchor_of(heading) for heading in headings}


def with_contents(text: str) -> str:
    """A page with its contents above its first section; one that is not long has none."""
    text = CONTENTS.sub("", text)
    if len(text.split()) <= LONG:
        return text
    sections = re.findall(r"^## +(.*)$", NO_TEXT.sub("", text), re.MULTILINE)
    links = " ·\n".join(f"[{section}](#{anchor_of(section)})" for section in sections)
    above, first, below = text.partition("\n## ")
    return f"{above}\n<!-- contents -->\n**On this page:** {links}\n<!-- end of contents -->\n{first}{below}"


@pytest.mark.parametrize("page", PAGES[len(TOP) :], ids=lambda page: page.name)
def test_a_long_page_begins_with_its_contents(page: Path) -> None:
    """`make golden` writes them."""
    check_golden(page, with_contents(page.read_text()))


def dead(page: Path) -> list[str]:
    """Links of a page, within the repository, to files or headings that do not exist."""
    links = [(target, anchor[1:]) for target, anchor in LINK.findall(page.read_text()) if "://" not in target]
    there = {target: page.parent / target if target else page for target, _ in links}
    return [
        f"{target}#{anchor}"
        for target, anchor in links
        if not there[target].exists() or (anchor and anchor not in anchors(there[target]))
    ]


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead(page) == []


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    links = "[a](#a-keyname-why) [b](#comment) [c](no.md) [d](no.md#x)"
    page.write_text(f"# A `key.name`: why?\n\n```sh\n# comment\n```\n{links}")
    assert dead(page) == ["#comment", "no.md#", "no.md#x"]


def test_names_of_the_code_are_those_of_the_code() -> None:
    """Modules, functions, paths and imports that pages and docstrings name."""
    wrong = []
    for path in [*PAGES, *OTHERS, *(ROOT / name for name in tracked("orchestrator/*.py", "workflows/*.py"))]:
        text = path.read_text()
        wrong += [f"{path.name}: {name}" for name in NAME.findall(text) if not is_name(name)]
        wrong += [f"{path.name}: {name}" for name in FILE.findall(text) if not list(ROOT.glob(name))]
        if path.suffix == ".md":
            names = {name.strip() for line in IMPORT.findall(text) for name in line.split(",")}
            wrong += [f"{path.name}: {name}" for name in names - set(orchestrator.__all__)]
    assert wrong == []


def is_name(name: str) -> bool:
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {target for target, _ in LINK.findall(PAGES[0].read_text())}
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} <= linked


def test_the_readme_stays_short() -> None:
    assert len(PAGES[0].read_text().splitlines()) < 150


def test_the_version_is_that_of_the_package() -> None:
    pages = [*PAGES, ROOT / "argo-install" / "Dockerfile"]
    named = {name for page in pages for name in re.findall(r"localhost/scanmatrix:(\d[\w.]*\w)", page.read_text())}
    assert named == {orchestrator.__version__}
    newest = re.search(r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == orchestrator.__version__
