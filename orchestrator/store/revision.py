"""What a store holds, as a short text that changes whenever an answer may be another one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from orchestrator.store.schema import names, runs, scanner_rules, workload_targets, workloads

if TYPE_CHECKING:
    from sqlalchemy import Connection

_RUNS = select(runs.c.id, runs.c.ledger_digest, runs.c.pruned, runs.c.partial).order_by(runs.c.id)
_RULES = select(scanner_rules.c.name, scanner_rules.c.digest).order_by(scanner_rules.c.name)
_USES = (
    select(func.count(), func.max(workloads.c.last_at)).select_from(workloads),
    select(func.count(), func.max(workload_targets.c.last_at)).select_from(workload_targets),
    select(func.max(names.c.id)).select_from(names),
)


def revision_of(connection: Connection) -> str:
    """See `Store.revision`; reads as much as there are runs, and of other tables only counts and ends."""
    digest = hashlib.blake2b(digest_size=12)
    for query in (_RUNS, _RULES, *_USES):
        for row in connection.execute(query):
            digest.update(repr(tuple(row)).encode())
    return digest.hexdigest()
