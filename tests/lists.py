"""What is listed page by page, and whether a database reads it in the order of an index, on any of them."""

import re

from sqlalchemy import Engine, text

from orchestrator.store.listing import states_after, targets_after, workloads_after

#: The statement behind each list, in the middle of it.
LISTS = {
    "targets": targets_after(5, 2),
    "cells": states_after((5, "general"), 2),
    "cells of a scan": states_after((5, ""), 2, "general"),
    "workloads": workloads_after(5, 2),
}
# How each database says that it reads a whole table, or sorts what it read.
_BAD = re.compile(r"Seq Scan|Sort|filesort|temporary|TEMP B-TREE|\bSCAN\b")


def sorted_by_hand(engine: Engine) -> dict[str, str]:
    """Lists that a database does not read in the order of an index, each with how it does."""
    found = {}
    explain = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            # With a handful of rows, reading all of them would be cheaper than any index.
            connection.execute(text("SET enable_seqscan = off"))
            connection.execute(text("SET enable_bitmapscan = off"))
        for name, query in LISTS.items():
            spelt = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
            plan = "\n".join(" ".join(map(str, row)) for row in connection.execute(text(f"{explain} {spelt}")))
            if _BAD.search(plan):
                found[name] = plan
    return found
