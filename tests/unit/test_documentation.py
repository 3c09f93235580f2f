"""The documentation holds together: every link leads somewhere."""

import re
from pathlib import Path

import pytest

import orchestrator

ROOT = Path(__file__).parents[2]
TOP = [ROOT / f"{name}.md" for name in ("README", "SECURITY", "CONTRIBUTING", "CHANGELOG")]
PAGES = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_page_is_reached_from_the_readme() -> None:
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} <= set(LINK.findall(PAGES[0].read_text()))


def test_the_version_is_that_of_the_package() -> None:
    pages = [*PAGES, ROOT / "argo-install" / "Dockerfile"]
    named = {name for page in pages for name in re.findall(r"localhost/scanmatrix:(\d[\w.]*\w)", page.read_text())}
    assert named == {orchestrator.__version__}
    newest = re.search(r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == orchestrator.__version__
