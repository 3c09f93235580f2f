"""Documents of images read by us, by Go's `encoding/json`, by skopeo and by podman: the same, or refused by us."""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.images.local.archives import open_local
from orchestrator.images.manifests import DOCKER_MANIFEST, OCI_LAYER, Manifest, read_config
from orchestrator.images.schemas import ConfigFields, LayoutFields, SavedFields
from orchestrator.kit.foreign_json import ForeignJsonError, decode
from orchestrator.kit.go_folding import fold
from orchestrator.model import Platform
from orchestrator.net.errors import ImageError, NotAnImage, Unsupported
from orchestrator.net.schemas import TagList
from tests.odd_json import honest, mangled
from tests.tools import layouts, require
from tests.tools.gojson import GoRead, Kind, folds, read_documents
from tests.tools.images import Image, layer, sha256
from tests.tools.oci_artifacts import ARTIFACTS, artifact, cosigned
from tests.tools.podman import variables

_TYPES: dict[str, Any] = {
    "m": Manifest,
    "c": ConfigFields,
    "s": tuple[SavedFields, ...],
    "l": LayoutFields,
    "t": TagList,
    "x": dict[str, Any],
}
#: What Go refuses in fields of which we read nothing; of times, what is no time is no age (`image-lifetime-unknown`).
_LAXER = ("parsing time", "Time.UnmarshalJSON", ".Cmd", ".Entrypoint", ".ExposedPorts", ".Volumes")


def ours(kind: Kind, data: bytes) -> Any:
    """What we read, in the form that Go's has; None when we refuse it."""
    try:
        return _bare(msgspec.to_builtins(decode(data, _TYPES[kind], origin="test")))
    except ForeignJsonError:
        return None


