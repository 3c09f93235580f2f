"""What people say of their images by annotations."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inventory.annotations import (
    CONTACT,
    KEYS,
    MAX_LIFETIME,
    OWNER,
    SCANS,
    SKIP,
    Wishes,
    is_denied,
    wishes,
)

KNOWN = ("general", "virus")


def test_the_nearest_wins_key_by_key():
    pod = {SCANS: "virus"}
    workload = {SCANS: "general", OWNER: "shop@example.com", SKIP: "false"}
    namespace = {OWNER: "platform@example.com", CONTACT: "#platform", SKIP: "true", MAX_LIFETIME: "30d"}
    assert wishes((pod, workload, namespace), KNOWN, "here") == Wishes(
        scans=("virus",), owner="shop@example.com", contact="#platform", max_lifetime="30d"
    )


@pytest.mark.parametrize(("text", "skip"), [("true", True), ("Yes", True), ("1", True), ("", True), ("no", False)])
def test_to_skip(text, skip):
    assert wishes(({SKIP: text},), KNOWN, "here").skip is skip


@pytest.mark.parametrize(("text", "denied"), [("false", True), ("False", True), ("no", True), ("0", True), ("", False), ("true", False), ("batch", False)])  # fmt: skip # noqa: E501
def test_a_label_that_says_no(text, denied):
    assert is_denied(text) is denied


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ({SKIP: "maybe"}, Wishes()),
        ({SCANS: "general;virsu"}, Wishes(scans=("general",))),
        ({SCANS: "virsu"}, Wishes()),
        ({MAX_LIFETIME: "a month"}, Wishes()),
    ],
)
def test_a_mistake_is_reported_and_leaves_nothing_unscanned(said, left, caplog):
    with caplog.at_level(logging.WARNING):
        assert wishes((said,), KNOWN, "prod/shop/Deployment/cart") == left
    (message,) = caplog.messages
    assert "prod/shop/Deployment/cart" in message


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), st.text(max_size=400)), max_size=3))
def test_whatever_is_said_gives_wishes_that_can_be_planned(levels):
    found = wishes(levels, KNOWN, "here")
    assert set(found.scans) <= {*KNOWN, "*"}
    assert len(found.owner) <= 256
