"""docs/ci.md shows the very files that its tests run."""

from pathlib import Path

import pytest
import yaml

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_the_page_has_the_file(name):
    text = (DOCS / "examples/ci" / name).read_text()
    assert f"```yaml\n{text.rstrip()}\n```" in (DOCS / "ci.md").read_text()
    assert yaml.safe_load(text)
