"""`scanmatrix lint` names each key whole, and refuses text that YAML would change."""

import pytest

from orchestrator.api.lint import lint_file
from orchestrator.config.loading import ConfigError, load_config

UNQUOTED = ["1.20", "no", "12:30:45", "0x1F", "1e3", "2024-01-01", "~", "012", "0o14", "1_000", ".5", "True", "089"]
TEXTS = [
    "targets: [{{image: a, labels: {{version: {}}}}}]",
    "targets: [{{image: a, owner: {}}}]",
    "targets: [{{image: a, scans: [sbom, {}]}}]",
    "targets: [{{csv: {{path: {}}}}}]",
    "targets: [{{repository: {{url: 'https://git.example/a', ref: {}}}}}]",
    "targets: [{{cluster: {{namespaces: [{}]}}}}]",
    "targets: [{{cluster: {{exclude: [{}]}}}}]",
    "targets: [{{cluster: {{contexts: [{}]}}}}]",
    "targets: [{{registry: {{host: a.io, repositories: [a], tags: [{}]}}}}]",
    "scans: {{parameters: {{image-lifetime: {{maxAge: {}}}}}}}",
    "scans: {{exclude: [{{image: a, reason: {}}}]}}",
    "platforms: [{}]",
    "insecure: [{}]",
    "cache: [{{upstream: {}}}]",
    "image: {}",
    "volume: {{path: {}}}",
    "volume: {{claim: {}}}",
    "allow: {{images: [{}]}}",
    "policy: {{rules: [{{name: {}}}]}}",
    "policy: {{rules: [{{name: a, owners: [{}]}}]}}",
    "scanners: {{deny: [{{image: a, versions: [{}], reason: x}}]}}",
    "scanners: {{distrusted: [{{scan: a, reason: {}}}]}}",
    "exports: {{defectdojo: {{url: 'https://a', tags: [{}]}}}}",
    "argo: {{namespace: {}}}",
    "argo: {{quota: {{memory: {}}}}}",
    "argo: {{tokenSecrets: {{github.com: {}}}}}",
    "suppression: {{author: {}}}",
]


def mistakes(tmp_path, text, name="scanmatrix.yaml"):
    file = tmp_path / name
    file.write_text(text)
    return [str(problem).removeprefix(f"{file}:") for problem in lint_file(file)]


@pytest.mark.parametrize("text", TEXTS)
def test_what_yaml_would_change_wants_quotes(tmp_path, text):
    for written in UNQUOTED:
        [message] = mistakes(tmp_path, text.format(written))
        assert f'"{written}"' in message
        assert "quotes" in message


@pytest.mark.parametrize("written", UNQUOTED)
def test_in_quotes_it_is_text(tmp_path, written):
    text = f"targets: [{{image: a, owner: '{written}', labels: {{version: '{written}'}}}}]\n"
    assert mistakes(tmp_path, text) == []


@pytest.mark.parametrize(
    ("written", "label"), [("1", "1"), ("1.5", "1.5"), ("true", "true"), ("-3", "-3"), ("1.2.3", "1.2.3")]
)
def test_a_label_that_yaml_leaves_as_it_is(tmp_path, written, label):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text(f"targets: [{{image: a, labels: {{x: {written}}}}}]\n")
    assert load_config(file, environment={}).targets[0].labels == {"x": written}


def test_a_secret_that_wants_quotes_is_not_shown(tmp_path):
    [message] = mistakes(tmp_path, "exports: {defectdojo: {url: 'https://a', token: 0123456}}")
    assert "exports.defectdojo.token" in message
    assert "123456" not in message


