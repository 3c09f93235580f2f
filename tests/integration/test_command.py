"""Every command, run as a user runs it: exit status, and a stdout that programs can read.

Of each kind of command one begins as a program of its own; the others are forked, which takes a fifth of the time.
"""

import json
import os
import pty
import select
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from orchestrator.argo.log_archive import FILES
from tests.integration import command as begun
from tests.integration.command import COMMAND
from tests.integration.forked import scanmatrix
from tests.tools import layouts, samples
from tests.tools.push import push
from tests.tools.servers import Registry

COMMANDS = ["plan", "run", "render", "templates", "lint"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with two images, a CSV, and a configuration of the built-in scans."""
    layouts.write_archive(tmp_path / "web.tar", samples.system())
    layouts.write_archive(tmp_path / "static.tar", samples.distroless())
    config = {
        "targets": [{"archive": "web.tar", "owner": "team-web"}, {"archive": "static.tar"}],
        "scans": {"default": ["root-user", "distroless"]},
    }
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str, tmp_path: Path) -> None:
    done = begun.scanmatrix(command, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert f"Example: scanmatrix {command}" in " ".join(done.stdout.split())


def test_run_accounts_for_every_cell_and_leaves_its_results(folder: Path) -> None:
    done = begun.scanmatrix("run", "--output", "json", "--run-id", "first", cwd=folder)
    assert done.returncode == 0
    named, *told, remark = done.stderr.splitlines()
    assert [line.endswith(": ok") for line in told] == [False] + [True] * 6  # what there is, two pulls, four cells
    assert named == "scanmatrix: using scanmatrix.yaml"
    assert "no severity rule is set" in remark
    ledger = json.loads(done.stdout)
    assert [row["outcome"] for row in ledger["rows"]] == ["ok"] * 4
    findings = {(row["references"][0].rpartition("/")[2], row["scan"]): row["findings"] for row in ledger["rows"]}
    assert findings["web.tar", "root-user"] == 1
    assert findings["static.tar", "root-user"] == 0
    assert findings["static.tar", "distroless"] == 0
    results = folder / "scanmatrix-data" / "results" / "first"
    assert {path.name for path in results.iterdir()} == set(FILES)


def test_the_store_answers_what_is_due_known_and_there(folder: Path) -> None:
    assert scanmatrix("run", cwd=folder).returncode == 0
    done = begun.scanmatrix("store", "stale", "--age", "7d", cwd=folder)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "nothing is due; the answer covers 2 of 2 targets",
    )
    due = json.loads(scanmatrix("store", "stale", "--scan", "root-user", "--output", "json", cwd=folder).stdout)["due"]
    assert {(row["owners"][0] if row["owners"] else "", row["scan"], row["why"]) for row in due} == {
        ("team-web", "root-user", "old"),
        ("", "root-user", "old"),
    }
    done = scanmatrix("store", "targets", "web.tar", "--output", "json", cwd=folder)
    [target] = json.loads(done.stdout)["targets"]
    assert (target["owners"], [state["scan"] for state in target["states"]]) == (
        ["team-web"],
        ["distroless", "root-user"],
    )
    done = scanmatrix("store", "targets", "wbe.tar", cwd=folder)
    assert done.returncode == 4
    assert "did you mean 'web.tar'" in done.stderr
    done = scanmatrix("store", "overview", "--age", "7d", cwd=folder)
    assert done.returncode == 0
    rows = [line.split()[:3] for line in done.stdout.splitlines()[1:3]]
    assert rows == [["distroless", "2", "2"], ["root-user", "2", "2"]]


def test_plan_marks_what_runs_and_says_why_not(folder: Path) -> None:
    done = scanmatrix("plan", "web.tar", "no/Such Image", "--scan", "root-user", cwd=folder)
    assert done.returncode == 0
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    web = next(line for name, line in rows.items() if name.endswith("web.tar"))
    assert web.split()[-1] == "x"
    assert "no/Such Image" in done.stdout


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_plan_is_data_for_programs(folder: Path, output: str) -> None:
    done = begun.scanmatrix("plan", "--output", output, cwd=folder)
    plan = json.loads(done.stdout) if output == "json" else yaml.safe_load(done.stdout)
    assert plan["budget"]["cells"] == 4
    assert {cell["decision"] for cell in plan["cells"]} == {"run"}
    assert plan["targets"][0]["size"] > 0


def test_an_image_of_a_registry_needs_no_configuration(registry: Registry, repository: str, tmp_path: Path) -> None:
    push(registry.host, repository, samples.system(), tag="1.2")
    done = scanmatrix(
        "run", f"{registry.host}/{repository}:1.2", "--scan", "sbom", "--scan", "image-lifetime", "--all", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    (sbom,) = (line.split() for line in done.stdout.splitlines() if " sbom " in line)
    assert sbom[0].endswith(f"{repository}:1.2")
    assert sbom[2:] == ["ok", "0", "3"], "two packages and the distribution"


def test_a_broken_policy_is_status_1_and_says_what_broke_it(folder: Path) -> None:
    environment = {"SCANMATRIX_POLICY__SEVERITY": "low"}
    done = scanmatrix("run", "--output", "json", cwd=folder, environment=environment)
    assert done.returncode == 1
    assert json.loads(done.stdout)["verdict"]["passed"] is False
    assert "policy" in done.stderr


def test_a_cell_that_fails_breaks_the_default_policy(folder: Path) -> None:
    done = scanmatrix("run", "web.tar", "missing.tar", "--scan", "root-user", "--output", "json", cwd=folder)
    assert done.returncode == 1
    rows = {row["references"][0].rpartition("/")[2]: row for row in json.loads(done.stdout)["rows"]}
    outcomes = {name.split(":")[0]: row["outcome"] for name, row in rows.items()}
    assert outcomes == {"web.tar": "ok", "missing.tar": "failed"}


@pytest.mark.parametrize(
    "words", [["run", "--resume"], ["status"], ["retry"], ["results", "show", "--run"]], ids=" ".join
)
def test_a_run_that_nobody_knows_has_a_status_of_its_own(folder: Path, words: list[str]) -> None:
    assert scanmatrix("run", "web.tar", "--scan", "root-user", cwd=folder).returncode == 0
    done = scanmatrix(*words, "no-such-run", cwd=folder)
    assert (done.returncode, "no-such-run" in done.stderr) == (4, True), done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "web.tar", "--resume", "some-run"], "--resume some-run runs the plan of that run"),
        (["plan", "web.tar", "--target", "web.tar"], "not both"),
        (["plan", "--target", " "], "an empty --target matches nothing"),
        (["results", "list", "--volume", ""], "'--volume': an empty name is no path"),
        (["plan", "--config", ""], "an empty name is no path"),
        (["plan", "-c", "broken.yaml", "--config", "unknown.yaml"], "--config is given 2 times"),
        (["results", "show", "--target", "a", "--target", "b"], "--target is given 2 times"),
        (["run", "--config", "no-such-file.yaml"], "no-such-file.yaml"),
        (["plan", "--scan", "dependancy", "web.tar"], "dependency"),
        (["plan", "--run-id", "../escape", "web.tar"], "../escape"),
        (["plan", "--config", "broken.yaml"], "broken.yaml:2"),
        (["plan", "--config", "unknown.yaml"], "unknown.yaml:2: unknown key 'limts', did you mean 'limits'?"),
        (["lint"], "FILE"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_what_the_user_got_wrong_is_status_2_in_words(folder: Path, arguments: list[str], said: str) -> None:
    (folder / "broken.yaml").write_text("targets:\n\t- nothing\n")
    (folder / "unknown.yaml").write_text("targets: []\nlimts: {retries: 1}\n")
    done = scanmatrix(*arguments, cwd=folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_nothing_to_scan_is_status_2(tmp_path: Path) -> None:
    done = scanmatrix("run", cwd=tmp_path)
    assert done.returncode == 2
    assert "targets" in done.stderr


@pytest.mark.parametrize("command", [("run",), ("status",), ("results", "list")], ids=" ".join)
def test_a_volume_that_is_no_folder_is_refused(folder: Path, command: tuple[str, ...]) -> None:
    (folder / "file").write_text("in the way")
    done = scanmatrix(*command, "--volume", "file", cwd=folder)
    assert done.returncode == 2
    assert f"the volume {folder / 'file'} is not a folder" in done.stderr


def test_the_configuration_of_the_folder_holds_for_what_is_named_too(folder: Path) -> None:
    done = scanmatrix("run", "web.tar", "--volume", "elsewhere", "--run-id", "one", "--output", "json", cwd=folder)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {(row["scan"], *row["owners"]) for row in rows} == {("root-user", "team-web"), ("distroless", "team-web")}
    shown = begun.scanmatrix("results", "show", "one", "--target", "web.tar", "--volume", "elsewhere", cwd=folder)
    assert "root-user" in shown.stdout, shown.stderr
    said = begun.scanmatrix("logs", "one", "web.tar", "root-user", "--volume", "elsewhere", cwd=folder)
    assert said.returncode == 0, said.stderr
    assert not (folder / "scanmatrix-data").exists()


def test_some_of_the_configured_targets_are_run(folder: Path) -> None:
    done = scanmatrix("run", "--target", "stat*", "--run-id", "some", "--output", "json", cwd=folder)
    assert {row["references"][0].rpartition("/")[2] for row in json.loads(done.stdout)["rows"]} == {"static.tar"}
    none = scanmatrix("plan", "--target", "wbe.tar", cwd=folder)
    assert none.returncode == 2
    assert "no configured target matches 'wbe.tar', did you mean 'web.tar'?" in none.stderr


def test_two_configurations_a_pipe_and_a_link_that_leads_nowhere_are_refused(folder: Path) -> None:
    (folder / "scanmatrix.yml").symlink_to("nowhere.yaml")
    both = begun.scanmatrix("status", cwd=folder)
    assert both.returncode == 2
    assert "scanmatrix.yaml and scanmatrix.yml are both in" in both.stderr
    (folder / "scanmatrix.yaml").unlink()
    os.mkfifo(folder / "scanmatrix.yaml")
    (folder / "scanmatrix.yml").rename(folder / "link")
    pipe = scanmatrix("status", cwd=folder)
    assert pipe.returncode == 2
    assert "scanmatrix.yaml is neither a file nor a link to one" in pipe.stderr
    (folder / "scanmatrix.yaml").unlink()
    (folder / "link").rename(folder / "scanmatrix.yml")
    dangling = scanmatrix("run", "web.tar", cwd=folder)
    assert dangling.returncode == 2
    assert "scanmatrix.yml" in dangling.stderr


def test_render_writes_manifests_only(folder: Path) -> None:
    image = "registry.example/app@sha256:" + "a" * 64
    done = begun.scanmatrix("render", "--offline", image, "--scan", "root-user", "--run-id", "first", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "scanmatrix: using scanmatrix.yaml\n")
    assert [manifest["kind"] for manifest in yaml.safe_load_all(done.stdout)] == ["Workflow"]


def test_render_refuses_what_no_pod_can_read(folder: Path) -> None:
    done = scanmatrix("render", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "web.tar: a file of this machine, which no pod can read; push the image" in done.stderr


def test_render_offline_plans_from_digests_alone(folder: Path) -> None:
    image = "registry.example/app@sha256:" + "a" * 64
    done = scanmatrix("render", "--offline", image, "--scan", "sbom", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "registry.example/app" in done.stdout


def test_templates_are_listed(tmp_path: Path) -> None:
    done = begun.scanmatrix("templates", "--output", "json", cwd=tmp_path)
    names = {scan["name"] for scan in json.loads(done.stdout)["scans"]}
    assert {
        "general", "dependency", "virus", "sbom", "secrets", "image-lifetime", "root-user", "distroless",
    } <= names  # fmt: skip


def test_lint_points_at_the_line(folder: Path) -> None:
    (folder / "unknown.yaml").write_text("targets: []\nlimts: {retries: 1}\n")
    done = begun.scanmatrix("lint", "scanmatrix.yaml", "unknown.yaml", cwd=folder)
    assert done.returncode == 2
    assert done.stdout.startswith("unknown.yaml:2:")
    assert scanmatrix("lint", "scanmatrix.yaml", cwd=folder).returncode == 0


def test_a_volume_without_runs_is_said_to_have_none(tmp_path: Path) -> None:
    for command in (("status",), ("results", "list")):
        done = scanmatrix(*command, "--volume", "nowhere", cwd=tmp_path)
        assert done.returncode == 0
        assert f"on {tmp_path / 'nowhere'}" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_real_bash_completes_a_tag_behind_its_colon(folder: Path) -> None:
    (folder / "scanmatrix.yaml").write_text("targets: [{image: registry.example/shop/web:1.0}]\n")
    script = subprocess.run(
        [COMMAND], env=os.environ | {"_SCANMATRIX_COMPLETE": "source_bash"}, capture_output=True, check=True, text=True
    )
    (folder / "completion.sh").write_text(f"PATH={shlex.quote(str(COMMAND.parent))}:$PATH\n{script.stdout}\n")
    ours, its = pty.openpty()
    bash = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        cwd=folder, stdin=its, stdout=its, stderr=its, start_new_session=True,
        env=os.environ | {"TERM": "dumb", "INPUTRC": os.devnull, "PS1": "ready "},
    )  # fmt: skip
    try:
        os.close(its)
        written = ""
        for seen, typed in (
            (("ready ", 1), b". ./completion.sh\n"),
            (("ready ", 2), b"scanmatrix plan --target=shop/web:1.\t"),
            (("1.0 ", 1), b""),
        ):
            while written.count(seen[0]) < seen[1] and select.select([ours], [], [], 60)[0]:
                written += os.read(ours, 4096).decode()
            os.write(ours, typed)
        assert written.endswith("ready scanmatrix plan --target=shop/web:1.0 ")
    finally:
        bash.kill()
        bash.wait()
        os.close(ours)
