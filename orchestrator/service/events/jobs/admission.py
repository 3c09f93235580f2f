"""What tasks may run, by the one policy of scans, tasks and plugins: when a job is planned, and when it is sent."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from orchestrator.admission.judging import AdmissionJudge, for_tasks
from orchestrator.admission.request import AdmissionRequest
from orchestrator.errors import ScanmatrixError
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.program import ImageProgram, program_of
from orchestrator.net.allowance import Allowance
from orchestrator.service.events.jobs.orders import RefusedTaskError

if TYPE_CHECKING:
    from types import TracebackType

    from orchestrator.config.loading import Config
    from orchestrator.jobs.order import JobOrder
    from orchestrator.workflows.jobs import CompiledJob

#: Further attempts to learn which program an image starts: Argo can find out as well.
_RETRIES = 1
_log = logging.getLogger(__name__)


class JudgedTasks:
    """Judges tasks by the configuration; see `TaskAdmission`. A context, which ends its connections to registries.

    Args:
        config: has the rules; where it has none, what can be forbidden is.
    """

    def __init__(self, config: Config) -> None:
        self._config = for_tasks(config)
        self._judge = AdmissionJudge(self._config)
        admission = self._config.admission
        self.bounds_folders = admission is not None and admission.maximum.empty_dir is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._judge.__exit__(kind, value, trace)

    def pinned(self, job: CompiledJob, order: JobOrder) -> JobOrder:
        """The same job with the digests that were verified, and with the programs that images start by themselves."""
        tasks = []
        for number, task in enumerate(order.tasks):
            image = self._admit(job, order, number, task.image)
            program = ImageProgram() if task.matched.task.cmd else self._program(image)
            tasks.append(task._replace(image=image, entrypoint=program.entrypoint, defaults=program.arguments))
        return order._replace(tasks=tuple(tasks))

    def confirm(self, job: CompiledJob, order: JobOrder) -> None:
        """See once more that just what is submitted may run."""
        for number, task in enumerate(order.tasks):
            self._admit(job, order, number, task.image)

    def _admit(self, job: CompiledJob, order: JobOrder, number: int, image: str) -> str:
        """The image that runs.

        Raises:
            RefusedTaskError: it may not.
        """
        task = order.tasks[number].matched.task
        written = task.image or ""
        request = AdmissionRequest(
            what=f"task {number + 1} ({task.name}) of action {order.action}",
            image=image,
            where=task.place.at("plugin" if task.plugin else "image"),
            kind="plugin" if task.plugin else "task",
            named=written if written != image else "",
            namespace=order.namespace,
        )
        found = self._judge.judge(request.of_pod(job.pods[number]))
        if not found.allowed:
            raise RefusedTaskError(found.refusal)
        return found.runs or image

    def _program(self, image: str) -> ImageProgram:
        """What an image starts; where its registry does not say so, Argo has to ask."""
        config = self._config
        try:
            with RegistryClient(config.insecure, _RETRIES, caches=config.cache) as client:
                allowance = Allowance(config.limits.lookup, "limits.lookup")
                return program_of(image, client, caches=config.cache, insecure=config.insecure, allowance=allowance)
        except ScanmatrixError as error:
            _log.warning("%s: which program it starts is not known here, and is left to Argo: %s", image, error)
            return ImageProgram()
