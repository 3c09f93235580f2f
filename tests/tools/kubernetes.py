"""What Kubernetes does to a container's command and variables before it starts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_EXPRESSION = re.compile(r"\$(?:(\$)|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` as the variable of that name, unless there is none, and `$$` as `$`.

    As `Expand` of `third_party/forked/golang/expansion` in k8s.io/kubernetes has it.
    """
    return _EXPRESSION.sub(lambda match: "$" if match[1] else variables.get(match[2], match[0]), text)


def expand_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of a container, each with those before it filled in."""
    found: dict[str, str] = {}
    for name, value in variables.items():
        found[name] = expand(value, found)
    return found
