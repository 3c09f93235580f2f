"""The revisions of the store's tables, and how Alembic runs them."""
