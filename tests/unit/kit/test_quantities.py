"""Durations and sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kit.quantities import parse_duration, parse_size, spell_size


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90s", 90), ("15m", 900), ("6h", 21600), ("14d", 1209600), (" 2 w ", 1209600)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "1", "d", "-1d", "1.5h", "1d2h", "1D", "1 month", "\u0661d", "9" * 20 + "d", "999999999w", "36501d"]
)
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("100", 100), ("500M", 500_000_000), ("100Gi", 107374182400), ("1.5Ki", 1536), ("2 GB", 2 * 10**9)],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "1X", "1e9", "1,5G", "9" * 30, "9" * 19, "1025Pi", "1500000T"])
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match="size"):
        parse_size(text)


@given(st.integers(0, 10**9), st.sampled_from(["", "K", "Ki", "M", "Mi", "G", "Gi"]))
def test_sizes_are_exact(number, unit):
    base, power = (1024 if "i" in unit else 1000), "KMG".find(unit[:1]) + 1 if unit else 0
    assert parse_size(f"{number}{unit}") == number * base**power


def test_sizes_for_people():
    sizes = (0, 1023, 1536, 5 * 1024**3, 2 * 1024**5)
    assert list(map(spell_size, sizes)) == ["0 B", "1023 B", "1.5 KiB", "5.0 GiB", "2048.0 TiB"]
