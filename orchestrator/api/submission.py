"""Runs that are asked for from elsewhere: some targets by name, planned, and submitted once however often asked.

request = RunRequest(targets=("docker.io/library/alpine:3.20",))
plan_of(config, request)                       # a dry run
submission = submitted(config, request, key="build-4711", by="ci")
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orchestrator.errors import PermanentError, UsageError
from orchestrator.model import Document, Severity
from orchestrator.model.documents import DocumentError, encode, read
from orchestrator.model.plan import AskedBy
from orchestrator.scanners.rules import volume_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.config.loading import Config
    from orchestrator.config.targets import PushedAs
    from orchestrator.model import Plan

_MOST = 1_000
#: How the name of an image begins that is read from its registry.
_IMAGE = "docker://"
_LONGEST = 512


class RepeatedKeyError(PermanentError):
    """Something else was asked for before with the same key."""


class RunRequest(Document, frozen=True):
    """What should be scanned.

    Attributes:
        targets: images of registries, and URLs of source repositories; none for all that are configured.
        globs: instead: globs for names of configured targets.
        scans: instead of those that targets ask for.
        fail_on: the policy's `severity`, instead of the configured one.
    """

    targets: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    scans: tuple[str, ...] = ()
    fail_on: Severity | None = None


class RunSubmission(NamedTuple):
    """A run that was asked for: its plan, and whether this was asked for before."""

    plan: Plan
    known: bool


def plan_of(
    config: Config,
    request: RunRequest,
    *,
    run: str | None = None,
    pushed: PushedAs | None = None,
    owners: frozenset[str] | None = None,
) -> Plan:
    """Plan what is asked for; nothing is written.

    Args:
        config: of the service.
        request: what is asked for.
        run: id of the run; made up when None.
        pushed: of a request for one target, what is known of the push that it is about.
        owners: whose targets the caller may have scanned; None for everybody's.

    Raises:
        UsageError: a target is no image of a registry and no repository, or of a host that callers may not name; there
            is nothing to scan, or no such scan.
        NotTheirsError: a target is of none of these owners.
    """
    from orchestrator.api.asked_hosts import strange_hosts
    from orchestrator.api.owned import owners_by_store
    from orchestrator.api.plan import failing_on, make_plan, selection

    if len(request.targets) > _MOST or len(request.globs) > _MOST or len(request.scans) > _MOST:
        raise UsageError(f"at most {_MOST} targets, globs and scans may be named")
    names = [remote_name(name) for name in request.targets]
    wanted = replace(selection(names, request.globs), pushed=pushed, strange=strange_hosts(config, names))
    if owners is not None:
        bare = [name.removeprefix(_IMAGE) for name in names]
        wanted = replace(wanted, owners=owners, lent=owners_by_store(config, bare, owners))
    chosen = config.selecting(wanted)
    plan = make_plan(failing_on(chosen, request.fail_on), scans=request.scans, run=run)
    return plan if pushed is None else msgspec.structs.replace(plan, asked_by=AskedBy.EVENT)


def submitted(
    config: Config,
    request: RunRequest,
    *,
    key: str,
    by: str,
    pushed: PushedAs | None = None,
    accept: Callable[[Plan], None] | None = None,
    owners: frozenset[str] | None = None,
) -> RunSubmission:
    """Plan a run and write its plan down; with a key that was used before, the run that was planned then.

    Args:
        config: of the service.
        request: what is asked for.
        key: by which the caller knows it again; empty for a run of its own.
        by: the caller; others' keys are others.
        pushed: as for `plan_of`.
        accept: judges a new plan before it is written; what it raises ends this.
        owners: as for `plan_of`.

    Raises:
        RepeatedKeyError: the key was used for something else.
        UsageError: as `plan_of`.
        NotTheirsError: likewise.
    """
    from orchestrator.upkeep.plans import read_plan, write_plan
    from orchestrator.volume.layout import write_atomic
    from orchestrator.volume.locks import held

    volume = volume_of(config)
    if not key:
        plan = plan_of(config, request, pushed=pushed, owners=owners)
        if accept:
            accept(plan)
        write_plan(plan, volume)
        return RunSubmission(plan, known=False)
    run = f"api-{hashlib.sha256(msgspec.json.encode([by, key])).hexdigest()[:20]}"
    asked = volume.request(run)
    asked.parent.mkdir(parents=True, exist_ok=True)
    with held(asked.with_suffix(".lock"), patience=60):
        if asked.exists() and volume.plan(run).exists():
            if _read(asked) != request:
                raise RepeatedKeyError("this idempotency key was used for something else; take another key")
            return RunSubmission(read_plan(run, volume), known=True)
        plan = plan_of(config, request, run=run, pushed=pushed, owners=owners)
        if accept:
            accept(plan)
        write_atomic(asked, encode(request))
        write_plan(plan, volume)
    return RunSubmission(plan, known=False)


def _read(path: object) -> RunRequest | None:
    try:
        return read(path, RunRequest)  # type: ignore[arg-type]
    except (DocumentError, msgspec.DecodeError):
        return None


def remote_name(name: str) -> str:
    """A target as `orchestrator.config.named` reads it, spelt so that nothing on this machine is meant.

    `docker:24` is the image `docker` of its registry here, and never one that a tool on this machine has.

    Raises:
        UsageError: it is no image of a registry and no repository over HTTPS.
    """
    from orchestrator.images.reference import parse
    from orchestrator.net.errors import InvalidReference

    if len(name) > _LONGEST:
        raise UsageError(f"a target of {len(name)} characters; at most {_LONGEST} are accepted")
    if name.startswith("https://"):
        return name
    try:
        return f"{_IMAGE}{parse(name.removeprefix(_IMAGE))}"
    except InvalidReference as error:
        raise UsageError(
            f"{error}; over this interface a target is an image of a registry, or the https:// URL of a repository"
        ) from error
