"""Revisions and tables say the same, and `docs/store.md` names every table."""

import subprocess
import sys
from pathlib import Path

from orchestrator.store import migration
from orchestrator.store.cell_queue import tables as queue_tables
from orchestrator.store.columns import metadata
from orchestrator.store.inbox import tables as inbox_tables

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "store.md").read_text()


def test_every_table_is_explained():
    assert inbox_tables  # imported, so that its tables are among these
    assert queue_tables
    assert [name for name in metadata.tables if f"`{name}`" not in PAGE] == []


def test_the_newest_revision_is_alembic_s_head() -> None:
    head = migration._scripts().get_current_head()
    assert migration.newest_revision() == head
    assert f"revision_{head}.py" == max(path.name for path in (migration._SCRIPTS / "versions").glob("revision_*.py"))


def test_only_older_tables_need_alembic(tmp_path) -> None:
    code = (
        "import sys; from orchestrator.queries import Store\n"
        "with Store(sys.argv[1]) as store: store.migrate(); store.overview()\n"
        "sys.exit('alembic' in sys.modules)"
    )
    command = [sys.executable, "-c", code, f"sqlite:///{tmp_path / 'store.sqlite3'}"]
    assert [subprocess.run(command, check=False).returncode for _ in range(2)] == [0, 0]
