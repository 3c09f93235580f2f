"""The images of our own manifests: which there are, and how they are written into what names them."""

import re
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.images.registry.own import OwnImages

FOLDER = Path(__file__).parents[3] / "argo-install"
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def named(folder: Path) -> set[str]:
    """Every image that a manifest or the Dockerfile of ours names, without its digest."""
    found: set[str] = set()
    for path in (folder / "Dockerfile", *folder.rglob("*.yaml")):
        # Scanners are what `scanmatrix lock` sees to, and Helm's templates are filled in with the values beside them.
        if path.name != "workflows.yaml" and path.parent.name != "templates":
            text = path.read_text()
            found |= set(re.findall(r"(?:^ *(?:- )?image: |^FROM |--executor-image=)([^\s@]+)", text, re.MULTILINE))
            found |= {":".join(pair) for pair in re.findall(r"- name: (\S+)\n +newTag: (\S+)", text)}
    return {each for each in found if not each.startswith("localhost/")}


def test_the_file_names_every_image_of_the_manifests_and_no_other() -> None:
    assert set(OwnImages.read(FOLDER / "images.lock").digests) == named(FOLDER)


def test_each_of_them_is_written_by_its_digest_wherever_it_stands(tmp_path: Path) -> None:
    images = OwnImages.read(FOLDER / "images.lock").digests
    pinned = OwnImages(dict.fromkeys(images, DIGEST))
    for path in (*FOLDER.rglob("*.yaml"), FOLDER / "Dockerfile", FOLDER / "images.lock"):
        text = OwnImages(dict.fromkeys(images, "")).written_into(path.read_text())  # as if none had been looked up
        written = pinned.written_into(text)
        for image in images:
            assert written.count(image) == written.count(f"{image}@{DIGEST}") == text.count(image)
        assert written.count("digest: sha256:") == text.count("newTag:")
        # Once more changes nothing, and other digests take the place of these.
        assert pinned.written_into(written) == written
        other = OwnImages(dict.fromkeys(images, OTHER)).written_into(written)
        assert DIGEST not in other
        assert OwnImages(dict.fromkeys(images, "")).written_into(written) == text


def test_what_only_begins_or_ends_like_an_image_is_left_alone() -> None:
    pinned = OwnImages({"registry.example/x:3": DIGEST})
    for text in (
        "registry.example/x:3.1",
        "registry.example/x:3-alpine",
        "other.registry.example/x:3",
        "a/registry.example/x:3",
    ):
        assert pinned.written_into(text) == text


@pytest.mark.parametrize(
    "line", ["registry:3", "docker.io/library/registry", "x.example/y:1@sha256:abc", "x.example/y@" + DIGEST]
)
def test_a_line_that_is_no_image_is_reported(tmp_path: Path, line: str) -> None:
    (tmp_path / "images.lock").write_text(f"# x\n\n{line}\n")
    with pytest.raises(UsageError, match=r"images\.lock:3"):
        OwnImages.read(tmp_path / "images.lock")
    with pytest.raises(UsageError, match="none"):
        OwnImages.read(tmp_path / "none")
