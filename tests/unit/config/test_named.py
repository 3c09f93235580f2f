"""What a person means by the name of a target, as other tools write it."""

from pathlib import Path

import pytest

from orchestrator.config.named import named_source
from orchestrator.config.targets import LOOKED_IN, TargetSource
from orchestrator.errors import UsageError
from tests.tools import layouts
from tests.tools.images import Image, layer


def source_dir(name: str) -> str | None:
    return named_source(name).dir


DIGEST = f"@sha256:{'a' * 64}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    layouts.write_archive(tmp_path / "web", Image.build([layer({"a": "b"})]))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "image", "places"),
    [
        ("shop/web:1", "shop/web:1", LOOKED_IN),
        ("localhost:5000/web", "localhost:5000/web", LOOKED_IN),
        (f"shop/web{DIGEST}", f"shop/web{DIGEST}", ("registry",)),
        ("docker:shop/web:1", "shop/web:1", ("docker",)),
        ("docker-daemon:shop/web:1", "shop/web:1", ("docker",)),
        ("podman:localhost/web", "localhost/web", ("podman",)),
        ("containers-storage:web", "web", ("podman",)),
        ("containerd:ghcr.io/a/b:1", "ghcr.io/a/b:1", ("containerd",)),
        ("docker://shop/web:1", "shop/web:1", ("registry",)),
        ("registry:2", "registry:2", LOOKED_IN),
    ],
)
def test_an_image_and_where_it_is_looked_for(name, image, places):
    found = named_source(name)
    assert (found.image, found.look_in) == (image, places)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("web", "web"),
        ("no.tar", "no.tar"),
        ("docker-archive:web", "web"),
        ("oci-archive:web", "web"),
        ("oci-dir:no/such", "no/such"),
        ("oci:no/such", "no/such"),
    ],
)
def test_an_archive_is_a_path(name, path, folder):
    assert named_source(name).archive == str(folder / path)


def test_a_name_behind_an_archive_is_refused_and_a_colon_in_a_file_s_is_not(folder):
    with pytest.raises(UsageError, match="leave out ':app:1'"):
        named_source("docker-archive:web:app:1")
    (folder / "a:b").write_bytes(b"")
    assert named_source("oci-archive:a:b").archive == str(folder / "a:b")


def test_a_path_of_a_plain_folder_is_no_image(folder):
    (folder / "code").mkdir()
    for name in ("./code", str(folder / "code")):
        with pytest.raises(UsageError, match=f"name it dir:{name}"):
            named_source(name)
    assert named_source("code").image == "code"


def test_a_folder_is_one_wherever_it_is_named_from(folder):
    assert source_dir("dir:no/such") == str(folder / "no/such")
    assert source_dir("dir:.") == str(folder)


def test_standard_input_is_an_archive():
    assert named_source("-").archive == "-"


def test_a_url_is_a_repository():
    found = named_source("https://git.example/a/b#v1").repository
    assert (found.url, found.ref) == ("https://git.example/a/b", "v1")


@pytest.mark.parametrize("name", ["", " ", "docker:", "podman: ", "docker://", "oci-archive:"])
def test_nothing_is_no_name(name):
    with pytest.raises(UsageError):
        named_source(name)


def test_only_an_image_is_looked_for_in_places():
    with pytest.raises(ValueError, match="lookIn is for an `image`"):
        TargetSource(archive="a.tar", look_in=("docker",))
