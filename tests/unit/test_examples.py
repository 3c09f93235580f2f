"""The shipped examples are what they say."""

from orchestrator.model import Decision
from tests.unit.workflows.examples import example


def test_the_seed_s_three_images_make_its_nine_cells() -> None:
    plan, _ = example("seed")
    names = {target.id: target.reference.rpartition("/")[2] for target in plan.targets}
    assert [(names[cell.target], cell.scan) for cell in plan.cells] == [
        ("ubuntu:20.04", "general"),
        ("ubuntu:20.04", "image-lifetime"),
        ("ubuntu:20.04", "virus"),
        ("centos:8", "general"),
        ("centos:8", "image-lifetime"),
        ("java-tool:12", "dependency"),
        ("java-tool:12", "general"),
        ("java-tool:12", "image-lifetime"),
        ("java-tool:12", "virus"),
    ]
    assert {cell.decision for cell in plan.cells} == {Decision.RUN}
