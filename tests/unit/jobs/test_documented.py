"""Examples of the documentation are right, and without a warning."""

import re
from pathlib import Path

import pytest

from orchestrator.jobs.model import JobForm
from orchestrator.jobs.plugin_use import judge_uses
from orchestrator.jobs.plugins import load_plugins, read_plugin
from orchestrator.jobs.reading import parse_job, read_job

DOCS = Path(__file__).parents[3] / "docs"
EXAMPLES = sorted(DOCS.glob("examples/*/job/config.yaml"))


def blocks(page, begin):
    found = re.findall(r"^```yaml\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    return [text for text in found if text.startswith(begin)]


@pytest.mark.parametrize("page", ["jobs.md", "plugins.md"])
def test_job_configurations_of_a_page(page):
    texts = blocks(page, "apiVersion: v2")
    assert texts
    for text in texts:
        found = parse_job(text, page)
        assert found.notes == ()
        assert list(judge_uses(found.configuration, load_plugins())) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.parent.name)
def test_shipped_job_configurations(path):
    found = read_job(path)
    assert (found.notes, found.configuration.form) == ((), JobForm.V2)
    assert list(judge_uses(found.configuration, load_plugins())) == []


def test_the_plugin_of_the_page(tmp_path):
    [text] = blocks("plugins.md", "name:")
    file = tmp_path / "greet.yaml"
    file.write_text(text)
    assert read_plugin(file)[1].name == "greet"
