"""Templates of HTML: everything is escaped, and nothing of a text is hidden.

This module imports jinja2: import it where it is used.
"""

from __future__ import annotations

from typing import Any

import jinja2

from orchestrator.kit.text import visible


def templates(loader: jinja2.BaseLoader) -> jinja2.Environment:
    """An environment for templates of ours.

    Args:
        loader: finds them.
    """
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_show,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=loader,
    )
    environment.filters["number"] = "{:,}".format
    return environment


def _show(value: Any) -> Any:
    """What an expression of a template puts into a page: text made visible, our own mark-up as it is."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
