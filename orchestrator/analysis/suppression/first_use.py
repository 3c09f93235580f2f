"""When rules without an expiry were first used, remembered on the volume: 90 days later they end.

One file for each rule, made once and never changed, so runs that end at the same time lose nothing. It is named after
what the rule is about (its patterns): a rule that is moved in its file, or gets another reason, does not begin again.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from orchestrator.errors import PermanentError
from orchestrator.model.documents import spell_time
from orchestrator.model.suppression import PATTERNS
from orchestrator.volume.records import read_small

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.model import IgnoreRule
    from orchestrator.volume.layout import Volume

DEFAULT = timedelta(days=90)
"""How long a rule without an expiry holds, from the run that used it first."""


def key_of(rule: IgnoreRule) -> str:
    """Thirty-two hexadecimal digits that stand for what the rule is about."""
    patterns = [getattr(rule, name) for name in PATTERNS]
    return hashlib.sha256(msgspec.json.encode(patterns)).hexdigest()[:32]


def first_used(volume: Volume, rules: Iterable[IgnoreRule], at: str) -> dict[str, str]:
    """When each rule without an expiry was first used; what was not yet, is now.

    Args:
        volume: remembers it.
        rules: of a run; those with an expiry are passed over.
        at: when this run uses them, RFC 3339.

    Returns:
        RFC 3339 in UTC by `key_of` the rule.

    Raises:
        OSError: the volume cannot be written.
    """
    folder = volume.suppression / "first-used"
    found = {}
    for rule in rules:
        if not rule.expires:
            key = key_of(rule)
            found[key] = _read(folder / key) or _remember(folder / key, at)
    return found


def _remember(path: Path, at: str) -> str:
    """Make the file, unless another run has just done so; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(f"{at}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # a volume without hard links: then the last of several at once wins, which are seconds apart
            Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return _read(path) or at


def _read(path: Path) -> str:
    """What a file says; of a damaged one, or a link, when it was made; empty when there is none."""
    try:
        made, text = path.lstat().st_mtime, ""
    except FileNotFoundError:
        return ""
    with suppress(PermanentError, OSError):
        text = read_small(path).decode("ascii", "replace").strip()
    try:
        moment = datetime.fromisoformat(text)
        return spell_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except ValueError:
        return spell_time(datetime.fromtimestamp(made, UTC))
