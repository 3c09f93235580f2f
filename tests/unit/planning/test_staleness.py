"""How fresh a result is, and what is said of it."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from orchestrator.planning.staleness import freshness
from tests.unit.planning.samples import NOW


@dataclass(frozen=True)
class Result:
    finished: str
    run: str = "r0"
    asked: str = ""


def ago(**age: int) -> Result:
    return Result((NOW - timedelta(**age)).isoformat())


def test_a_result_is_fresh_until_its_age_reaches_the_limit() -> None:
    assert freshness(ago(seconds=59), 60, NOW)
    assert not freshness(ago(seconds=60), 60, NOW)


def test_the_reason_names_run_and_age() -> None:
    reason = freshness(ago(hours=5, minutes=3), 86400, NOW)
    assert "r0" in reason
    assert "5h" in reason


@pytest.mark.parametrize("past", [None, Result("yesterday"), Result(""), Result("2025-06-01T11:59:59")])
def test_no_result_or_one_of_unknown_age_is_not_fresh(past: Result | None) -> None:
    assert not freshness(past, 10**9, NOW)


def test_no_limit_means_always_scan() -> None:
    assert not freshness(ago(seconds=1), None, NOW)


def test_a_result_from_the_future_is_fresh() -> None:
    assert "0s" in freshness(Result((NOW + timedelta(minutes=5)).isoformat()), 60, NOW)


def test_only_an_answer_to_the_same_question_is_fresh() -> None:
    past = Result(ago(seconds=1).finished, asked="one")
    assert freshness(past, 60, NOW, "one")
    assert not freshness(past, 60, NOW, "another")


def test_a_result_of_a_version_that_wrote_no_question_down_counts_by_its_age() -> None:
    assert freshness(ago(seconds=1), 60, NOW, "one")