def test_values_of_variables(tmp_path):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text("engine: local\n")
    environment = {
        "SCANMATRIX_LIMITS__RETRIES": "many",
        "SCANMATRIX_RESCAN_AFTER": "14",
        "SCANMATRIX_TARGETS": "[{image: a, labels: {version: 1.20}}]",
        "SCANMATRIX_SCANS__PARAMETERS": "{image-lifetime: {maxAge: 12:30:45}}",
    }
    with pytest.raises(ConfigError) as caught:
        load_config(file, environment=environment)
    told = {problem.file: problem.message for problem in caught.value.problems}
    assert told["SCANMATRIX_LIMITS__RETRIES"].startswith("limits.retries: ")
    assert told["SCANMATRIX_RESCAN_AFTER"].startswith("rescanAfter: ")
    assert told["SCANMATRIX_TARGETS"].startswith("targets[0].labels.version: ")
    assert told["SCANMATRIX_SCANS__PARAMETERS"].startswith("scans.parameters.image-lifetime.maxAge: ")


def test_text_of_a_variable_is_text_whatever_it_looks_like(tmp_path):
    file = tmp_path / "scanmatrix.yaml"
    file.write_text("exports: {defectdojo: {url: 'https://a'}}\n")
    environment = {
        "SCANMATRIX_EXPORTS__DEFECTDOJO__TOKEN": "[hunter2",
        "SCANMATRIX_SUPPRESSION__AUTHOR": "Team: security",
        "SCANMATRIX_ARGO__NAMESPACE": "1e3",
        "SCANMATRIX_LIMITS__RETRIES": "010",
        "SCANMATRIX_POLICY__WARN_ONLY": "yes",
    }
    config = load_config(file, environment=environment)
    assert config.exports.defectdojo.token.get_secret_value() == "[hunter2"
    assert (config.suppression.author, config.argo.namespace) == ("Team: security", "1e3")
    assert (config.limits.retries, config.policy.warn_only) == (10, True)
    for text in ("{retries: !!float 5}", "{retries: 1, retries: 2}"):
        with pytest.raises(ConfigError, match=r"SCANMATRIX_LIMITS:1: limits(\.retries)?: "):
            load_config(file, environment={"SCANMATRIX_LIMITS": text})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rescanAfter: 14", "1: rescanAfter: 14 has no unit"),
        ("rescanAfter: {virus: 14}", "1: rescanAfter.virus: 14 has no unit"),
        ("limits: {retries: 21}", "1: limits.retries: must be at most 20"),
        ("limits: {planning: {time: 25h}}", "1: limits.planning.time: must be at most 1d"),
        ("limits: {lookups: {}}", "1: limits: unknown key 'lookups', did you mean 'lookup'?"),
        ("targets: [{image: a}, {csv: {}}]", "1: targets[1].csv: key 'path' is missing"),
        ("targets:\n- image: a\n- {image: a, archive: b}", "3: targets[1]: give it exactly one of csv, image"),
        ("volume: {overBudget: maybe}", "1: volume.overBudget: 'maybe' is not 'split' or 'refuse'"),
        ("volume: {hostPath: /etc}", "1: volume.hostPath: /etc lies in none of volume.hostPathPrefixes"),
        ("argo: {scheduler: {replicas: 2}}", "1: argo.scheduler.storeSecret: "),
        ("argo: {tokenSecrets: {github.com: A_B}}", "1: argo.tokenSecrets[github.com]: "),
        ("argo: {schedule: hourly}", "1: argo.schedule: "),
        ("argo: {schedule: '0 0 L * *'}", "1: argo.schedule: "),
        (
            "argo: {timezone: Europe/Berln}",
            "1: argo.timezone: 'Europe/Berln' is no time zone, did you mean 'Europe/B",
        ),
        ("exports: {always: [s3]}", "1: exports.always: "),
        ("policy: {rules: [{name: a, kev: true}]}", "1: policy.feeds.kev: "),
        ("policy: {rules: [{name: a, olderThan: 3}]}", "1: policy.rules[0].olderThan: 3 has no unit"),
        ("scans: {default: [sbmo]}", "1: scans.default[0]: unknown scan 'sbmo', did you mean 'sbom'?"),
        ("scans: {parameters: {image-lifetime: {maxAge: old}}}", "1: scans.parameters.image-lifetime.maxAge: "),
        ("volume: {budget: no}", "1: volume.budget: must be a size, but YAML reads no as true or false"),
        ("limits: {retries: yes}", "1: limits.retries: must be a number"),
        ("limits: {retries: '5'}", "1: limits.retries: must be a number, without quotes"),
        ("limits: {retries: 010}", "1: limits.retries: YAML reads 010 as the number 8"),
        ("limits: {deadline: 5.0}", "1: limits.deadline: 5.0 has no unit; write 5s"),
        ("policy: {warnOnly: 1}", "1: policy.warnOnly: must be true or false"),
        ("rescanAfter: yes", "1: rescanAfter: must be a duration"),
        ("rescanAfter: 999999999w", "1: rescanAfter: '999999999w' is too long"),
        (
            "targets: [{image: a, labels: {maxLifetime: 10}}]",
            "1: targets[0].labels.maxLifetime: '10' is not a duration",
        ),
        ("store: {url: nonsense}", "1: store.url: "),
        ("notify: {routes: [{email: {to: a@b.io}}]}", "1: notify.smtp: "),
        ("volume: {path: ''}", "1: volume.path: must not be empty"),
        ("argo: {quota: {memory: 512m}}", "1: argo.quota.memory: '512m': write memory like 512Mi"),
        ("scanners: {distrusted: [{scan: a, to: 20260319, reason: x}]}", "1: scanners.distrusted[0].to: "),
        (
            "scanners: {distrusted: [{scan: a, to: '9999-12-31T00:00:00-23:59', reason: x}]}",
            "1: scanners.distrusted[0].to",
        ),
        ("schedule: {retry: {first: 2d}}", "1: schedule.retry.first: is longer than"),
        (
            "scanners: {distrusted: [{scan: a, from: 2026-02-01, to: 2026-01-01, reason: x}]}",
            "1: scanners.distrusted[0].from: ",
        ),
    ],
)
def test_the_whole_key(tmp_path, text, message):
    [told] = mistakes(tmp_path, text)
    assert told.startswith(message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("resources: {memory: lots}", "resources.memory: "),
        ("resources: {memory: 1.50}", "resources.memory: "),
        ("resources: {memoryLimit: 512m}", "resources.memoryLimit: '512m': "),
        ("resources: {cpu: 1Gi}", "resources.cpu: '1Gi': "),
        ("database: {fetch: {grype: {url: u, maxAge: old}}}", "database.fetch.grype.maxAge: "),
        ("environment: {LEVEL: no}", "environment.LEVEL: "),
        ("parameters: {depth: 012}", "parameters.depth: "),
        ("database: {fetch: {grype: {url: '{workdir}'}}}", "database.fetch.grype.url: "),
        ("database: {fetch: {limit: 1Gi}}", "database.fetch: give it exactly one of trivy, grype, clamav"),
        ("timeout: 30", "timeout: 30 has no unit"),
        ("repository: {command: [x, '{checkout}', '{report}'], onlin: {}}", "repository: unknown key 'onlin'"),
    ],
)
def test_templates(tmp_path, changes, message):
    text = "name: mine\ndescription: x\nimage: x:1\nformat: sarif\ncommand: [x, '{tarball}', '{report}']\n"
    [told] = mistakes(tmp_path, text + changes, "mine.yaml")
    assert told.startswith(f"6: {message}")


def test_other_files(tmp_path):
    [told] = mistakes(tmp_path, "ignore:\n- {id: CVE-2020-1, owner: 012, reason: x}\n", "ignore.yaml")
    assert told.startswith("2: ignore[0].owner: ")
    for moment in ("9999-12-31", "'9999-12-31T00:00:00-23:59'", "20261231", "2026-W01-1"):
        [told] = mistakes(tmp_path, f"ignore:\n- {{id: CVE-2020-1, reason: x, expires: {moment}}}\n", "ignore.yaml")
        assert told.startswith("2: ignore[0].expires: ")
    [told] = mistakes(tmp_path, "image,Max Lifetime\na,30\n", "targets.csv")
    assert told.startswith("2: maxLifetime: '30' is not a duration")
    told = mistakes(tmp_path, "image,repository,ref,scans\na,,main,sbmo\na,https://b,,\n", "targets.csv")
    assert [one.split(":")[:2] for one in told] == [["2", " ref"], ["2", " scans"], ["3", " image"]]
