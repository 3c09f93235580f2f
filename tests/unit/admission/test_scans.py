"""Scans: their cells in plans, their start, the lock file, and what the command says."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from orchestrator import planning
from orchestrator.admission.scans import NotAdmittedError, check_admission, refused_at_start, request_of
from orchestrator.api.install import _contents
from orchestrator.api.lint import lint_file
from orchestrator.api.locking import LockFailedError, LockRefusedError
from orchestrator.api.trust import lock
from orchestrator.catalog.lock_file import LOCK, read_lock
from orchestrator.cli.app import app
from orchestrator.config.loading import Config, load_config
from orchestrator.errors import TemporaryError
from orchestrator.inventory import Entry
from orchestrator.model import Cell, Decision, Plan, Resources, Scan, Target
from orchestrator.planning.venue import HERE
from tests.tools import sigstore
from tests.tools.images import Image
from tests.tools.layers import layer
from tests.tools.sigstore import SIMPLE, payload
from tests.tools.small_registry import SmallRegistry

IMAGE = Image.build([layer({"scanner": "1"})])
MOVED = Image.build([layer({"scanner": "2"})])
KEY = sigstore.new_key()
NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def kept() -> SmallRegistry:
    found = SmallRegistry()
    found.put("own", IMAGE, "1")
    return found


def sign(kept: SmallRegistry, image: Image = IMAGE, key: Any = KEY) -> None:
    made = sigstore.layers(SIMPLE, sigstore.simple_by_key(key, payload(image.digest)))
    kept.put("own", made, f"{image.digest.replace(':', '-')}.sig")


def config_of(folder: Path, host: str, *, signers: str = "", rules: str = "", image: str = "") -> Config:
    """A configuration with a scan of its own; `rules` beside the policy that wants it signed."""
    (folder / "own.yaml").write_text(
        f"name: own\ndescription: d\nimage: {image or f'{host}/own:1'}\n"
        f'command: [own, "{{tarball}}", "{{report}}"]\nformat: scanmatrix\n{signers}'
    )
    (folder / "key.pub").write_bytes(sigstore.pem(KEY))
    (folder / "scanmatrix.yaml").write_text(f"scans: {{templates: [own.yaml], default: [own]}}\n{rules}")
    return load_config(folder / "scanmatrix.yaml", environment={})


def signed(host: str) -> str:
    return f"admission:\n  policies:\n    - {{name: ours, images: ['{host}/*'], authorities: [{{key: key.pub}}]}}\n"


SIGNERS = "signers:\n  - key: key.pub\n"


def plan_of(config: Config, host: str, *, offline: bool = False) -> Plan:
    entry = Entry(reference=f"{host}/own@{IMAGE.digest}", origin="x")
    return planning.plan_run(config, run="r", now=NOW, venue=HERE, entries=[entry], offline=offline)


def decision(config: Config, host: str, **options: Any) -> tuple[Decision, str]:
    """Of the cell of our own scan."""
    (cell,) = plan_of(config, host, **options).cells
    return cell.decision, cell.reason


def test_a_scan_whose_image_is_not_signed_is_skipped_with_rule_file_and_line(
    tmp_path: Path, kept: SmallRegistry
) -> None:
    with kept.serve() as served:
        config = config_of(tmp_path, served.host, rules=signed(served.host), image=f"{served.host}/own@{IMAGE.digest}")
        found, reason = decision(config, served.host)
    assert found is Decision.SKIP
    assert f"{tmp_path}/scanmatrix.yaml:4: admission.policies[0].authorities (ours): no authority" in reason
    assert f"{tmp_path}/own.yaml:3" in reason


def test_a_scan_by_a_tag_has_to_be_locked(tmp_path: Path, kept: SmallRegistry) -> None:
    sign(kept)
    with kept.serve() as served:
        config = config_of(tmp_path, served.host, rules=signed(served.host))
        assert "scanmatrix lock" in decision(config, served.host)[1]
        lock(config, only=("own",))
        found, reason = decision(config, served.host)
    assert found is not Decision.SKIP, reason


def test_a_registry_that_does_not_answer_fails_the_cell(tmp_path: Path, kept: SmallRegistry) -> None:
    kept.refuse[IMAGE.digest] = "500 Internal Server Error"
    rules = "limits: {retries: 0}\n"
    with kept.serve() as served:
        image = f"{served.host}/own@{IMAGE.digest}"
        config = config_of(tmp_path, served.host, rules=rules + signed(served.host), image=image)
        found, reason = decision(config, served.host)
        assert found is Decision.FAIL
        assert "500" in reason
        found, reason = decision(config, served.host, offline=True)
    assert found is Decision.FAIL
    assert "not asked offline" in reason


def _plan(scan: Scan) -> Plan:
    target = Target(id="t", names=(), digest="sha256:" + "0" * 64)
    return Plan(
        run="r", created="", version="", scans=(scan,), targets=(target,),
        cells=(Cell(target="t", scan=scan.name, decision=Decision.RUN),),
    )  # fmt: skip


def test_it_is_asked_again_before_a_run_starts(tmp_path: Path, kept: SmallRegistry) -> None:
    sign(kept)
    with kept.serve() as served:
        config = config_of(tmp_path, served.host, rules=f"limits: {{retries: 0}}\n{signed(served.host)}")
        plan = _plan(Scan(name="own", image=f"{served.host}/own@{IMAGE.digest}", command=("x",), format="scanmatrix"))
        check_admission(plan, config, in_cluster=True)
        assert refused_at_start(plan, config) == {}
        kept.refuse[".sig"] = "503 Service Unavailable"
        with pytest.raises(TemporaryError):
            check_admission(plan, config, in_cluster=True)
        assert "cannot be decided" in refused_at_start(plan, config)["own"]
        del kept.refuse[".sig"]
        del kept.manifests["own", f"{IMAGE.digest.replace(':', '-')}.sig"]
        with pytest.raises(NotAdmittedError, match="run r may not start as it was planned, plan a new one: own: "):
            check_admission(plan, config, in_cluster=True)
        assert "no signature at all" in refused_at_start(plan, config)["own"]


def test_cells_that_do_not_run_need_no_leave(tmp_path: Path) -> None:
    config = config_of(tmp_path, "registry.example", rules=signed("registry.example"))
    plan = _plan(Scan(name="own", image="elsewhere.example/own:1", command=("x",), format="scanmatrix"))
    skipped = (msgspec.structs.replace(plan.cells[0], decision=Decision.SKIP),)
    check_admission(msgspec.structs.replace(plan, cells=skipped), config, in_cluster=True)
    with pytest.raises(NotAdmittedError):
        check_admission(plan, config, in_cluster=True)


def test_the_memory_of_the_last_retry_counts_and_only_in_a_cluster(tmp_path: Path) -> None:
    config = config_of(tmp_path, "a.example")
    scan = Scan(name="s", image="a", command=("s",), format="x", retries=2, resources=Resources(memory_limit="2Gi"))
    (room,) = request_of(scan, config, in_cluster=True).rooms
    assert room.memory == str(6 * 1024**3)
    assert request_of(scan, config, in_cluster=False).rooms == ()


def test_an_image_is_locked_with_its_signer(tmp_path: Path, kept: SmallRegistry) -> None:
    sign(kept)
    with kept.serve() as served:
        config = config_of(tmp_path, served.host, signers=SIGNERS)
        (one,) = lock(config, only=("own",))
    assert (one.what, one.signer) == ("new", "key key.pub")
    found = read_lock(tmp_path)
    assert found is not None
    assert found.scans["own"].signer == "key key.pub"


@pytest.mark.parametrize("by", [None, "somebody else"])
def test_an_image_that_nobody_signed_who_should_have_is_not_locked(
    tmp_path: Path, kept: SmallRegistry, by: str | None
) -> None:
    if by:
        sign(kept, key=sigstore.new_key())
    with kept.serve() as served:
        config = config_of(tmp_path, served.host, signers=SIGNERS)
        with pytest.raises(LockRefusedError, match=r"scan own .* is not signed by key key.pub: "):
            lock(config, only=("own",))
    assert not (tmp_path / LOCK).exists()


def test_what_a_mirror_has_unsigned_is_locked_where_the_configuration_says_so(
    tmp_path: Path, kept: SmallRegistry
) -> None:
    with kept.serve() as served:
        config = config_of(tmp_path, served.host, signers=SIGNERS, rules="scanners: {unsigned: [own]}\n")
        assert lock(config, only=("own",))[0].signer == ""


def test_a_tag_that_moved_to_what_is_not_signed_is_not_locked(tmp_path: Path, kept: SmallRegistry) -> None:
    sign(kept)
    with kept.serve() as served:
        config = config_of(tmp_path, served.host, signers=SIGNERS)
        lock(config, only=("own",))
        before = (tmp_path / LOCK).read_bytes()
        kept.put("own", MOVED, "1")
        with pytest.raises(LockRefusedError, match=MOVED.digest):
            lock(config, only=("own",))
        assert (tmp_path / LOCK).read_bytes() == before
        sign(kept, MOVED)
        assert lock(config, only=("own",))[0].what == "moved"


def test_a_registry_that_does_not_answer_locks_nothing(tmp_path: Path, kept: SmallRegistry) -> None:
    sign(kept)
    kept.refuse[".sig"] = "503 Service Unavailable"
    with kept.serve() as served:
        config = config_of(tmp_path, served.host, signers=SIGNERS, rules="limits: {retries: 0}\n")
        with pytest.raises(LockFailedError, match="whether it is signed"):
            lock(config, only=("own",))
    assert not (tmp_path / LOCK).exists()


def test_offline_a_known_signer_stays_and_another_one_is_a_change(tmp_path: Path, kept: SmallRegistry) -> None:
    sign(kept)
    with kept.serve() as served:
        config = config_of(tmp_path, served.host)
        assert lock(config, only=("own",))[0].signer == ""
        config = config_of(tmp_path, served.host, signers=SIGNERS)
        assert lock(config, only=("own",))[0].what == "signed"
    assert lock(config, only=("own",), offline=True)[0] == msgspec.structs.replace(
        lock(config, only=("own",), offline=True)[0], what="same", signer="key key.pub"
    )


def test_the_command_says_who_signed_and_ends_with_one_for_what_may_not_run(
    tmp_path: Path, kept: SmallRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sign(kept)
    with kept.serve() as served:
        config_of(tmp_path, served.host, rules=signed(served.host))
        done = CliRunner().invoke(app, ["admit", f"{served.host}/own:1"])
        assert done.exit_code == 0, done.output
        assert f"{served.host}/own:1 may run, as {served.host}/own:1@{IMAGE.digest}" in done.output
        assert "signed by key key.pub" in done.output
        done = CliRunner().invoke(app, ["admit", "nginx", f"{served.host}/own:1", "--output", "json"])
    assert done.exit_code == 1
    first, second = json.loads(done.stdout)["images"]
    assert (first["allowed"], second["allowed"]) == (False, True)
    assert first["rulings"][0]["rule"] == "admission.policies"
    done = CliRunner().invoke(app, ["admit", "--offline", f"{served.host}/own:1"])
    assert isinstance(done.exception, TemporaryError)  # the program ends with 3 then


def test_files_of_signers_are_looked_for_and_installed(tmp_path: Path) -> None:
    config = config_of(tmp_path, "a.example", rules=signed("a.example"))
    (tmp_path / "own.yaml").write_text((tmp_path / "own.yaml").read_text())
    assert _contents(config)["key.pub"] == (tmp_path / "key.pub").read_text()
    assert lint_file(tmp_path / "scanmatrix.yaml") == []
    (tmp_path / "key.pub").unlink()
    [problem] = lint_file(tmp_path / "scanmatrix.yaml")
    assert "authorities[0].key: there is no file 'key.pub'" in str(problem)
