"""Jobs as tests write them: the configuration and the event as text, made into what is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.config.loading import load_config
from orchestrator.jobs.matching import JobEvent, matching_actions, tasks_of
from orchestrator.jobs.order import JobFiles, JobOrder, OrderedTask
from orchestrator.jobs.reading import parse_job

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.config.loading import Config

REPOSITORY = "https://git.example.com/jobs.git"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "4711",
    "source": "/ci",
    "type": "sh.keptn.event.test.triggered",
    "data": {"project": "shop", "stage": "dev", "service": "web", "labels": {"team-name": "a"}},
}
CONFIGURATION = f"""
image: registry.example.com/scanmatrix@sha256:{"0" * 64}
argo: {{namespace: scans, gitSecret: git}}
events:
  jobs:
    git: {{url: {REPOSITORY}}}
    namespaces: [loads]
    secrets: [load-*]
"""


def config_of(folder: Path, more: str = "", text: str = CONFIGURATION) -> Config:
    (folder / "scanmatrix.yaml").write_text(text + more)
    return load_config(folder / "scanmatrix.yaml", environment={})


def order_of(text: str, event: dict[str, Any] | None = None, *, namespace: str = "scans", **more: Any) -> JobOrder:
    """The first action that an event starts."""
    found = JobEvent((event or EVENT)["type"], event or EVENT)
    matched = matching_actions(parse_job(text, "job/config.yaml").configuration, found)[0]
    tasks = tuple(OrderedTask(each, each.task.image or "", **more) for each in tasks_of(matched.action, found))
    folders = ("keptn-stages/dev/keptn-services/web", "keptn-stages/dev", "")
    files = JobFiles(REPOSITORY, COMMIT, folders, ("203.0.113.7", "2001:db8::7"))
    return JobOrder("job-00112233aabbccdd-7", matched.number, matched.action.name, matched.action.silent,
                    found, found.document["source"], found.document["id"], tasks, files, namespace)  # fmt: skip


def job(tasks: str, *, silent: bool = False) -> str:
    """A configuration of one action."""
    lines = "\n".join(f"      {line}" for line in tasks.strip("\n").splitlines())
    return (
        "apiVersion: v2\nactions:\n  - name: Run tests\n"
        f"    silent: {str(silent).lower()}\n"
        "    events: [{name: sh.keptn.event.test.triggered}]\n    tasks:\n" + lines + "\n"
    )
