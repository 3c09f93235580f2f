"""What the routes of lists share: the filters, and the document of a page with what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from fastapi import Depends, Query
from pydantic import Field

from orchestrator.api import lists
from orchestrator.model import KINDS, MergedRow, RunStatus, Severity
from orchestrator.queries.choice import Choice
from orchestrator.queries.difference import Difference
from orchestrator.queries.known_targets import KnownTarget
from orchestrator.queries.pages import MatrixPlace
from orchestrator.results.overview import RunSummary
from orchestrator.results.tables.columns import columns_of
from orchestrator.service.rest.answers import covered, only
from orchestrator.service.rest.caller import Caller, Role, needs
from orchestrator.service.rest.pages import PageAsked, one_of
from orchestrator.service.rest.problems import RequestError
from orchestrator.service.rest.state import ServiceState, state_of
from orchestrator.store.listing import WorkloadPlace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.results.coverage import Coverage

#: The fields of the rows of each list.
FIELDS: dict[str, tuple[str, ...]] = {
    "runs": RunSummary.__struct_fields__,
    "progress": RunStatus.__struct_fields__,
    "targets": KnownTarget.__struct_fields__,
    "cells": MatrixPlace.__struct_fields__,
    "findings": tuple(column.name for column in columns_of(MergedRow)),
    "differences": tuple(column.name for column in columns_of(Difference)),
    "workloads": WorkloadPlace.__struct_fields__,
}
#: What routes are given.
State = Annotated[ServiceState, Depends(state_of)]
Reader = Annotated[Caller, Depends(needs(Role.READ))]
_MOST = 300


def target_choice(
    target: Annotated[str, Query(max_length=_MOST, description="Glob for a name of the target, or its id")] = "",
    owner: Annotated[str, Query(max_length=_MOST, description="Glob for an owner of the target")] = "",
) -> Choice:
    """Which targets are asked for."""
    return Choice(target=target.strip(), owner=owner)


def finding_choice(
    targets: Annotated[Choice, Depends(target_choice)],
    scan: Annotated[str, Query(max_length=_MOST, description="Glob for a scan that found it")] = "",
    id: Annotated[str, Query(max_length=_MOST, description="Its id or an alias, or a glob")] = "",  # noqa: A002
    package: Annotated[str, Query(max_length=_MOST, description="Glob for its package, or package URL")] = "",
) -> Choice:
    """Which findings are asked for, as far as they are named."""
    return Choice(target=targets.target, owner=targets.owner, scan=scan, id=id, package=package.strip())


def kind_choice(
    kind: Annotated[
        list[Annotated[str, Field(json_schema_extra=one_of(KINDS))]] | None,
        Query(max_length=10, description="Only of these kinds"),
    ] = None,
    severity: Annotated[
        str, Query(max_length=20, description="This one or above", json_schema_extra=one_of(("", *Severity)))
    ] = "",
    fixable: Annotated[bool, Query(description="Only with a fixed version")] = False,
    suppressed: Annotated[bool, Query(description="Suppressed ones, too")] = False,
) -> Choice:
    """Which findings are asked for, as far as what they are.

    Raises:
        RequestError: there is no such kind or severity.
    """
    if unknown := sorted(set(kind or ()) - set(KINDS)):
        raise RequestError(f"kind: there is no {unknown[0]!r}; there are {', '.join(KINDS)}")
    if severity and severity not in set(Severity):
        raise RequestError(f"severity: there is no {severity!r}; there are {', '.join(Severity)}")
    return Choice(
        kinds=tuple(kind or ()),
        severity=Severity(severity) if severity else None,
        fixable=fixable,
        suppressed=suppressed,
    )


def choice_asked(
    named: Annotated[Choice, Depends(finding_choice)], what: Annotated[Choice, Depends(kind_choice)]
) -> Choice:
    """Which findings are asked for."""
    return msgspec.structs.replace(
        what, target=named.target, owner=named.owner, scan=named.scan, id=named.id, package=named.package
    )


def coverage(state: ServiceState, caller: Caller, choice: Choice) -> Coverage:
    """What an answer rests on, kept until the store holds something else; within a question."""
    about = Choice(target=choice.target, owner=choice.owner, scan=choice.scan, kinds=choice.kinds)
    key = "coverage", about, caller.owners
    return state.once(key, lambda: lists.coverage_of_choice(state.config, about))


def page_document(
    name: str, rows: Sequence[Mapping[str, Any]], following: str, page: PageAsked, rests: Coverage | None
) -> dict[str, Any]:
    """The document of a page: the rows, where the next page begins, and what they rest on.

    Args:
        name: of the rows.
        rows: with all fields.
        following: cursor of the next page; empty for none.
        page: as it was asked for.
        rests: None where the rows are of no targets.
    """
    known = FIELDS[name]
    document: dict[str, Any] = {name: only(rows, page.fields, known), "next": following}
    return document if rests is None else covered(rests) | document
