"""Pods of scanmatrix itself are targets like any other, unless a source says that they are not."""

import logging

import msgspec
import pytest

from orchestrator.argo import names
from orchestrator.cluster.installed import OURS
from orchestrator.cluster.objects import Pod
from orchestrator.config.targets import ClusterSource
from orchestrator.inventory.left_out import LeftOut
from orchestrator.inventory.namespaces import is_own


def pod(**labels: str) -> Pod:
    return msgspec.convert({"metadata": {"name": "p", "namespace": "shop", "labels": labels}}, Pod)


def test_the_label_is_the_one_that_all_of_ours_have() -> None:
    assert f"{names.PART_OF}={names.SCANMATRIX}" == OURS


@pytest.mark.parametrize(("own", "labels", "left_out"), [
    (True, {names.PART_OF: names.SCANMATRIX}, False),
    (False, {names.PART_OF: names.SCANMATRIX}, True),
    (False, {names.PART_OF: "shop"}, False),
    (False, {}, False),
])  # fmt: skip
def test_they_are_left_out_where_the_source_says_so(
    own: bool, labels: dict[str, str], left_out: bool, caplog: pytest.LogCaptureFixture
) -> None:
    source = ClusterSource(own_pods=own)
    assert is_own(pod(**labels), source) is left_out
    with caplog.at_level(logging.INFO):
        seen = LeftOut(source)
        seen.see(pod(**labels))
        seen.tell("c")
    assert ("shop/p" in caplog.text) is left_out
