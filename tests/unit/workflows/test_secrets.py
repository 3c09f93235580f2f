"""What goes into a cluster's ConfigMaps and Workflows has no secret in it."""

from pathlib import Path

import msgspec
import pytest

from orchestrator.api import install as install_api
from orchestrator.api import plan as plan_api
from orchestrator.config.loading import load_config
from orchestrator.errors import UsageError
from orchestrator.model import Cell
from orchestrator.workflows import ManifestKind, render
from tests.unit.steps.plans import plan

SECRET = "hunter2-s3cret-value"
SMTP = "host: mail.example.com, from: a@example.com"
TEMPLATE = """
name: own
description: x
image: own:1
format: trivy
command: COMMAND
environment: ENVIRONMENT
"""


def install(folder: Path, text: str, **environment: str) -> str:
    (folder / "scanmatrix.yaml").write_text(text)
    return install_api.install(load_config(folder / "scanmatrix.yaml", environment=environment))


@pytest.mark.parametrize(
    ("text", "where", "to"),
    [
        (f"store: {{url: 'postgresql://u:{SECRET}@db/x'}}", "store.url", "--from-literal=url="),
        (f"store: {{url: 'postgresql://db/x?user=u&password={SECRET}'}}", "store.url", "storeSecret"),
        (f"exports: {{defectdojo: {{url: 'https://dojo.example', token: {SECRET}}}}}",
         "exports.defectdojo.token", "SCANMATRIX_EXPORTS__DEFECTDOJO__TOKEN="),
        (f"exports: {{dependencyTrack: {{url: 'https://track.example', apiKey: {SECRET}}}}}",
         "exports.dependencyTrack.apiKey", "SCANMATRIX_EXPORTS__DEPENDENCY_TRACK__API_KEY="),
        (f"notify: {{smtp: {{{SMTP}, user: u, password: {SECRET}}}}}",
         "notify.smtp.password", "${NOTIFY_SMTP_PASSWORD}"),
        (f"notify: {{routes: [{{slack: {{url: 'https://hooks.slack.com/services/T/B/{SECRET}'}}}}]}}",
         "notify.routes[0].slack.url", "${NOTIFY_ROUTES_0_SLACK_URL}"),
        (f"notify: {{routes: [{{webhook: {{url: 'https://hooks.example/{SECRET}', secret: '${{KEY}}'}}}}]}}",
         "notify.routes[0].webhook.url", "environmentSecret"),
        (f"notify: {{routes: [{{webhook: {{url: '${{URL}}', secret: {SECRET}}}}}]}}",
         "notify.routes[0].webhook.secret", "kubectl -n scanmatrix create secret generic"),
        (f"events: {{sinks: [{{url: 'https://hooks.example/{SECRET}'}}]}}",
         "events.sinks[0].url", "write ${EVENTS_SINKS_0_URL} there"),
        ("events: {sinks: [{url: 'https://hooks.example/events'}]}", "events.sinks[0].url",
         "is a secret, for who knows the URL can post to it"),
        (f"scans: {{parameters: {{dependency: {{databaseUrl: 'https://u:{SECRET}@mirror.example/x'}}}}}}",
         "scans.parameters.dependency.databaseUrl", "a scanner is given no secret"),
        (f"scans: {{parameters: {{dependency: {{databaseUrl: 'https://mirror.example/x?token={SECRET}'}}}}}}",
         "scans.parameters.dependency.databaseUrl", "a scanner is given no secret"),
        (f"targets: [{{image: a:1, labels: {{deployPassword: {SECRET}}}}}]", "deployPassword", "take it out"),
        (f"# the old one was https://u:{SECRET}@mirror.example/x\nengine: argo", "scanmatrix.yaml:1", "take it out"),
        (f"engine: argo\nargo: {{gitSecret: git}}  # ghp_{'a1' * 18}{SECRET[:0]}", "scanmatrix.yaml:2", "take it out"),
    ],
)  # fmt: skip
def test_a_secret_in_the_file_is_refused_and_its_place_in_a_secret_said(
    tmp_path: Path, text: str, where: str, to: str
) -> None:
    with pytest.raises(UsageError) as caught:
        install(tmp_path, text)
    assert where in str(caught.value)
    assert to in str(caught.value)
    assert SECRET not in str(caught.value)


