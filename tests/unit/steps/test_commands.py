import errno
import json
import os
from pathlib import Path

import msgspec
import pytest
from kubernetes.config import kube_config

from orchestrator.argo.packed import pack
from orchestrator.findings import scanmatrix
from orchestrator.model import CellRecord, Database, DatabaseFetch, Ledger, Outcome, Policy
from orchestrator.model.documents import encode, read
from orchestrator.steps import asking
from orchestrator.steps.__main__ import main
from orchestrator.upkeep.databases import current
from orchestrator.upkeep.plans import read_plan, write_plan
from orchestrator.volume.layout import Volume, write_atomic
from tests.tools.images import Image, layer
from tests.unit.steps.plans import plan, scans_of, skip, target
from tests.unit.tarballs import write_tarball


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return Volume(tmp_path / "volume")


@pytest.fixture
def step(volume: Volume, capsys: pytest.CaptureFixture[str]):
    """A step's exit status, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        command = [str(argument) for argument in arguments]
        if command[0] != "check":
            command += ["--volume", str(volume.root)]
        try:
            status = main(command)
        except SystemExit as error:
            status = int(error.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return run


def _full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def one_line(text: str) -> bool:
    return text.startswith("scanmatrix-step: ") and text.count("\n") == 1


def test_plan_unpacks_the_packed_one(step, volume, tmp_path):
    made = plan(("a",))
    packed = tmp_path / "packed"
    packed.write_text(pack(made) + "\n")
    assert step("plan", packed)[0] == 0
    assert read_plan("run-1", volume) == made
    assert step("plan", packed)[0] == 0


def test_a_database_of_manifests_of_an_earlier_version(step, volume):
    """The scanner wrote on the volume, and only `fetch` knew the run."""
    told = ("--scan", "virus", "--key", "flow")
    assert step("database", "prepare", *told)[0] == 0
    (volume.databases("virus") / ".incoming-flow" / "db").write_text("x")
    assert step("database", "commit", *told)[0] == 0
    assert current(volume, "virus")


@pytest.mark.parametrize("loads", [False, True])
def test_a_fetch_that_fails_leaves_nothing_on_the_volume(step, volume, tmp_path, *, loads):
    own = tmp_path / "own"
    own.mkdir()
    (own / "db").write_text("x")
    made = plan(("a",))
    database = Database(fetch=DatabaseFetch("folder", {"path": str(own)}), load=("load",) * loads)
    virus = msgspec.structs.replace(made.scans[1], database=database)
    write_plan(msgspec.structs.replace(made, scans=(made.scans[0], virus)), volume)
    given = ("database", "fetch", "--scan", "virus", "--key", "flow", "--run", "run-1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestrator.databases.folder.os.fsync", _full)
        assert step(*given)[0] != 0
    assert list(volume.databases("virus").glob(".*-flow")) == []
    assert step(*given)[0] == 0


def test_a_command_that_left_a_pipe_leaves_nothing_on_the_volume(step, volume):
    write_plan(plan(("a",)), volume)
    given = ("database", "commit", "--scan", "virus", "--key", "flow", "--run", "run-1")
    (volume.databases("virus") / ".incoming-flow").mkdir(parents=True)
    os.mkfifo(volume.databases("virus") / ".incoming-flow" / "pipe")
    status, _, err = step(*given)
    assert (status, "holds devices" in err) == (1, True)
    assert list(volume.databases("virus").glob(".*-flow")) == []


def test_plan_of_a_template_takes_the_workflows_name_and_writes_outputs(step, volume, tmp_path):
    made = plan(("a", "b"))
    made = plan(("a", "b"), targets=made.targets, cells=(*made.cells[:1], *map(skip, made.cells[1:])))
    packed = tmp_path / "packed"
    packed.write_text(pack(made))
    assert step("plan", packed, "--run", "wf-1", "--outputs", tmp_path / "out", *scans_of(made))[0] == 0
    assert read_plan("wf-1", volume) == msgspec.structs.replace(made, run="wf-1")
    assert [item["target"] for item in json.loads((tmp_path / "out" / "images").read_text())] == ["a"]
    assert (tmp_path / "out" / "scans").read_text() == ",,"  # no scan that runs has a database
    assert json.loads((tmp_path / "out" / "shards").read_text()) == []


def test_plan_in_the_cluster_plans_from_the_configuration(step, volume, tmp_path):
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(
        f"targets: [{{image: 'busybox@sha256:{'1' * 64}'}}]\n"
        "cache: [{upstream: docker.io, url: 'http://127.0.0.1:9'}]\n"
        "limits: {retries: 0}\n"
    )
    packed = tmp_path / "packed"
    packed.write_text("")
    status, _, err = step("plan", packed, "--config", config, "--run", "wf-1", "--outputs", tmp_path / "out")
    assert status == 0, err
    made = read_plan("wf-1", volume)
    # The cache does not answer: the target is a failed row, and there is nothing to run.
    assert made.targets[0].error
    assert json.loads((tmp_path / "out" / "images").read_text()) == []
    assert (tmp_path / "out" / "scans").read_text() == ",,"


def test_plan_without_plan_and_configuration_is_wrong_use(step, tmp_path):
    packed = tmp_path / "packed"
    packed.write_text("\n")
    status, _, err = step("plan", packed, "--config", tmp_path / "none.yaml")
    assert status == 2
    assert one_line(err)


def test_a_damaged_packed_plan_fails_for_good(step, tmp_path):
    packed = tmp_path / "packed"
    packed.write_text(pack(plan(("a",)))[:-40])
    status, _, err = step("plan", packed)
    assert status == 1
    assert one_line(err)


def test_a_pull_whose_attempts_are_used_up_is_not_repeated_and_leaves_the_reason_with_its_cells(step, volume):
    # A port that nobody listens on.
    write_plan(plan(("a",)), volume)
    status, _, err = step("pull", "--run", "run-1", "--target", "a")
    assert status == 1
    assert one_line(err)
    for scan in ("root-user", "virus"):
        assert read(volume.record("run-1", "a", scan), CellRecord).error.startswith("pull: ")


def test_a_pull_that_fails_for_good_says_so_and_spares_cells_that_ended_well(step, volume, tmp_path):
    write_plan(plan(("a",), targets=(target("a", pull=f"file:{tmp_path}/none.tar"),)), volume)
    ended = CellRecord(attempts=1, started="2025-06-01T00:00:00Z", finished="2025-06-01T00:00:01Z", exit_code=0)
    write_atomic(volume.record("run-1", "a", "virus"), encode(ended))
    status, _, err = step("pull", "--run", "run-1", "--target", "a")
    assert status == 1
    assert one_line(err)
    assert read(volume.record("run-1", "a", "virus"), CellRecord) == ended
    assert read(volume.record("run-1", "a", "root-user"), CellRecord).error


@pytest.mark.parametrize(
    "command",
    [
        ("pull", "--run", "run-1", "--target", "a"),
        ("stage", "--run", "run-1", "--target", "a", "--scan", "virus"),
        ("evict", "--run", "run-1", "--shard", "001"),
        ("aggregate", "--run", "run-1"),
        ("pull", "--run", "../x", "--target", "a"),
    ],
)
def test_a_step_without_its_plan_fails_in_one_line(step, command):
    status, _, err = step(*command)
    assert status == 1
    assert one_line(err)


@pytest.mark.parametrize("command", [(), ("scan",), ("pull",), ("database", "swap", "--scan", "a", "--key", "b")])
def test_wrong_arguments_are_wrong_use(command):
    with pytest.raises(SystemExit) as stopped:
        main(command)
    assert stopped.value.code == 2


def test_check_writes_a_report(step, tmp_path):
    tarball = write_tarball(tmp_path / "image.tar", Image.build([layer({"a": ""})]))
    report = tmp_path / "report.json"
    assert step("check", "root-user", f"--tarball={tarball}", f"--report={report}")[0] == 0
    assert [one.id for one in scanmatrix.parse(report.read_bytes()).findings] == ["root-user"]
    status, _, err = step("check", "image-lifetime", f"--tarball={tarball}", f"--report={report}", "--max-age=soon")
    assert status == 2
    assert one_line(err)
    (tmp_path / "max-age").write_text("later")  # the stage step leaves it there: this image's own
    status, _, err = step("check", "image-lifetime", f"--tarball={tarball}", f"--report={report}", "--max-age=180d")
    assert status == 2
    assert "later" in err


def test_a_database_that_a_command_made_is_committed(step, volume, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    (made / "main.cvd").write_text("x")
    key = ("--scan", "virus", "--key", "wf-1", "--made", str(made), "--most", "1")
    status, out, _ = step("database", "commit", *key, "--longest", "60")
    assert status == 0
    assert out.strip() == current(volume, "virus")
    assert (volume.databases("virus") / "current" / "main.cvd").read_text() == "x"


@pytest.mark.parametrize("phase", ["finish", "commit"])
def test_a_database_of_more_bytes_than_the_limit_fails_for_good(step, volume, tmp_path, phase):
    (tmp_path / "main.cvd").write_text("xy")
    key = ("--scan", "virus", "--key", "wf-1", "--made", str(tmp_path), "--most", "1")
    status, _, err = step("database", phase, *key)
    assert status == 1
    assert "more than 1 bytes (limits.databaseDisk)" in err
    assert one_line(err)
    assert current(volume, "virus") == ""
    assert not any(volume.databases("virus").iterdir())


def test_a_database_that_was_not_filled_fails_for_good(step, volume, tmp_path):
    key = ("--scan", "virus", "--key", "wf-1", "--made", str(tmp_path))
    status, _, err = step("database", "commit", *key)
    assert status == 1
    assert one_line(err)
    assert current(volume, "virus") == ""


def test_the_end_of_a_run_is_the_policys_to_judge(step, volume):
    made = plan(("a",))
    write_plan(made, volume)
    status, out, err = step("aggregate", "--run", "run-1")
    assert status == 1
    assert "2 failed" in out
    assert "policy" in err
    ledger = read(volume.results("run-1") / "ledger.json", Ledger)
    assert ledger.count(Outcome.FAILED) == 2


def test_a_run_whose_policy_only_warns_ends_well(step, volume):
    made = msgspec.structs.replace(plan(("a",)), policy=Policy(warn_only=True))
    write_plan(made, volume)
    assert step("aggregate", "--run", "run-1")[0] == 0


def test_evict_takes_the_tarballs_of_one_shard(step, volume):
    made = plan(("a",), ("b",))
    write_plan(made, volume)
    volume.blob(made.targets[0].digest).parent.mkdir()
    for one in made.targets:
        volume.blob(one.digest).write_bytes(b"x" * 10)
    status, out, _ = step("evict", "--run", "run-1", "--shard", "001")
    assert (status, out) == (0, "10 bytes freed\n")
    assert [volume.blob(one.digest).exists() for one in made.targets] == [False, True]


def test_a_volume_that_cannot_be_written_may_be_better_next_time(step, volume, tmp_path):
    packed = tmp_path / "packed"
    packed.write_text(pack(plan(("a",))))
    volume.root.write_text("a file where the volume should be")
    status, _, err = step("plan", packed)
    assert status == 75
    assert one_line(err)


def test_a_cluster_that_cannot_even_be_named_costs_no_ledger(step, volume, tmp_path, monkeypatch):
    """A token, as in a pod, and nowhere to go with it."""
    monkeypatch.setattr(asking, "TOKEN", tmp_path)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    made = plan(("a",))
    write_plan(made, volume)
    for name in ("left", "aggregate"):
        outputs = ("--outputs", tmp_path / "out") if name == "left" else ()
        status, _, err = step(name, "--run", made.run, "--namespace", "scans", *outputs)
        assert "the cluster did not tell" in err
        assert status == (0 if name == "left" else 1)
    assert read(volume.results(made.run) / "ledger.json", Ledger).count(Outcome.FAILED) == 2
    assert "the cluster did not tell" in (volume.results(made.run) / "summary.md").read_text()
