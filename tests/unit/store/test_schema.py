"""Revisions and tables say the same, and `docs/store.md` names every table."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from orchestrator.queries import Store
from orchestrator.store.columns import metadata
from orchestrator.store.connection import make_engine, parse_url

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "store.md").read_text()


def test_the_revisions_make_these_tables(tmp_path):
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with Store(url) as store:
        store.migrate()
    engine = make_engine(parse_url(url))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_every_table_is_explained():
    assert [name for name in metadata.tables if f"`{name}`" not in PAGE] == []
