"""`lint_file` on every file of ours."""

import os
import re
from pathlib import Path

import pytest

from orchestrator.api.lint import lint_file
from orchestrator.api.lint_kinds import find_kind
from orchestrator.kit.own import templates_folder
from orchestrator.kit.sources import SourceError

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
OURS = sorted([*EXAMPLES.rglob("scanmatrix.yaml"), *EXAMPLES.rglob("*.csv"), *templates_folder().rglob("*.yaml")])
OURS += sorted(EXAMPLES.glob("*/job/config.yaml"))


@pytest.mark.parametrize("path", OURS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_we_ship_is_fine(path):
    assert lint_file(path) == []


def lint(tmp_path: Path, name: str, text: str) -> list[str]:
    file = tmp_path / name
    file.write_text(text)
    return [str(problem).removeprefix(f"{tmp_path}{os.sep}") for problem in lint_file(file)]


def test_a_configuration(tmp_path):
    text = "targets:\n- {csv: {path: none.csv}}\n- image: 'a b'\n- archive: later.tar\n"
    found = lint(tmp_path, "any.yml", text)
    assert [line.split(": ")[0] for line in found] == ["any.yml:2", "any.yml:3"]
    [unknown] = lint(tmp_path, "any.yml", "scans: {default: [nope]}\n")
    assert unknown.startswith("any.yml:1: scans.default[0]: unknown scan")
    [unknown] = lint(tmp_path, "any.yml", "engine: lokal\n")
    assert unknown.startswith("any.yml:1: engine: there is no engine 'lokal', did you mean 'local'")


def test_a_csv_and_its_references(tmp_path):
    found = lint(tmp_path, "list.txt", "# ours\nimage,scans\nok:1,sbom\nNOT//ok,sbom\n")
    assert [line.split(": ")[0] for line in found] == ["list.txt:4"]


def test_a_csvs_scans_are_those_of_the_configuration_beside_it(tmp_path):
    text = "image,scans\na,mine\n"
    assert len(lint(tmp_path, "targets.csv", text)) == 1
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ndescription: x\nimage: a:1\nformat: scanmatrix\ncommand: [x, '{tarball}', '{report}']\n"
    )
    (tmp_path / "scanmatrix.yaml").write_text("scans: {templates: [mine.yaml]}\n")
    assert lint(tmp_path, "targets.csv", text) == []


def test_a_template(tmp_path):
    [found] = lint(
        tmp_path, "mine.yaml", "name: mine\ndescription: x\nimage: a:1\nformat: x\ncommand: [x]\ntimeot: 1\n"
    )
    assert found == "mine.yaml:6: unknown key 'timeot', did you mean 'timeout'?"


def test_the_environment_is_no_matter(tmp_path, monkeypatch):
    monkeypatch.setenv("SCANMATRIX_NONSENSE", "1")
    assert lint(tmp_path, "scanmatrix.yaml", "engine: local\n") == []


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("image\na\n", "x", "csv"),
        ("scans;image\n", "x", "csv"),
        ("nothing", "x.csv", "csv"),
        ("limits: {}\n", "x", "config"),
        ("image: a\n", "x.yaml", "config"),
        ("image: a\ncommand: [b]\n", "x.yaml", "template"),
        ("image: a\ncommand: [b]\ninputs: {}\n", "x.yaml", "plugin"),
        ("apiVersion: v2\nactions: []\n", "x.yaml", "job"),
        ("actions: []\n", "x.yaml", "job"),
        ("apiVersion: v2\naction: []\n", "x.yaml", "job"),
    ],
)
def test_kinds_are_distinguished_by_content(text, name, kind):
    assert find_kind(text, Path(name)) == kind


def test_a_manifest_is_none_of_ours():
    with pytest.raises(SourceError, match="Kubernetes"):
        find_kind("apiVersion: v1\nkind: Pod\n", Path("x.yaml"))


@pytest.mark.parametrize("text", ["[]", "- {id: CVE-2020-1}\n", "foo: 1\n", "text", "rules: [{id: x, reason: y}]\n"])
def test_another_file_is_not_taken_for_a_configuration(tmp_path, text):
    [problem] = lint(tmp_path, "ignore.yaml", text)
    assert {"`targets`", "`ignore`", "`name`", "`actions`", "`inputs`"} <= set(re.findall(r"`\w+`", problem))


def test_a_misspelt_first_key_is_not_another_kind_of_file(tmp_path):
    assert lint(tmp_path, "ignore.yaml", "\nignored: []\n") == [
        "ignore.yaml:2: unknown key 'ignored', did you mean 'ignore'?"
    ]