def _bare(value: Any, key: str = "") -> Any:
    """Without zero values, whose absence is the same, and without what only Docker's own structures have."""
    if key in {"ExposedPorts", "Volumes"}:
        return dict.fromkeys(value or ())
    if isinstance(value, dict):
        inner = {name: _bare(each, name) for name, each in value.items() if name not in _NOT_OCI}
        keep = key in {"Labels", "annotations"}
        return {name: each for name, each in inner.items() if keep or each not in (None, "", 0, False, [], {})}
    if isinstance(value, list | tuple):
        return [_bare(each) for each in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


_NOT_OCI = {
    "features", "id", "parent", "container", "container_config", "docker_version", "Size", "Hostname", "Domainname",
    "AttachStdin", "AttachStdout", "AttachStderr", "Tty", "OpenStdin", "StdinOnce", "Healthcheck", "Image", "OnBuild",
    "NetworkDisabled", "MacAddress", "StopTimeout", "Shell", "Memory", "MemorySwap", "CpuShares", "Cpuset", "PortSpecs",
    "VolumeDriver", "Parent", "LayerSources", "base_layer", "Cmd", "Entrypoint", "created",
}  # fmt: skip


def check(kind: Kind, data: bytes, go: GoRead) -> bool:
    """Whether we read it at all; fails when we read it otherwise than Go."""
    mine = ours(kind, data)
    if mine is None:
        return False
    if go.error:
        assert any(field in go.error for field in _LAXER), (go.error, data)
    else:
        theirs = _bare(go.value)
        # Comments of configs are Docker's, those of the history are OCI's.
        assert (_without_comment(kind, mine) or None) == (_without_comment(kind, theirs) or None), data
    return True


def _without_comment(kind: Kind, value: Any) -> Any:
    return {name: each for name, each in value.items() if name != "comment"} if kind == "c" and value else value


def test_letters_are_folded_exactly_as_go_folds_them() -> None:
    pairs = folds()
    assert len(pairs) > 2000
    assert [(one, other) for one, other in pairs if fold(one) != fold(other)] == []
    folded = {one for pair in pairs for one in pair}
    others = (chr(number) for number in range(0x110000) if chr(number) not in folded)
    assert [letter for letter in others if letter.casefold() != letter and fold(letter) != letter] == []


def test_what_honest_tools_write_is_read_as_go_reads_it() -> None:
    documents = list(honest())
    assert len(documents) > 100
    answers = read_documents([(kind, data) for kind, _, data in documents])
    for (kind, name, data), go in zip(documents, answers, strict=True):
        assert not go.error, name
        assert check(kind, data, go), name


@pytest.mark.parametrize("seed", range(4))
def test_what_nobody_honest_writes_is_read_as_go_reads_it_or_refused(seed: int) -> None:
    documents = mangled(seed, 2_000)
    answers = read_documents(documents)
    read = [check(kind, data, go) for (kind, data), go in zip(documents, answers, strict=True)]
    assert sum(read) > 500  # or nothing would be compared
    assert sum(not go.error for go in answers) - sum(read) > 100  # what Go reads in a way of its own


@pytest.mark.parametrize("seed", range(2))
def test_maps_are_read_as_go_reads_them(seed: int) -> None:
    documents: list[tuple[Kind, bytes]] = [("x", data) for _, data in mangled(seed, 1_000) if data[:1] == b"{"]
    for (kind, data), go in zip(documents, read_documents(documents), strict=True):
        mine = ours(kind, data)
        assert mine is None or mine == _bare(go.value), data


# Whole images, by the programs themselves.

GOOD = Image.build([layer({"bin/app": "good"}, "none")], user="1000")
EVIL = Image.build([layer({"bin/sh": "evil"}, "none")], user="0")
_ENTRY = json.dumps(EVIL.descriptor)


def _with_config(config: str) -> Image:
    data = config.encode()
    said = json.loads(GOOD.manifest)
    said["config"] |= {"digest": sha256(data), "size": len(data)}
    return Image(json.dumps(said).encode(), data, GOOD.layers, GOOD.platform, GOOD.media_type)


def _with_manifest(more: str) -> Image:
    return Image(GOOD.manifest[:-1] + more.encode() + b"}", GOOD.config, GOOD.layers, GOOD.platform, GOOD.media_type)


def _of_config(*changes: tuple[str, str]) -> Image:
    text = GOOD.config.decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return _with_config(text)


_LAYERS, _CONFIG = (json.dumps(json.loads(EVIL.manifest)[key]) for key in ("layers", "config"))
#: Name, image, and whether we may read it at all.
IMAGES = [
    ("plain", GOOD, True),
    ("user in lower case", _of_config(('"User":"1000"', '"User": "1000", "user": "0"')), False),
    ("user twice", _of_config(('"User":"1000"', '"User": "1000", "User": "0"')), False),
    ("long s", _of_config(('"User":"1000"', '"User": "1000", "u\\u017fer": "0"')), False),
    ("null after it", _of_config(('"User":"1000"', '"User": "1000", "USER": null')), False),
    ("a second config", _of_config(('"rootfs"', '"CONFIG": {"User": "0"}, "rootfs"')), False),
    ("created twice", _of_config(('"created"', '"Created": "2001-01-01T00:00:00Z", "created"')), False),
    ("user is a number", _of_config(('"1000"', "1000")), False),
    ("user is null", _of_config(('"1000"', "null")), True),
    ("labels of any case", _of_config(('"User"', '"Labels": {"Maintainer": "a", "maintainer": "b"}, "User"')), True),
    ("a label twice", _of_config(('"User"', '"Labels": {"a": "1", "a": "2"}, "User"')), True),
    ("unknown keys", _of_config(('"User"', '"x.y": {"User": "0", "user": "1"}, "User"')), True),
    ("escapes", _of_config(('"User":"1000"', '"\\u0055ser": "\\u0031000"')), True),
    ("other layers", _with_manifest(f', "Layers": {_LAYERS}'), False),
    ("layers twice", _with_manifest(f', "layers": {_LAYERS}'), False),
    ("layers with a long s", _with_manifest(f', "layer\\u017f": {_LAYERS}'), False),
    ("a second config descriptor", _with_manifest(f', "Config": {_CONFIG}'), False),
    ("annotations", _with_manifest(', "annotations": {"A": "1", "a": "2"}'), True),
    ("nulls", _with_manifest(', "subject": null, "annotations": null'), True),
]  # fmt: skip


def _layout(path: Path, image: Image) -> Path:
    folder = layouts.write_layout(path, image)
    for digest, data in EVIL.blobs.items():
        (folder / "blobs" / "sha256" / digest[7:]).write_bytes(data)
    return folder


def _skopeo(*arguments: str) -> Any:
    done = subprocess.run([require("skopeo"), "inspect", *arguments], capture_output=True, check=False, timeout=60)
    return json.loads(done.stdout) if done.returncode == 0 else None


def _read(path: Path) -> tuple[Any, ConfigFields] | None:
    """The one image there and its config, as we read them; None for one that is refused."""
    try:
        with open_local(path) as archive:
            (found,) = archive.choose([Platform()])
            with archive.open_blob(found.config.digest) as stream:
                return found, read_config(stream.read(), origin="test")
    except ImageError:
        return None


@pytest.mark.parametrize(("name", "image", "readable"), IMAGES, ids=[name for name, _, _ in IMAGES])
def test_skopeo_reads_the_same_image_or_we_none(tmp_path: Path, name: str, image: Image, readable: bool) -> None:
    folder = _layout(tmp_path / "layout", image)
    config, overview = _skopeo("--config", f"oci:{folder}"), _skopeo("--no-tags", f"oci:{folder}")
    ours = _read(folder)
    assert (ours is not None) is readable
    if ours is None:
        return
    found, said = ours
    assert said.config is not None
    assert config["config"].get("User", "") == said.config.user
    assert (config["config"].get("Labels") or {}) == (said.config.labels or {})
    assert config["created"] == said.created == overview["Created"]
    assert overview["Layers"] == [each.digest for each in found.layers]


def test_the_attacks_are_real(tmp_path: Path) -> None:
    """Each of these is another image to skopeo than to a reader of exact keys."""
    for number, (name, image, _) in enumerate(IMAGES[1:4]):
        assert _skopeo("--config", f"oci:{_layout(tmp_path / str(number), image)}")["config"]["User"] == "0", name
    overview = _skopeo("--no-tags", f"oci:{_layout(tmp_path / 'layers', IMAGES[13][1])}")
    assert overview["Layers"] == [each.digest for each in EVIL.layers]


@pytest.mark.parametrize(
    "extra", [f', "Manifests": [{_ENTRY}]', f', "manifests": [{_ENTRY}]', f', "manifest\\u017f": [{_ENTRY}]']
)
def test_an_index_of_two_lists(tmp_path: Path, extra: str) -> None:
    folder = _layout(tmp_path / "layout", GOOD)
    (folder / "blobs" / "sha256" / EVIL.digest[7:]).write_bytes(EVIL.manifest)
    index = (folder / "index.json").read_text()
    assert _skopeo("--config", f"oci:{folder}")["config"]["User"] == "1000"
    (folder / "index.json").write_text(index[:-1] + extra + "}")
    assert _skopeo("--config", f"oci:{folder}")["config"]["User"] == "0"
    with pytest.raises(ImageError), open_local(folder):
        pass


def _both(path: Path, first: Image, second: Image) -> Path:
    """An OCI archive of one image and a `docker save` archive of another in one tar."""
    folder = layouts.write_layout(path.with_suffix(""), first)
    config = sha256(second.config)[7:] + ".json"
    names = [f"{each.diff_id[7:]}.tar" for each in second.layers]
    listed = [{"Config": config, "RepoTags": ["app:1"], "Layers": names}]
    files = {config: second.config, "manifest.json": json.dumps(listed).encode()}
    files |= dict(zip(names, (each.tar for each in second.layers), strict=True))
    files |= {str(each.relative_to(folder)): each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file()}
    with tarfile.open(path, "w") as tar:
        layouts.write_members(tar, files)
    return path


def test_an_archive_of_two_kinds_is_scanned_as_both(tmp_path: Path) -> None:
    path = _both(tmp_path / "a.tar", GOOD, EVIL)
    users = {_skopeo("--config", f"{kind}:{path}")["config"]["User"] for kind in ("oci-archive", "docker-archive")}
    assert users == {"1000", "0"}
    with open_local(path) as archive:
        found = {each.config.digest for each in archive.choose([Platform()])}
    assert found == {sha256(GOOD.config), sha256(EVIL.config)}
    with open_local(_both(tmp_path / "b.tar", GOOD, GOOD)) as archive:
        assert [each.manifest.digest for each in archive.choose([Platform()])] == [GOOD.digest]


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables for a podman with storage of its own; skips where it does not load images."""
    folder = tmp_path_factory.mktemp("podman")
    environment = {**os.environ, **variables(folder)}
    if os.geteuid() != 0:
        pytest.skip("podman loads images into a storage of its own only as root here")
    if (found := shutil.which("podman")) is None:
        require("podman")
    done = subprocess.run([str(found), "info"], env=environment, capture_output=True, check=False, timeout=120)
    if done.returncode != 0:
        pytest.skip(f"podman does not work here: {done.stderr.decode(errors='replace').strip()[-200:]}")
    yield environment
    subprocess.run(
        [str(found), "rmi", "--all", "--force"], env=environment, capture_output=True, check=False, timeout=120
    )


def _load(podman: dict[str, str], path: Path) -> dict[str, Any] | None:
    done = subprocess.run(
        ["podman", "load", "--quiet", "--input", str(path)],
        env=podman,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != 0:
        return None
    name = done.stdout.strip().rpartition("Loaded image: ")[2] or done.stdout.strip().rpartition(" ")[2]
    shown = subprocess.run(
        ["podman", "image", "inspect", name], env=podman, capture_output=True, check=True, timeout=120
    )
    found: dict[str, Any] = json.loads(shown.stdout)[0]
    return found


@pytest.mark.parametrize(
    ("name", "image", "readable"),
    [IMAGES[n] for n in (0, 1, 5, 9, 13)],
    ids=[IMAGES[n][0] for n in (0, 1, 5, 9, 13)],
)
def test_podman_loads_the_same_image_or_we_none(
    podman: dict[str, str], tmp_path: Path, name: str, image: Image, readable: bool
) -> None:
    folder = _layout(tmp_path / "layout", image)
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        layouts.write_members(
            tar, {str(e.relative_to(folder)): e.read_bytes() for e in sorted(folder.rglob("*")) if e.is_file()}
        )
    theirs = _load(podman, path)
    ours = _read(path)
    assert (ours is not None) is readable
    if ours is None:
        return
    _, said = ours
    assert theirs is not None
    assert said.config is not None
    assert theirs["User"] == said.config.user
    assert theirs["RootFS"]["Layers"] == list(said.rootfs.diff_ids or ()) if said.rootfs else []


_DOCKER_TAR = "application/vnd.docker.image.rootfs.diff.tar"
_UNLIKELY = {
    "docker's manifest, another config": artifact(
        (_DOCKER_TAR, EVIL.layers[0].tar), config_type="x/y", config=b'{"a": 1}', media_type=DOCKER_MANIFEST
    ),
    "a layer of another type": cosigned("application/vnd.in-toto+json", EVIL.layers[0].tar),
    "an empty config": artifact((OCI_LAYER, EVIL.layers[0].tar)),
}


@pytest.mark.parametrize("image", [*ARTIFACTS.values(), *_UNLIKELY.values()], ids=[*ARTIFACTS, *_UNLIKELY])
def test_what_is_passed_over_podman_refuses(podman: dict[str, str], tmp_path: Path, image: Image) -> None:
    folder = layouts.write_layout(tmp_path / "layout", image)
    command = ["podman", "pull", "--quiet", f"oci:{folder}"]
    done = subprocess.run(command, env=podman, capture_output=True, check=False, timeout=120)
    try:
        with open_local(folder):
            pass
    except NotAnImage:
        assert done.returncode != 0
    except Unsupported:
        pass
    assert (done.returncode == 0) is (image in _UNLIKELY.values())  # podman runs these, whatever they look like
