"""The section `argo.workers`: the pods that take cells out of the queue in a cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from orchestrator.config.kinds import Duration, Name
from orchestrator.config.section import Section, WrongKey


class WorkerPods(Section):
    """The Deployments of `scanmatrix worker`, one for each scan, which are optional (`scanmatrix install --workers`).

    Attributes:
        scans: scans that get a Deployment of workers; none by default
        replicas: pods of each scan, where nothing scales them
        most: most pods of each scan, where something does
        scaling: what scales them: `keda` by the cells that wait, from 0 on; `cpu` by a HorizontalPodAutoscaler, from
            `replicas` on; `none` nothing
        cells: cells after which a worker, with its scanner, is replaced; 0 for any number
        age: how long a worker takes cells before it is replaced
        environment_secret: Secret whose keys become environment variables of workers, such as credentials of the
            queue's broker; no scanner sees it
    """

    scans: tuple[Name, ...] = ()
    replicas: Annotated[int, Field(ge=0, le=1000)] = 1
    most: Annotated[int, Field(ge=1, le=1000)] = 10
    scaling: Literal["none", "keda", "cpu"] = "none"
    cells: Annotated[int, Field(ge=0, le=1_000_000)] = 500
    age: Annotated[Duration, Field(ge=60)] = 12 * 3600
    environment_secret: Name | None = None

    @model_validator(mode="after")
    def _in_order(self) -> WorkerPods:
        if self.scaling == "cpu" and not 1 <= self.replicas <= self.most:
            raise WrongKey(("replicas",), "where the CPU decides there is at least 1, and at most `most`")
        return self
