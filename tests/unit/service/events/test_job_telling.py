"""What sinks are sent about jobs: bounded, masked, and how a job counts."""

import pytest

from orchestrator.argo.jobs import JobRecord, JobState, RecordedTask, TaskPhase, TaskState
from orchestrator.jobs.matching import JobEvent
from orchestrator.service.events.jobs.configurations import EventNameError, folders_for
from orchestrator.service.events.jobs.telling import _bounded, verdict_of, with_complaints
from orchestrator.store.inbox.messages import InboxOutcome
from tests.tools.repositories import TOKEN

FOLDERS = ("keptn-stages/{stage}/keptn-services/{service}", "keptn-stages/{stage}", "")
S, F, E = TaskPhase.SUCCEEDED, TaskPhase.FAILED, TaskPhase.ERRORED
OMITTED, WAITING = TaskPhase.OMITTED, TaskPhase.WAITING


def job(*phases, reason="", ended=True):
    tasks = tuple(
        TaskState(number, RecordedTask(f"t{number}", "image", 300), phase, reason if phase in {F, E} else "")
        for number, phase in enumerate(phases, start=1)
    )
    record = JobRecord("/ci", "1", "t", "act", 0, False, "r", "c", 60, tuple(task.task for task in tasks))
    return JobState("w", "n", record, ended, tasks)


@pytest.mark.parametrize(
    ("phases", "outcome"),
    [
        ((S, S), InboxOutcome.PASSED),
        ((S, F), InboxOutcome.FAILED),
        ((F, OMITTED), InboxOutcome.FAILED),
        ((E, OMITTED), InboxOutcome.ERRORED),
        ((S, WAITING), InboxOutcome.ERRORED),  # it ended, and nobody knows why this one never ran
        ((OMITTED, OMITTED), InboxOutcome.ERRORED),
    ],
)
def test_how_a_job_counts(phases, outcome):
    assert verdict_of(job(*phases)).outcome is outcome


def test_logs_are_bounded_from_their_beginning_and_the_last_ones_count_more():
    logs = ["a" * 80_000 + "end of a", "b" * 80_000 + "end of b", "c" * 80_000 + "end of c"]
    first, second, third = _bounded(logs)
    assert third.endswith("end of c")
    assert second.endswith("end of b")
    assert first.endswith("bytes …\n")  # nothing of it is left
    assert sum(len(each.encode()) for each in (first, second, third)) < 97 * 1024
    assert _bounded(["short", ""]) == ["short", ""]
    assert all(len(each.encode()) < 49 * 1024 for each in _bounded(["é" * 60_000]))


def test_tokens_of_known_shapes_are_masked():
    [found] = _bounded([f"token {TOKEN}"])
    assert TOKEN not in found


def test_what_our_own_step_said_is_the_reason_and_what_a_task_says_is_not():
    said = "scanmatrix-step: first\nscanmatrix-step: there is no file 'x'\n"
    [task] = with_complaints(job(E, reason="its files could not be fetched"), [said]).tasks
    assert task.reason == "its files could not be fetched: there is no file 'x'"
    [task] = with_complaints(job(F, reason="ended with exit code 1"), [said]).tasks
    assert task.reason == "ended with exit code 1"


def event(**data):
    return JobEvent("t", {"data": data})


def test_folders_for_what_an_event_does_not_name_are_left_out():
    assert folders_for(FOLDERS, event(stage="dev", service="web")) == (
        "keptn-stages/dev/keptn-services/web", "keptn-stages/dev", "",
    )  # fmt: skip
    assert folders_for(FOLDERS, event(service="web")) == ("",)
    assert folders_for(FOLDERS, event(stage="", service=None)) == ("",)
    assert folders_for(FOLDERS, JobEvent("t", {})) == ("",)
    with pytest.raises(EventNameError, match="about no folder"):
        folders_for(FOLDERS[:2], event())


@pytest.mark.parametrize("name", ["..", ".git", "a/b", "a\\b", "", "x" * 300, "a\nb", {"a": 1}, ["a"], 5, "{service}"])
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    if name == "":
        assert folders_for(FOLDERS, event(stage=name)) == ("",)
        return
    with pytest.raises(EventNameError, match="stage"):
        folders_for(FOLDERS, event(stage=name, service="web"))
