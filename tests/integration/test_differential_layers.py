"""The merged view of layers beside podman's, with overlayfs and without: the same, or refused by us."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.images.content.filesystem import FileKind, Filesystem, merge
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.net.errors import ArchiveError
from tests.odd_layers import curated, stack
from tests.tools.images import Image, layer, layer_of_tar, sha256
from tests.tools.rootfs import Listing, Podman, listing, works
from tests.unit.tarballs import write_tarball


@pytest.fixture(scope="module", params=["vfs", "overlay"])
def podman(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """With one of its ways to stack layers."""
    folder = tmp_path_factory.mktemp("podman")
    driver = request.param
    image = Image.build([layer({"a": "b"})])
    found = works(folder / driver, driver, write_tarball(folder / "any.tar", image), sha256(image.config))
    if isinstance(found, str):
        pytest.skip(found)
    yield found
    found.close()


def view(found: Filesystem) -> Listing:
    """Every path of ours, in the form of `listing`."""
    result: Listing = {}
    pending = ["/"]
    while pending:
        folder = pending.pop()
        for name in found.names(folder):
            path = f"{folder.rstrip('/')}/{name}"
            node = found.lookup(folder).children[name]  # type: ignore[union-attr] # it has names
            if node.kind is FileKind.LINK:
                result[path] = f"→{node.target}"
            elif node.kind is FileKind.FILE:
                result[path] = "program" if node.executable else "file"
            else:
                result[path] = node.kind.value
            if node.kind is FileKind.FOLDER:
                pending.append(path)
    return result


def compare(podman: Podman, path: Path, layers: list[bytes]) -> str:
    """`refused` by us, `fails` in podman, or `same`; anything else is an error."""
    image = Image.build([layer_of_tar(tar) for tar in layers])
    write_tarball(path, image)
    try:
        with open_tarball(path) as tarball:
            ours = merge(tarball)
    except ArchiveError:
        return "refused"
    try:
        theirs = listing(podman.root(path, sha256(image.config)))
    except subprocess.CalledProcessError as error:
        print(error.stderr)  # noqa: T201 - pytest shows it where podman was to read them
        return "fails"
    # Nothing that runs may be hidden from us, by whatever path it is reached.
    for name, kind in theirs.items():
        node = ours.lookup(name)
        if kind in {"file", "program"}:
            assert node is not None, name
            assert ("program" if node.executable else "file") == kind, name
    mine = view(ours)
    # Folders that only a whiteout names are made by podman, and of no interest.
    theirs = {name: kind for name, kind in theirs.items() if kind != "folder" or name in mine}
    if mine != theirs:
        # Without overlayfs podman lets a whiteout remove what its own layer wrote before it, against the specification;
        # with it, a link of a lower layer is replaced where we follow it.
        assert podman.driver == "vfs" or ours.through_links, (mine, theirs)
    return "same"


@pytest.mark.parametrize("name", curated())
def test_honest_layers_are_read_and_the_same(podman: Podman, tmp_path: Path, name: str) -> None:
    assert compare(podman, tmp_path / "image.tar", curated()[name]) == "same"


def test_random_layers_are_the_same_or_refused(podman: Podman, tmp_path: Path) -> None:
    ends = [compare(podman, tmp_path / f"{seed}.tar", stack(seed)) for seed in range(20)]
    assert ends.count("same") >= 3  # or nothing was compared
