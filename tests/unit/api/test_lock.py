"""`scanmatrix.lock`: what it holds, when it changes, and what runs by it."""

import json

import msgspec
import pytest

from orchestrator.api.locking import LockFailedError, LockRefusedError, changes, make_lock, registry_lookup
from orchestrator.api.trust import lock
from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.lock_file import LOCK, Locked, LockFile, LockFileError, read_lock, spell_lock
from orchestrator.config.allow import Allow
from orchestrator.config.loading import default_config, load_config
from orchestrator.images.registry.pin import Pinned
from orchestrator.kit.sources import SourceError
from orchestrator.net.errors import NotFound
from orchestrator.scanners.pinning import UnpinnedError, require_digests
from tests.unit.admission.samples import refused
from tests.unit.scanners.samples import NOW, A, B, C, rule, scan

LATER = "2026-12-01T00:00:00Z"
SCANS = (
    scan("aquasec/trivy:0.68.2", "general"),
    scan("aquasec/trivy:0.68.2", "secrets"),
    scan("clamav/clamav:1.4", "virus"),
    scan("localhost/scanmatrix:1", "root-user", builtin=True),
)
TEMPLATE = """
name: own
description: ours
image: {image}
command: [own, "{{tarball}}", "{{report}}"]
format: scanmatrix
"""


class Tags:
    """What tags stand for; the digest of a platform is that of its index with other letters."""

    def __init__(self, **digests: str) -> None:
        self.digests = {name.replace("_", "/"): digest for name, digest in digests.items()}
        self.asked: list[str] = []

    def __call__(self, image: str) -> Pinned:
        self.asked.append(image)
        for name, digest in self.digests.items():
            if name in image:
                return Pinned(digest=digest, platforms={"linux/amd64": C})
        raise NotFound(f"{image} is not there")


def made(tags, before=None, now=NOW, **options):
    return make_lock(SCANS, before, tags, **({"rules": (), "now": now} | options))


def test_every_image_is_looked_up_once_and_ours_not_at_all():
    tags = Tags(trivy=A, clamav=B)
    found = made(tags)
    assert tags.asked == ["aquasec/trivy:0.68.2", "clamav/clamav:1.4"]
    assert {name: entry.digest for name, entry in found.scans.items()} == {"general": A, "secrets": A, "virus": B}
    assert found.scans["virus"].reference == f"clamav/clamav:1.4@{B}"
    assert found.scans["virus"].digests == (B, C)


def test_the_file_is_the_same_as_long_as_nothing_changed():
    first = made(Tags(trivy=A, clamav=B))
    again = made(Tags(trivy=A, clamav=B), first, LATER)
    assert spell_lock(again) == spell_lock(first)
    moved = made(Tags(trivy=A, clamav=A), first, LATER)
    assert [(one.scan, one.what) for one in changes(first, moved) if one.what != "same"] == [("virus", "moved")]
    assert (moved.scans["virus"].resolved, moved.scans["general"].resolved) == (LATER, NOW)


def test_only_some_are_looked_up():
    first = made(Tags(trivy=A, clamav=B))
    tags = Tags(clamav=A)
    after = made(tags, first, LATER, only=("virus",))
    assert tags.asked == ["clamav/clamav:1.4"]
    assert after.scans == {**first.scans, "virus": after.scans["virus"]}
    with pytest.raises(Exception, match="root-user"):
        made(tags, first, only=("root-user",))


def test_what_cannot_be_found_names_scan_and_image():
    with pytest.raises(LockFailedError) as told:
        made(Tags(trivy=A))
    assert "virus" in str(told.value)
    assert "clamav/clamav:1.4" in str(told.value)
    assert "general" not in str(told.value)


@pytest.mark.parametrize(
    "rules", [(rule(denied=True, digests=(A,)),), (rule(denied=True, digests=(C,)),), (rule(scan="general"),)]
)
def test_what_is_not_trusted_is_not_locked(rules):
    with pytest.raises(LockRefusedError, match="general"):
        made(Tags(trivy=A, clamav=B), rules=rules)


def test_the_compromised_trivy_is_not_locked():
    with pytest.raises(LockRefusedError, match="CVE-2026-33634"):
        make_lock([scan("mirror.corp/aquasec/trivy:0.69.4")], None, Tags(trivy=A), rules=(), now=NOW)