def test_all_of_them_are_reported_at_once(tmp_path: Path) -> None:
    text = f"""
store: {{url: 'postgresql://u:{SECRET}@db/x'}}
exports: {{defectdojo: {{url: 'https://dojo.example', token: {SECRET}}}}}
argo: {{namespace: other, scheduler: {{environmentSecret: mine}}}}
"""
    with pytest.raises(UsageError) as caught:
        install(tmp_path, text)
    said = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in said] == ["scanmatrix.yaml:2", "scanmatrix.yaml:3"]
    assert "kubectl -n other create secret generic mine " in said[1]


def test_what_stands_in_a_secret_is_not_refused(tmp_path: Path) -> None:
    text = f"""
notify:
  smtp: {{{SMTP}, user: u, password: "${{SMTP_PASSWORD}}"}}
  routes: [{{webhook: {{url: "${{HOOK}}", secret: "${{HOOK_SECRET}}"}}}}, {{slack: {{url: "${{SLACK}}"}}}}]
exports: {{defectdojo: {{url: 'https://dojo.example'}}}}
argo: {{gitSecret: git, registrySecret: reg, scheduler: {{replicas: 1, environmentSecret: all, storeSecret: db}}}}
cache: [{{upstream: docker.io, secret: hub}}]
"""
    environment = {
        "SCANMATRIX_STORE__URL": f"postgresql://u:{SECRET}@db/x",
        "SCANMATRIX_EXPORTS__DEFECTDOJO__TOKEN": SECRET,
    }
    assert SECRET not in install(tmp_path, text, **environment)


def test_a_secret_in_a_list_of_targets_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"image,note\na:1,https://u:{SECRET}@host/\n")
    with pytest.raises(UsageError, match=r"list\.csv:2"):
        install(tmp_path, "targets: [{csv: {path: list.csv}}]")


@pytest.mark.parametrize(
    ("command", "environment"),
    [
        ('["/own", "{tarball}", "{report}"]', f"{{API_TOKEN: {SECRET}}}"),
        (f'["/own", "--api-key={SECRET}", "{{tarball}}", "{{report}}"]', "{}"),
        (f'["/own", "--api-key", "{SECRET}", "{{tarball}}", "{{report}}"]', "{}"),
        (f'["/own", "https://u:{SECRET}@host/", "{{tarball}}", "{{report}}"]', "{}"),
        ('["/own", "{tarball}", "{report}"]', f"{{MIRROR: 'https://host/?access_token={SECRET}'}}"),
    ],
)
@pytest.mark.parametrize("kind", ["install", "render", "template", "submission"])
def test_a_scan_with_a_secret_is_not_written_into_a_workflow(
    tmp_path: Path, command: str, environment: str, kind: str
) -> None:
    (tmp_path / "own.yaml").write_text(TEMPLATE.replace("COMMAND", command).replace("ENVIRONMENT", environment))
    (tmp_path / "scanmatrix.yaml").write_text("scans: {default: [own], templates: [own.yaml]}")
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    made = msgspec.structs.replace(
        plan(("a",), cells=(Cell(target="a", scan="own"),)), scans=(plan_api.load_catalog(config)["own"],)
    )
    write = {
        "install": lambda: install_api.install(config),
        "render": lambda: render(made, config),
        "template": lambda: render(made, config, kind=ManifestKind.TEMPLATE),
        "submission": lambda: render(made, config, kind=ManifestKind.SUBMISSION),
    }
    with pytest.raises(UsageError, match="secret") as caught:
        write[kind]()
    assert SECRET not in str(caught.value)


def test_a_parameter_out_of_the_environment_is_not_written_either(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dependency") as caught:
        install(
            tmp_path,
            "engine: argo",
            SCANMATRIX_SCANS__PARAMETERS=f"{{dependency: {{databaseUrl: 'https://u:{SECRET}@mirror.example'}}}}",
        )
    assert SECRET not in str(caught.value)
