"""What scans ask for, and whether they may have it: at plan time, and again before a plan is started."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.admission.judging import AdmissionJudge
from orchestrator.admission.request import AdmissionRequest, AskedRoom
from orchestrator.catalog.loading import find_template
from orchestrator.catalog.template import read_template
from orchestrator.errors import ScanmatrixError, TemporaryError, UsageError
from orchestrator.kit.own import templates_folder
from orchestrator.kit.quantities import parse_size
from orchestrator.model import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.loading import Config
    from orchestrator.model import Plan, Scan


class NotAdmittedError(UsageError):
    """A plan would start a scanner that may not run."""


def request_of(scan: Scan, config: Config, *, in_cluster: bool) -> AdmissionRequest:
    """What a scan asks for.

    Args:
        scan: as the plan has it.
        config: says what its cells may keep on disk.
        in_cluster: whether it runs in a pod; on this machine nothing is asked of a cluster.
    """
    return AdmissionRequest(
        what=f"scan {scan.name}",
        image=scan.image,
        kind="scan",
        named=scan.named,
        own=scan.builtin,
        rooms=(_room(scan, config),) if in_cluster else (),
    )


def refusal_of(scan: Scan, config: Config, judge: AdmissionJudge, *, in_cluster: bool) -> str:
    """Why a scan may not run; empty when it may.

    Args:
        scan: as the plan has it.
        config: has the rules.
        judge: decides by them.
        in_cluster: whether it is to run in a pod.

    Raises:
        TemporaryError: a registry does not answer, which is neither yes nor no.
        UsageError: a key, or the roots of a Sigstore, cannot be used.
    """
    admission = judge.judge(request_of(scan, config, in_cluster=in_cluster))
    reasons = "; ".join(str(ruling) for ruling in admission.rulings if not ruling.passed)
    return f"scanner image {scan.image} is not allowed: {reasons}{_written(scan, config)}" if reasons else ""


def check_admission(plan: Plan, config: Config, *, in_cluster: bool) -> None:
    """See that every scanner of a plan may run now: rules, tags and signatures may have changed since it was made.

    Args:
        plan: about to be started.
        config: has the rules.
        in_cluster: whether it runs in pods.

    Raises:
        NotAdmittedError: one may not.
        TemporaryError: a registry does not answer.
    """
    answers = _answers(plan, config, in_cluster=in_cluster)
    if refused := [f"{name}: {reason}" for name, reason in answers.items() if isinstance(reason, str)]:
        raise NotAdmittedError(f"run {plan.run} may not start as it was planned, plan a new one: {'; '.join(refused)}")
    for undecided in answers.values():
        if isinstance(undecided, TemporaryError):
            raise undecided


def refused_at_start(plan: Plan, config: Config) -> dict[str, str]:
    """The same on this machine, where each scan fails by itself: why scans may not start now, by their names."""
    return {
        name: answer if isinstance(answer, str) else f"whether it may run cannot be decided: {answer}"
        for name, answer in _answers(plan, config, in_cluster=False).items()
    }


def _answers(plan: Plan, config: Config, *, in_cluster: bool) -> dict[str, str | TemporaryError]:
    """Why scans of a plan may not start now, or why nobody knows, by their names."""
    wanted = {cell.scan for cell in plan.cells if cell.decision is Decision.RUN}
    found: dict[str, str | TemporaryError] = {}
    with AdmissionJudge(config) as judge:
        for scan in plan.scans:
            if scan.name not in wanted:
                continue
            try:
                answer: str | TemporaryError = refusal_of(scan, config, judge, in_cluster=in_cluster)
            except TemporaryError as error:
                answer = error
            if answer:
                found[scan.name] = answer
    return found


class ScanJudge:
    """Whether each scan of a catalog may run, decided when it is first asked.

    Args:
        config: has the rules.
        catalog: the scans there are.
        judge: decides by the rules.
        in_cluster: whether they are to run in pods.
    """

    def __init__(self, config: Config, catalog: Mapping[str, Scan], judge: AdmissionJudge, *, in_cluster: bool) -> None:
        self._config, self._catalog, self._judge, self._in_cluster = config, catalog, judge, in_cluster
        self._known: dict[str, str | ScanmatrixError] = {}

    def __call__(self, name: str) -> str:
        """Why a scan may not run; empty when it may.

        Raises:
            ScanmatrixError: that cannot be decided; again for each who asks.
        """
        if name not in self._known:
            try:
                self._known[name] = refusal_of(
                    self._catalog[name], self._config, self._judge, in_cluster=self._in_cluster
                )
            except ScanmatrixError as error:
                self._known[name] = error
        found = self._known[name]
        if isinstance(found, ScanmatrixError):
            raise found
        return found


def _room(scan: Scan, config: Config) -> AskedRoom:
    """The most its pod may use, in its last attempt: each retry adds as much memory again."""
    disk = config.limits.document(config.volume.budget).disk_of(scan) * (2 if scan.reads_layers else 1)
    memory = parse_size(scan.resources.memory_limit) * (scan.retries + 1)
    return AskedRoom(
        cpu=scan.resources.cpu_limit or scan.resources.cpu,
        memory=str(memory),
        ephemeral_storage=str(disk) if disk else "",
    )


def _written(scan: Scan, config: Config) -> str:
    """Where its image is written; empty where that cannot be found any more."""
    try:
        source, _ = read_template(find_template(scan.name, config))
    except UsageError:
        return ""
    path, line = Path(source.file), source.problem(("image",), "").line
    shown = Path("templates") / path.name if path.parent == templates_folder() else path
    return f" (its image is named in {shown}:{line})"
