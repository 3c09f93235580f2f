"""Reading our documents: what lies in the place of one is neither waited for nor read without end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.model import Ledger
from orchestrator.model.documents import DocumentError, read

OTHERS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "endless": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    OTHERS[kind](tmp_path / "ledger.json")
    with pytest.raises(DocumentError, match=r"ledger\.json: not a regular file"):
        read(tmp_path / "ledger.json", Ledger)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no ledger there"):
        read(tmp_path / "ledger.json", Ledger)
