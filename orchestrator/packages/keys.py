"""The key of a finding: the same in every run, and in every version of its package; by it runs are compared."""

import re

from orchestrator.packages.identity import Package

_ROOT = re.compile(r"(?:\.?/)+")
_SPECIAL = re.compile(r"[%|\x00-\x1f]")


def rootless(location: str) -> str:
    """A path without its root: some scanners write `/etc/passwd`, some `etc/passwd` or `./etc/passwd`."""
    found = _ROOT.match(location)
    return location[found.end() :] if found else location


def finding_key(kind: str, name: str, package: Package, location: str) -> str:
    """Kind, id, and package or location, joined by `|`, which is `%7C` within them; a package URL holds none.

    Args:
        kind: one of `orchestrator.model.KINDS`.
        name: the best name of the thing.
        package: what it is in; `orchestrator.packages.identity.NOTHING` for none.
        location: without its root, where there is no package.
    """
    where = package.key if package.purl else _escaped(package.key or location)
    return f"{kind}|{_escaped(name)}|{where}"


def _escaped(text: str) -> str:
    if text.isprintable() and "|" not in text and "%" not in text:
        return text
    return _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", text)
