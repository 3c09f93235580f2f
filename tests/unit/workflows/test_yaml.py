"""What is written for Kubernetes stays text where it was text, however its readers spell numbers."""

import pytest
import yaml

from orchestrator.workflows.manifests import to_yaml

_NUMBERS_TO_GO = [
    "6386090646374e04",
    "12345678901234567890e123456789012",
    "1e5",
    "0o17",
    "0b11",
    "0x1f",
    "1_000",
    "-.5",
    "1.",
    "12",
]


@pytest.mark.parametrize("text", _NUMBERS_TO_GO)
def test_what_go_would_read_as_a_number_is_quoted(text: str) -> None:
    written = to_yaml([{"annotation": text}])
    assert written == f"annotation: '{text}'\n"
    assert yaml.safe_load(written) == {"annotation": text}


@pytest.mark.parametrize(
    "text", ["7cb97b63919fc280", "20261121-030000-0a1b2c", "10.0.0.1", "ubuntu:20.04", "500m", "..", "1.2.3"]
)
def test_other_text_stays_as_it_reads_best(text: str) -> None:
    assert to_yaml([{"annotation": text}]) == f"annotation: {text}\n"


def test_numbers_stay_numbers() -> None:
    assert to_yaml([{"replicas": 3, "share": 0.5}]) == "replicas: 3\nshare: 0.5\n"
