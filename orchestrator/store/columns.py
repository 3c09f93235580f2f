"""What all tables have in common: their options on each database, and the columns they are made of."""

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, String, Text

# MariaDB and MySQL hold texts as equal that differ in case or accents, unless told otherwise.
_MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin", "mysql_engine": "InnoDB"}
_MARIADB: dict[str, Any] = {name.replace("mysql", "mariadb"): value for name, value in _MYSQL.items()}
OPTIONS: dict[str, Any] = {**_MYSQL, **_MARIADB}
KEYLESS: dict[str, Any] = {**OPTIONS, "sqlite_with_rowid": False}

#: Characters of what a scanner wrote that are kept of one text; what is longer is cut off.
LONGEST = 4000

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


# SQLite numbers rows by itself only in a column of just this type.
ID = BigInteger().with_variant(Integer, "sqlite")


def id_column() -> Column[int]:
    """The number of a row."""
    return Column("id", ID, primary_key=True, autoincrement=True)


def reference(table: str, name: str, *, key: bool = False, index: bool = False) -> Column[int]:
    """The number of a row of another table.

    Args:
        table: that one.
        name: of the column.
        key: whether it is part of the key.
        index: whether rows are looked up by it.
    """
    of = ForeignKey(f"{table}.id")
    return Column(name, ID, of, nullable=False, primary_key=key, autoincrement=False, index=index)


def run_column(name: str) -> Column[int]:
    """Of a run; no foreign key, which would cost as much as the row itself: runs are never deleted, only emptied."""
    return Column(name, BigInteger, nullable=True)


def number(name: str) -> Column[int]:
    """A whole number, 0 where there is none; moments are such, in seconds since 1970."""
    return Column(name, BigInteger, nullable=False, default=0)


def words(name: str, length: int | None = None) -> Column[str]:
    """Text, empty where there is none; of this many characters at most, or of as many as the database holds."""
    return Column(name, String(length) if length else Text, nullable=False, default="")


def later_number(name: str) -> Column[int]:
    """The same of a table that had rows before it had this column."""
    return Column(name, BigInteger, nullable=False, default=0, server_default="0")


def later_words(name: str, length: int) -> Column[str]:
    """Text in a table that had rows before it had this column; bounded, since longer text can have no default."""
    return Column(name, String(length), nullable=False, default="", server_default="")


def clip(text: str, limit: int = LONGEST) -> str:
    """Foreign text as every database takes it: no NUL, cut to a length."""
    if len(text) <= limit and "\0" not in text:
        return text
    return text[:limit].replace("\0", "\N{REPLACEMENT CHARACTER}")