def test_a_file_that_is_not_there(tmp_path):
    [problem] = lint_file(tmp_path / "none.yaml")
    assert problem.line == 0


def test_a_list_may_name_scans_of_another_configuration(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/targets.csv").write_text("image,scans\nnginx:1,mine\n")
    template = (templates_folder() / "general.yaml").read_text().replace("name: general", "name: mine", 1)
    (tmp_path / "mine.yaml").write_text(template)
    (tmp_path / "scanmatrix.yml").write_text("scans: {templates: [mine.yaml]}\n")
    assert [problem.line for problem in lint_file(tmp_path / "lists/targets.csv")] == [2]
    assert lint_file(tmp_path / "lists/targets.csv", tmp_path / "scanmatrix.yml") == []
    (tmp_path / "targets.csv").write_text("image,scans\nnginx:1,mine\n")
    assert lint_file(tmp_path / "targets.csv") == []


JOB = """\
apiVersion: v2
actions:
- events: [{name: sh.keptn.event.test.triggered}]
  tasks:
  - image: NOT//ok
    cmd: ["ls -la"]
  - plugin: keptn-contrib/locust-tset-job
"""


def test_a_job_configuration_with_the_plugins_there_are(tmp_path):
    found = lint(tmp_path, "config.yaml", JOB)
    assert [line.split(": ")[0] for line in found] == ["config.yaml:5", "config.yaml:6", "config.yaml:7"]
    assert "actions[0].tasks[0].image: " in found[0]
    assert "warning: actions[0].tasks[0].cmd[0]: is the name of one program" in found[1]
    assert "actions[0].tasks[1].plugin: there is no plugin 'keptn-contrib/locust-tset-job', did you mean" in found[2]
    assert lint(tmp_path, "config.yaml", "apiVersion: v2\nactoins: []\n") == [
        "config.yaml:1: key 'actions' is missing",
        "config.yaml:2: unknown key 'actoins', did you mean 'actions'?",
    ]


OF_THIRD = "config.yaml:{}: actions[0].tasks[2].{}: may not run by scanmatrix.yaml:{}: admission"
POLICY = """\
admission:
  pluginsOnly: true
  digestsOnly: true
  serviceAccounts: [deployer]
  namespaces: [carts]
"""


def test_a_job_configuration_with_the_policy_of_the_configuration(tmp_path):
    job = """\
apiVersion: v2
actions:
- events: [{name: e}]
  tasks:
  - image: docker.io/library/alpine:3.22
  - plugin: keptn-contrib/locust-test-job
    files: [a]
    with: {LOCUST_TEST: a}
    serviceAccount: deployer
    namespace: carts
  - plugin: keptn-contrib/locust-test-job
    files: [a]
    with: {LOCUST_TEST: a}
    serviceAccount: root
    namespace: kube-system
"""
    assert lint(tmp_path, "config.yaml", job) == []
    (tmp_path / "scanmatrix.yaml").write_text(POLICY)
    found = lint(tmp_path, "config.yaml", job)
    of_image = "config.yaml:5: actions[0].tasks[0].image: may not run by scanmatrix.yaml"
    assert [line.replace(f"{tmp_path}{os.sep}", "") for line in found] == [
        f"{of_image}:2: admission.pluginsOnly: it names an image of its own; name a plugin",
        f"{of_image}:3: admission.digestsOnly: docker.io/library/alpine:3.22 is named by a tag; name it by its digest",
        f"{OF_THIRD.format(14, 'serviceAccount', 4)}.serviceAccounts: root is not in the list",
        f"{OF_THIRD.format(15, 'namespace', 5)}.namespaces: kube-system is not in the list",
    ]


RISKY = """\
apiVersion: v2
actions:
- events: [{name: e}]
  tasks:
  - image: alpine
    securityContext: {privileged: true}
  - image: alpine
    resources: {limits: {memory: 8Gi}}
    emptyDirSizeLimit: 1Gi
  - image: alpine
    enableKubernetesApiAccess: true
  - image: alpine
    securityContext: {runAsUser: 7000}
"""


def test_what_tasks_ask_of_the_cluster(tmp_path):
    assert lint(tmp_path, "config.yaml", RISKY) == []
    own = tmp_path / "scanmatrix.yaml"
    own.write_text("events: {jobs: {git: {url: 'https://git.example.com/jobs.git'}}}\n")
    found = lint(tmp_path, "config.yaml", RISKY)
    assert [line.partition(": ")[0] for line in found] == ["config.yaml:6", "config.yaml:9", "config.yaml:10"]
    assert "tasks[0].securityContext: may not run by " in found[0]
    assert "admission.forbidden: it asks for privileged" in found[0]
    assert "1.0 GiB for files is more than the 20.0 MiB of events.jobs.filesSize" in found[1]
    assert "enableKubernetesApiAccess needs a serviceAccount" in found[2]
    own.write_text(own.read_text() + "admission: {forbidden: [], maximum: {memory: 4Gi, emptyDir: 20Mi}}\n")
    found = lint(tmp_path, "config.yaml", RISKY)
    assert [line.partition(": ")[0] for line in found] == ["config.yaml:8", "config.yaml:9", "config.yaml:10"]
    assert "resources: may not run by" in found[0]
    assert "emptyDirSizeLimit: may not run by" in found[1]


GRANTS = """\
apiVersion: v2
actions:
- events: [{name: a}]
  tasks:
  - image: alpine
    env:
    - {name: other, valueFrom: secret}
    envFrom: [{secretRef: {name: load-a}}, {configMapRef: {name: any}}]
    emptyDirSizeLimit: 21Mi
- events: [{name: b}]
  tasks:
  - image: alpine
    namespace: kube-system
- events: [{name: c}]
  tasks:
  - image: alpine
    maxPollDuration: 7201
  - image: alpine
    namespace: loads
"""


def test_what_the_installation_lists_for_tasks(tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text(
        "argo: {namespace: scans}\nevents: {jobs: {git: {url: 'https://git.example.com/a.git'}, namespaces: [loads],"
        " longest: 2h, secrets: [load-*]}}\n"
    )
    found = lint(tmp_path, "config.yaml", GRANTS)
    wanted = {
        "7: actions[0].tasks[0].env[0].name": "the Secret other is none that tasks may read; events.jobs.secrets of",
        "8: actions[0].tasks[0].envFrom[1].configMapRef.name": "the ConfigMap any is none that tasks may read; events",
        "9: actions[0].tasks[0].emptyDirSizeLimit": "21.0 MiB for files is more than the 20.0 MiB of events.jobs.files",
        "13: actions[1].tasks[0].namespace": "tasks may not run in the namespace kube-system; events.jobs.namespaces",
        "16: actions[2].tasks[0].namespace": "the tasks of one action run in one namespace; these ask for loads, scans",
        "17: warning: actions[2].tasks[0].maxPollDuration": "is ended after 2h, by events.jobs.longest of the",
    }
    assert len(found) == len(wanted)
    for line, (place, message) in zip(found, wanted.items(), strict=True):
        assert line.startswith(f"config.yaml:{place}: {message}")


def test_folders_of_plugins(tmp_path):
    own = "events: {jobs: {git: {url: 'https://git.example.com/jobs.git'}, plugins: [own]}}\n"
    assert lint(tmp_path, "scanmatrix.yaml", own) == [
        "scanmatrix.yaml:1: events.jobs.plugins[0]: there is no folder or file 'own'"
    ]
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "greet.yaml").write_text("name: greet\n")
    found = lint(tmp_path, "scanmatrix.yaml", own)
    assert "own/greet.yaml:1: key 'image' is missing" in found
    text = f"description: x\nimage: a@sha256:{'0' * 64}\ncommand: [x]\ninputs: {{}}\n"
    (tmp_path / "own" / "greet.yaml").write_text(f"name: greet\n{text}")
    assert lint(tmp_path, "scanmatrix.yaml", own) == []
    assert lint(tmp_path, "scanmatrix.yaml", own.replace("[own]", "own/greet.yaml")) == []
    job = "apiVersion: v2\nactions: [{events: [{name: e}], tasks: [{plugin: greet}]}]\n"
    assert lint(tmp_path, "config.yaml", job) == []


def test_signatures_are_not_asked_for(tmp_path, monkeypatch):
    def connect(*_, **__):
        raise AssertionError("a registry was asked")

    monkeypatch.setattr("socket.create_connection", connect)
    (tmp_path / "key.pem").write_text("x")
    (tmp_path / "scanmatrix.yaml").write_text(
        "admission: {policies: [{name: a, images: ['docker.io/*'], authorities: [{key: key.pem}]}]}\n"
    )
    job = "apiVersion: v2\nactions: [{events: [{name: e}], tasks: [{image: alpine}, {image: quay.io/a/b}]}]\n"
    [refused] = lint(tmp_path, "config.yaml", job)
    assert "no policy is about quay.io/a/b" in refused


def test_a_plugin(tmp_path):
    text = f"name: mine\ndescription: x\nimage: a@sha256:{'0' * 64}\ncommand: [x, '{{A}}']\ninputs: {{}}\n"
    assert lint(tmp_path, "mine.yaml", text) == [
        "mine.yaml:4: command[1]: unknown placeholder {A} (nothing is filled in here)"
    ]
