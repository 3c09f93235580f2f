"""The tables of keys in the documentation are those of the models; `make golden` writes them again."""

import re
from pathlib import Path

import pytest

from orchestrator.analysis.suppression.rules import RULE
from orchestrator.catalog.template import TEMPLATE
from orchestrator.config.loading import Config
from orchestrator.config.reference import keys_of
from orchestrator.jobs.keys import JOB
from orchestrator.jobs.plugins import PLUGIN
from tests.golden import check_golden

DOCS = Path(__file__).resolve().parents[3] / "docs"
#: Between these a page has the keys of a file: those below the names that are given.
MARKED = re.compile(r"(<!-- keys of (\w+)((?: \w+)*) -->\n).*?(<!-- end of keys -->)", re.DOTALL)
FILES = {
    "configuration": Config, "template": TEMPLATE.section, "ignore": RULE.section, "job": JOB.section,
    "plugin": PLUGIN.section,
}  # fmt: skip
PAGES = {
    "configuration": "configuration.md", "template": "scans.md", "ignore": "suppression.md", "job": "jobs.md",
    "plugin": "plugins.md",
}  # fmt: skip


def _table(file, tops):
    rows = [row for row in keys_of(FILES[file]) if not tops or row.name.partition(".")[0] in tops]
    head = "| key | type | default | meaning |\n|---|---|---|---|\n"
    return head + "".join(f"| `{row.name}` | {row.kind} | {row.default} | {row.meaning} |\n" for row in rows)


@pytest.mark.parametrize("file", FILES)
def test_the_tables_are_current(file):
    page = DOCS / PAGES[file]
    text = page.read_text()
    shown = [top for _, name, tops, _ in MARKED.findall(text) for top in tops.split() if name == file]
    assert len(set(shown)) == len(shown)
    assert not shown or {row.name.partition(".")[0] for row in keys_of(FILES[file])} == set(shown)
    check_golden(page, MARKED.sub(lambda found: found[1] + _table(found[2], found[3].split()) + found[4], text))


@pytest.mark.parametrize("file", FILES)
def test_each_key_means_something(file):
    rows = list(keys_of(FILES[file]))
    assert [row.name for row in rows if not row.meaning.strip() or "|" in row.meaning] == []
    assert len({row.name for row in rows}) == len(rows)
