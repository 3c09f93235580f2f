"""What the documentation site has beyond the files of `docs/`.

The pages that live at the top of the repository (README, SECURITY, CHANGELOG), the reference of the command line,
generated from Typer, and of the Python API, from the docstrings of the public names. Links that work on the
repository's host, out of `docs/` or into it, work on the site too.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

import cli_page
import python_page
from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

#: Pages of the site whose text stands at the top of the repository.
FROM_THE_TOP = {"index.md": "README.md", "security.md": "SECURITY.md", "changelog.md": "CHANGELOG.md"}
SITE_PAGE = {source: page for page, source in FROM_THE_TOP.items()}
LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not files of `docs/`."""
    made = {page: (ROOT / source).read_text(encoding="utf-8") for page, source in FROM_THE_TOP.items()}
    made |= {"cli.md": cli_page.write(), "python.md": python_page.write()}
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point links at pages of the site, or at the repository's host for files that the site does not have."""
    source = page.file.src_uri
    folder = posixpath.dirname(FROM_THE_TOP.get(source, f"docs/{source}"))

    def point(match: re.Match[str]) -> str:
        opening, target, anchor, closing = match[1], match[2], match[3] or "", match[4]
        if "://" in target or target.startswith("mailto:"):
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        page_of_site = SITE_PAGE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else "")
        file = files.get_file_from_path(page_of_site) if page_of_site else None
        if file and file.inclusion.is_included():
            return f"{opening}{posixpath.relpath(page_of_site, posixpath.dirname(source) or '.')}{anchor}{closing}"
        there = ROOT / path
        if not there.exists():
            return match[0]  # MkDocs reports it
        kind = "tree" if there.is_dir() else "blob"
        return f"{opening}{config.extra['repository']}/{kind}/main/{path}{anchor}{closing}"

    return LINK.sub(point, markdown)