def test_nobody_is_asked_offline():
    first = made(Tags(trivy=A, clamav=B))
    assert make_lock(SCANS, first, None, rules=(), now=LATER) == first
    with pytest.raises(LockFailedError, match="general"):
        make_lock(SCANS, None, None, rules=(), now=NOW)
    by_digest = make_lock([scan(f"corp/x:1@{A}")], None, None, rules=(), now=NOW)
    assert by_digest.scans["general"].reference == f"corp/x:1@{A}"


def _config(folder, text="", image="corp/own:1"):
    (folder / "own.yaml").write_text(TEMPLATE.format(image=image))
    (folder / "scanmatrix.yaml").write_text(f"scans: {{templates: [own.yaml]}}\n{text}")
    return load_config(folder / "scanmatrix.yaml", environment={})


def _write(folder, **entries):
    scans = {name: Locked(image=image, digest=digest, resolved=NOW) for name, (image, digest) in entries.items()}
    (folder / LOCK).write_bytes(spell_lock(LockFile(schema=1, scans=scans)))


def test_scans_run_by_what_is_locked(tmp_path, caplog):
    config = _config(tmp_path)
    assert load_catalog(config)["own"].image == "corp/own:1"
    _write(tmp_path, own=("corp/own:1", A), gone=("corp/gone:1", A))
    catalog = load_catalog(config)
    assert (catalog["own"].image, catalog["own"].digests) == (f"corp/own:1@{A}", (A,))
    assert load_catalog(config, locked=False)["own"].image == "corp/own:1"
    assert catalog["root-user"].image == config.image
    assert "'general' is not in scanmatrix.lock" in caplog.text
    require_digests([catalog["own"], catalog["root-user"]])
    with pytest.raises(UnpinnedError, match="general"):
        require_digests(catalog.values())


def test_an_entry_for_another_image_is_an_error_that_says_what_to_run(tmp_path):
    _write(tmp_path, own=("corp/own:1", A))
    config = _config(tmp_path, image="corp/own:2")
    with pytest.raises(SourceError, match=r"corp/own:1.*corp/own:2.*scanmatrix lock --update own"):
        load_catalog(config)


def _text(image="corp/own:1", digest=A, **more):
    return json.dumps({"schema": 1, "scans": {"own": {"image": image, "digest": digest, **more}}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"schema": 1}',
        '{"schema": 2, "scans": {}}',
        _text(digest="latest"),
        _text(digest=f"{A}\n--privileged"),
        _text(platforms={"linux": "x"}),
        _text(image=f"corp/own:1@{B}"),
        _text(args=[]),
    ],
)
def test_a_damaged_file_is_never_taken_for_none(tmp_path, text):
    (tmp_path / LOCK).write_text(text)
    with pytest.raises(LockFileError, match=r"scanmatrix\.lock"):
        read_lock(tmp_path)
    with pytest.raises(LockFileError):
        load_catalog(_config(tmp_path))


def test_a_locked_image_is_allowed_by_its_tag_and_one_that_names_a_digest_is_not(tmp_path):
    allow = Allow(images=("docker.io/corp/own:1*",))
    _write(tmp_path, own=("corp/own:1", A))
    locked = load_catalog(_config(tmp_path))["own"]
    assert refused(locked, allow) == ""
    assert refused(locked, Allow(digests=(A,))) == ""
    assert refused(msgspec.structs.replace(locked, image=f"corp/own:1@{B}", named=""), allow)


def test_check_writes_nothing(tmp_path):
    config = _config(tmp_path)
    entries = {name: (one.image, A) for name, one in load_catalog(config).items() if not one.builtin}
    _write(tmp_path, **entries)
    before = (tmp_path / LOCK).read_bytes()
    assert {one.what for one in lock(config, offline=True, check=True)} == {"same"}
    _write(tmp_path, **entries, gone=("corp/gone:1", A))
    with pytest.raises(Exception, match="gone"):
        lock(config, offline=True, check=True)
    assert {one.what for one in lock(config, offline=True)} == {"same", "gone"}
    assert (tmp_path / LOCK).read_bytes() == before


def test_the_caches_of_an_install_are_not_asked():
    class Client:
        asked: str

        def manifest(self, location, reference):
            self.asked = location
            raise NotFound(reference)

    own = {"upstream": "registry.example", "url": "http://cache.example:5000"}
    for cache, expected in (
        (own, "http://cache.example:5000/x/y"),
        ({"upstream": "registry.example"}, "https://registry.example/x/y"),
    ):
        client = Client()
        with pytest.raises(NotFound):
            registry_lookup(default_config(environment={}, cache=[cache]), client)("registry.example/x/y:1")
        assert client.asked == expected
