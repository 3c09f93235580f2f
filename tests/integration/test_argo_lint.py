"""What is rendered, before the judge of the real thing: `argo lint --offline`."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from orchestrator.config.loading import default_config
from orchestrator.workflows import ManifestKind, render
from orchestrator.workflows.jobs import compiled
from orchestrator.workflows.manifests import results, retry
from tests.tools import require
from tests.unit.config.test_times import BAD, GOOD, STRICTER
from tests.unit.workflows.examples import EXAMPLES, example, names, variants
from tests.unit.workflows.jobs import config_of, job, order_of
from tests.unit.workflows.test_jobs import EXPRESSIONS, IMAGE, WHOLE
from tests.unit.workflows.test_repositories import TOKENS, mixed


@pytest.fixture
def lint(tmp_path: Path):
    """Write manifests into files and have Argo look at all of them at once."""
    argo = require("argo")

    def run(*texts: str) -> subprocess.CompletedProcess[str]:
        files = []
        for number, text in enumerate(texts):
            files.append(tmp_path / f"{number}.yaml")
            files[-1].write_text(text)
        return subprocess.run(
            [argo, "lint", "--offline", "--no-color", *files], capture_output=True, text=True, check=False
        )

    return run


def assert_clean(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 0, result.stdout + result.stderr
    assert "no linting errors" in result.stdout


@pytest.mark.parametrize("name", names())
def test_every_example(lint, name):
    plan, config = example(name)
    template = render(plan, config, kind=ManifestKind.TEMPLATE)
    assert_clean(lint(render(plan, config)))
    assert_clean(lint(template, render(plan, config, kind=ManifestKind.SUBMISSION)))
    if config.argo.schedule:
        assert_clean(lint(template, render(plan, config, kind=ManifestKind.SCHEDULE)))


@pytest.mark.parametrize("name", variants())
@pytest.mark.parametrize("layout", ["cell", "image"])
@pytest.mark.parametrize("secret", [None, "login"])
def test_every_shape_of_a_workflow(lint, name, secret, layout):
    plan = variants()[name]
    config = default_config(environment={}, layout=layout, argo={"registrySecret": secret, "schedule": "*/5 * * * *"})
    texts = [
        render(plan, config, kind=kind)
        for kind in (ManifestKind.TEMPLATE, ManifestKind.SUBMISSION, ManifestKind.SCHEDULE)
    ]
    more = [yaml.safe_dump(made) for made in (retry("run-1", config, "run-1-r"), results("run-1", config, "run-1-o"))]
    assert_clean(lint(render(plan, config), *texts, *more))


@pytest.mark.parametrize("layout", ["cell", "image"])
@pytest.mark.parametrize("images", [True, False])
def test_repositories_some_of_which_ask_an_api(lint, layout, images):
    plan = mixed(images=images)
    config = default_config(environment={}, layout=layout, **TOKENS)
    template = render(mixed(images=False), config, kind=ManifestKind.TEMPLATE)
    assert "semaphores" in template
    assert_clean(lint(render(plan, config), template, render(plan, config, kind=ManifestKind.SUBMISSION)))


def test_every_rendered_file_of_the_examples(lint):
    files = [
        path.read_text() for path in sorted(EXAMPLES.glob("*/*.yaml")) if "apiVersion: argoproj.io" in path.read_text()
    ]
    assert len(files) >= 5
    assert_clean(lint(*files))


def test_the_judge_does_judge(lint):
    plan, config = example("seed")
    text = render(plan, config)
    for right, wrong in (
        ("template: scan-virus", "template: scan-viruss"),
        ("{{inputs.parameters.target}}", "{{inputs.parameters.targett}}"),
        ("failFast", "failfast"),
    ):
        assert lint(text.replace(right, wrong)).returncode != 0, wrong


def test_schedules_are_judged_as_argo_judges_them(lint):
    """What we refuse Argo refuses too, but for the few that mean nothing to it."""

    def manifest(number: int, schedule: str) -> str:
        workflow = {"entrypoint": "a", "templates": [{"name": "a", "suspend": {}}]}
        spec = {"schedules": [schedule], "timezone": "Etc/UTC", "workflowSpec": workflow}
        kind = {"apiVersion": "argoproj.io/v1alpha1", "kind": "CronWorkflow"}
        return yaml.safe_dump(kind | {"metadata": {"name": f"cron-{number}"}, "spec": spec})

    assert_clean(lint(*(manifest(number, each) for number, each in enumerate([*GOOD, *STRICTER]))))
    found = lint(*(manifest(number, each) for number, each in enumerate(BAD))).stdout
    assert [each for number, each in enumerate(BAD) if f'"cron-{number}"' not in found] == []


def test_jobs_of_events(lint, tmp_path):
    config = config_of(tmp_path)
    words = "\n".join(f"    - {json.dumps(text)}" for text in EXPRESSIONS)
    tricky = job(f"- image: {IMAGE}\n  cmd: [show]\n  args:\n{words}")
    made = [compiled(order_of(text), config).workflow for text in (WHOLE, tricky)]
    assert_clean(lint(*map(yaml.safe_dump, made)))
