"""Cron expressions and time zones, as Argo (robfig/cron, ParseStandard) has them."""

import pytest

from orchestrator.config.times import check_cron, check_timezone

GOOD = [
    "0 3 * * *", "*/5 * * * *", "5/15 * * * *", "0 0 1,15 * mon-fri", "0 0 ? * SUN", "0 22-23 * jan,jun 0",
    "1,,2 * * * *", "*/100 * * * *", "0 0 29 2 *", "0-59/7 07 * * 6", "@daily", "@midnight", "@hourly",
    "@every 1h", "@every 1h30m", "@every 0.5h",
]  # fmt: skip
BAD = [
    "", "hourly", "0 3 * *", "0 0 3 * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *",
    "* * * 13 *", "* * * * 7", "* * * * 5-7", "* * * * 8/2", "0 0 L * *", "0 0 LW * *", "0 0 * * 5L",
    "0 0 * * 1#2", "*/0 * * * *", "22-4 * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "-5 * * * *",
    "a * * * *", "* mon * * *", "@Daily", "@reboot", "@every", "@every 5", "@every 1d", "@every 999999999h",
    "@every 900000h900000h900000h", "@every 1h30",
    "0 3 * * * " + ", " * 500, "9" * 5000 + " * * * *",
    "\u0661 * * * *",
]  # fmt: skip
#: Argo takes these, and starts no run, or one every second, or has two time zones then.
STRICTER = [
    "0 0 30 2 *", "0 0 31 4,6,9,11 *", ", * * * *", "@every 0s", "@every -1h", "@every 1ns", "@every 500ms",
    "@every 0.5s", "TZ=Europe/Berlin 0 3 * * *", "CRON_TZ=UTC 0 3 * * *",
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_what_argo_takes(text):
    assert check_cron(f" {text} ") == text


@pytest.mark.parametrize("text", [*BAD, *STRICTER])
def test_what_is_refused(text):
    with pytest.raises(ValueError, match=r".") as caught:
        check_cron(text)
    assert len(str(caught.value)) < 500


def test_a_misspelt_word_has_a_suggestion():
    with pytest.raises(ValueError, match="'@daily'"):
        check_cron("@dayly")


@pytest.mark.parametrize("text", ["Etc/UTC", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_time_zones(text):
    assert check_timezone(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "Local", "europe/berlin", "Europe/Berln", "posixrules", "../../etc/passwd", "+02:00", "x" * 9999],
)
def test_no_time_zones(text):
    with pytest.raises(ValueError, match="time zone") as caught:
        check_timezone(text)
    assert len(str(caught.value)) < 300
