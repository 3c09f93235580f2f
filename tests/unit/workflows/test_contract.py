"""What manifests say is what the other side reads: step commands, parameters, outputs, templates, labels, paths."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from typer.main import get_command

from orchestrator.argo import names, parameters
from orchestrator.argo.agreed import PROGRAM, Phase
from orchestrator.argo.arguments import Form, Step
from orchestrator.argo.attempts import AttemptKind, attempt_of
from orchestrator.argo.command_line import parse, render
from orchestrator.argo.commands import STEPS, CheckStep, DatabaseStep, PlanStep
from orchestrator.argo.items import Item, make_items
from orchestrator.argo.parameters import Input, Output, Parameter
from orchestrator.argo.sbom_batches import SbomItem
from orchestrator.catalog.loading import load_catalog
from orchestrator.cli.app import app
from orchestrator.cluster.objects import Node
from orchestrator.config.loading import Config, default_config, load_config
from orchestrator.model import Cell, Database, DatabaseFetch, Plan
from orchestrator.model.plan import pending
from orchestrator.steps.incluster import divide, write_outputs
from orchestrator.upkeep.databases import fetched_folder, incoming_folder, pinned
from orchestrator.volume.layout import MAX_AGE, Volume
from orchestrator.workflows import ManifestKind, manifests
from orchestrator.workflows.install import Overlay
from orchestrator.workflows.install.caches import dropper
from orchestrator.workflows.install.network import policy_of_service
from orchestrator.workflows.install.workers import workers
from orchestrator.workflows.jobs import compiled
from tests.unit.steps.plans import plan
from tests.unit.workflows.examples import example, variants
from tests.unit.workflows.jobs import config_of, order_of
from tests.unit.workflows.test_install import SHIPPED, objects
from tests.unit.workflows.test_jobs import WHOLE
from tests.unit.workflows.test_repositories import CARD, TOKENS, mixed

RUN, WORKFLOW, TARGET = "run-1", "wf-1", "a"
INPUTS = {Input.TARGET: TARGET, Input.RUN: RUN, Input.SHARD: "002", Input.SCANS: ",virus,",
          Input.SHARDS: "[]", Input.BATCH: "001",
          Input.SERVER: "github.com", Input.REPOSITORY: "github.com/a/b", Input.COMMIT: "0" * 40,
          }  # fmt: skip
FILLED = {parameters.RUN_ID: RUN, parameters.WORKFLOW_NAME: WORKFLOW, parameters.WORKFLOW_UID: "a1b2"}
FILLED |= {parameters.workflow(name): value for name, value in parameters.DEFAULTS.items()}
FILLED |= {parameters.given(name): value for name, value in INPUTS.items()}
PLACEHOLDER = re.compile(r"\{\{.*?\}\}")
#: Argo adds the path of a script's source.
SCRIPT = "/argo/staging/script"


def databases() -> Plan:
    """A scan for each way in which a database is refreshed, beside one without any."""
    made = plan(("a",))
    kinds = {
        "command": Database(refresh=("freshclam", "--datadir={database}")),
        "incremental": Database(refresh=("freshclam", "--datadir={database}"), incremental=True),
        "fetched": Database(fetch=DatabaseFetch("grype", {"url": "https://mirror.example/v6"})),
        "loaded": Database(
            fetch=DatabaseFetch("trivy", {"repository": "mirror.example/db"}), load=("load", "{fetched}")
        ),
    }
    scans = [msgspec.structs.replace(made.scans[1], name=name, database=each) for name, each in kinds.items()]
    cells = tuple(Cell(target="a", scan=scan.name) for scan in scans)
    return msgspec.structs.replace(made, scans=(made.scans[0], *scans), cells=(*made.cells[:1], *cells))


def map_commands(plans: dict[str, Plan]) -> dict[str, Plan]:
    """The same plans, whose built-in scan has the command of the catalog's."""
    command = load_catalog(default_config(environment={}))["root-user"].command
    return {
        name: msgspec.structs.replace(
            made,
            scans=tuple(
                msgspec.structs.replace(scan, command=command) if scan.builtin else scan for scan in made.scans
            ),
        )
        for name, made in plans.items()
    }


def configurations() -> dict[str, Config]:
    """Both layouts, with the Secrets that repositories need."""
    return {layout: default_config(environment={}, layout=layout, **TOKENS) for layout in ("cell", "image")}


def replacing() -> Config:
    """A schedule whose runs stop the older ones."""
    return default_config(environment={}, argo={"schedule": "0 3 * * *", "concurrency": "Replace"})


PLANS = {
    **map_commands(variants()),
    "repositories": mixed(),
    "only repositories": mixed(images=False),
    **map_commands({"databases": databases()}),
}
CONFIGURATIONS = configurations()


def in_layout(layout: str) -> tuple[Plan, Config]:
    """The example, whose scans are those of the catalog, in a layout."""
    made, config = example("argo")
    secrets = CONFIGURATIONS[layout].argo
    argo = config.argo.model_copy(update={"token_secrets": secrets.token_secrets, "git_secret": secrets.git_secret})
    return made, config.model_copy(update={"layout": layout, "argo": argo})


#: All that is ever rendered, by what it is.
RENDERED: dict[str, Callable[[], list[dict[str, Any]]]] = {
    f"{name}, layout {layout}": partial(manifests.manifests, made, config)
    for layout, config in CONFIGURATIONS.items()
    for name, made in PLANS.items()
}
RENDERED |= {
    f"the example as {kind}, layout {layout}": partial(manifests.manifests, *in_layout(layout), kind=kind)
    for layout in CONFIGURATIONS
    for kind in ManifestKind
}
RENDERED |= {
    f"install, {overlay}": partial(objects, load_config(SHIPPED, environment={}), overlay) for overlay in Overlay
}
RENDERED["replacing"] = lambda: [manifests.workflow_template(replacing(), ())]
RENDERED["retry"] = lambda: [manifests.retry(RUN, CONFIGURATIONS["cell"], "again")]
RENDERED["results"] = lambda: [manifests.results(RUN, CONFIGURATIONS["cell"], "printed")]


@cache
def rendered(name: str) -> list[dict[str, Any]]:
    return RENDERED[name]()


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping within; what a ConfigMap or a Resource holds as YAML too."""
    if isinstance(value, dict):
        yield value
        for key, each in value.items():
            yield from walk(_loaded(key, each))
    elif isinstance(value, list):
        for each in value:
            yield from walk(each)


def _loaded(key: str, value: Any) -> Any:
    if isinstance(value, str) and ((key.endswith(".yaml") and value.startswith("apiVersion:")) or key == "manifest"):
        return yaml.load(value, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return value


def fill(text: str) -> str:
    """A text as Argo hands it to a pod; a KeyError for what nobody knows."""
    return PLACEHOLDER.sub(lambda match: FILLED[match[0]], text)


def command_lines(found: list[dict[str, Any]]) -> Iterator[list[str]]:
    """The arguments of every container that starts a step."""
    for each in walk(found):
        if isinstance(each.get("command"), list) and PROGRAM in each["command"]:  # a shell may be before it
            words = [*each["command"][each["command"].index(PROGRAM) + 1 :], *each.get("args", ())]
            yield [fill(word) for word in words] + ([SCRIPT] if "source" in each else [])


@cache
def steps(name: str) -> tuple[Step, ...]:
    return tuple(parse(words) for words in command_lines(rendered(name)))


def workflows(found: list[dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    """Templates by name, of every Workflow or WorkflowTemplate."""
    for each in walk(found):
        if each.get("templates"):
            yield {one["name"]: one for one in each["templates"]}


@pytest.mark.parametrize("name", RENDERED)
def test_every_rendered_command_is_parsed_by_the_steps_own_parser(name: str) -> None:
    for step in steps(name):
        assert parse(render(step)) == step


def test_every_step_is_rendered_somewhere(tmp_path: Path) -> None:
    found = [step for name in RENDERED for step in steps(name)]
    program, *words = dropper(default_config(environment={}), "drop-1", ["sha256:" + "0" * 64], ["a/b"])["command"]
    assert program == PROGRAM
    found.append(parse(words))
    job = compiled(order_of(WHOLE), config_of(tmp_path)).workflow
    found += [parse(words) for words in command_lines([job])]
    first = working(tmp_path)[0]["spec"]["template"]["spec"]["initContainers"][0]
    found.append(parse(first["args"]))
    assert {type(step) for step in found} == set(STEPS)
    assert {step.phase for step in found if isinstance(step, DatabaseStep)} == set(Phase)


@pytest.mark.parametrize("name", RENDERED)
def test_what_a_template_asks_for_is_given_to_it_and_what_it_uses_it_asks_for(name: str) -> None:
    for templates in workflows(rendered(name)):
        for template in templates.values():
            asked = {one["name"] for one in template.get("inputs", {}).get("parameters", ())}
            assert set(re.findall(r"\{\{inputs\.parameters\.([^}]+)\}\}", str(template))) <= asked
            assert asked <= set(Input)
            for task in _tasks(template):
                called = templates[task["template"]]
                wanted = {one["name"] for one in called.get("inputs", {}).get("parameters", ())}
                assert {one["name"] for one in task.get("arguments", {}).get("parameters", ())} == wanted
                for source, output in re.findall(r"\{\{tasks\.([^}]+)\.outputs\.parameters\.([^}]+)\}\}", str(task)):
                    made_by = templates[next(one["template"] for one in _tasks(template) if one["name"] == source)]
                    assert output in {one["name"] for one in made_by["outputs"]["parameters"]}
                for key in re.findall(r"\{\{item\.([^}]+)\}\}", str(task)):
                    assert key in {*Item.__annotations__, *SbomItem.__annotations__, parameters.SHARD_KEY}


def _tasks(template: dict[str, Any]) -> list[dict[str, Any]]:
    return [*template.get("dag", {}).get("tasks", ()), *(one for step in template.get("steps", ()) for one in step)]


def test_only_parameters_of_the_workflow_template_are_used_and_given() -> None:
    used, given = set(), set()
    for found in map(rendered, RENDERED):
        used |= set(re.findall(r"\{\{workflow\.parameters\.([^}]+)\}\}", str(found)))
        for each in walk(found):
            if "workflowTemplateRef" in each or "entrypoint" in each:
                given |= {one["name"] for one in each.get("arguments", {}).get("parameters", ())}
    assert used <= set(Parameter)
    assert given == set(Parameter)


@pytest.mark.parametrize("layout", ["cell", "image"])
def test_the_outputs_of_the_plan_step_are_the_files_it_writes(layout: str, tmp_path: Path) -> None:
    made, volume = plan(("a",)), Volume(tmp_path / "volume")
    name = f"the example as template, layout {layout}"
    (step,) = (each for each in steps(name) if isinstance(each, PlanStep))
    (template,) = (
        each for templates in workflows(rendered(name)) for each in templates.values() if each["name"] == "plan"
    )
    assert step.outputs is not None
    write_outputs(made, divide(made, volume), tmp_path / "outputs", step.sets, step.readers)
    assert {one["valueFrom"]["path"] for one in template["outputs"]["parameters"]} == {
        str(step.outputs / path.name) for path in (tmp_path / "outputs").iterdir()
    }


def test_a_fetched_database_says_in_its_output_whether_it_is_to_be_loaded() -> None:
    (templates,) = workflows(rendered("databases, layout cell"))
    declared = templates[names.database_template("loaded")]["outputs"]["parameters"]
    assert [one["name"] for one in declared] == [Output.LOAD]
    assert "outputs" not in templates[names.database_template("fetched")]


QUIET = {"left", "evict", "aggregate", "results", "reap", "replace"}


@pytest.mark.parametrize("name", RENDERED)
def test_the_node_of_every_pod_is_recognised_and_labelled_as_what_it_is(name: str) -> None:
    for templates in workflows(rendered(name)):
        for template in templates.values():
            if "dag" in template or "steps" in template:
                continue
            found = attempt_of(Node(id="x", type="Pod", template_name=template["name"]), {})
            assert (found.kind is AttemptKind.OTHER) == (template["name"] in QUIET)
            labels = template["metadata"]["labels"]
            assert labels[names.COMPONENT] in set(names.Component)
            assert labels.get(names.SCAN, "") == found.scan
            asked = {one["name"] for one in template.get("inputs", {}).get("parameters", ())}
            assert (names.TARGET in labels) == (Input.TARGET in asked)


def working(tmp_path: Path) -> list[dict[str, Any]]:
    """The objects of workers of one scan."""
    (tmp_path / "scanmatrix.yaml").write_text("argo: {workers: {scans: [root-user]}}\n")
    return workers(load_config(tmp_path / "scanmatrix.yaml", environment={}), {})


def test_every_kind_of_pod_has_a_policy_that_lets_it_out(tmp_path: Path) -> None:
    shipped = load_config(SHIPPED, environment={})
    found = [*objects(shipped), policy_of_service(shipped, 8000), *working(tmp_path)]
    selected = set()
    for policy in (each for each in found if each["kind"] == "NetworkPolicy"):
        selector = policy["spec"]["podSelector"]
        selected |= {selector.get("matchLabels", {}).get(names.COMPONENT)}
        selected |= {value for one in selector.get("matchExpressions", ()) for value in one["values"]}
    assert selected - {None} == set(names.Component)


def test_items_say_what_their_tasks_and_the_readers_of_nodes_ask_for() -> None:
    made = mixed()
    image, repository = make_items(made, pending(made), [target.id for target in made.targets])
    assert set(image) | set(repository) == set(Item.__annotations__)


def test_paths_in_the_pods_of_cells_and_databases_are_those_of_the_volume(tmp_path: Path) -> None:
    volume = Volume(tmp_path)
    for layout in ("cell", "image"):
        for made in (databases(), mixed()):
            name = "databases" if made.scans[0] is not CARD and len(made.scans) == 5 else "repositories"
            allowed = {path.relative_to(volume.root).as_posix() for scan in made.scans for path in _paths(volume, scan)}
            mounts = [each for each in walk(rendered(f"{name}, layout {layout}")) if "subPath" in each]
            found = {fill(each["subPath"]) for each in mounts if each["name"] == "volume"}
            assert found
            assert found <= allowed


def _paths(volume: Volume, scan: Any) -> Iterator[Path]:
    cell = (RUN, TARGET, scan.name)
    yield from (volume.cell(*cell), volume.tarball(*cell), volume.checkout(*cell), pinned(volume, *cell))
    yield volume.cell(*cell) / MAX_AGE
    yield volume.databases(scan.name)
    yield from (incoming_folder(volume, scan.name, WORKFLOW), fetched_folder(volume, scan.name, WORKFLOW))


def test_the_built_in_scans_of_the_catalog_call_the_steps_parser() -> None:
    built_in = [scan for scan in load_catalog(default_config(environment={})).values() if scan.builtin]
    assert built_in
    for scan in built_in:
        program, *words = scan.command
        assert program == PROGRAM
        assert isinstance(parse(words), CheckStep)


@pytest.mark.parametrize(
    "step",
    [
        PlanStep(run="r", sets={"set-1": frozenset({"a", "b"})}, scans={"a": "0a1b"}, config=Path("/c/a.yaml")),
        DatabaseStep(phase="fetch", scan="virus", key="k", longest=7),
        PlanStep(only="failed", config_git="--upload-pack=x", shard="003", packed=Path("x")),
    ],
)
def test_what_is_rendered_is_parsed_to_the_same(step: Step) -> None:
    assert parse(render(step)) == step


AWKWARD = ["", "-", "-x", "--run", "-1", "a b", "a=b", "@file", "{{workflow.name}}", "é\n\"'", "63" * 31 + "x"]


@pytest.mark.parametrize("kind", STEPS)
@pytest.mark.parametrize("value", AWKWARD)
def test_whatever_an_option_holds_it_is_read_as_it_was_written(kind: type[Step], value: str) -> None:
    given: dict[str, Any] = {}
    for each in dataclasses.fields(kind):
        argument = each.metadata["argument"]
        made = {
            Form.TEXT: value,
            Form.PATH: Path(value),
            Form.NUMBER: 3,
            Form.EACH: (value, "x"),
            Form.NAMES: (value, "x") if value else (),
            Form.PAIRS: {"x": value},
            Form.SETS: {"x": frozenset({value, "y"})},
            Form.FLAG: True,
        }
        given[each.name] = argument.choices[0] if argument.choices else made[argument.form]
        if argument.positional and not argument.choices:
            given[each.name] = Path("x") if argument.form is Form.PATH else "x"  # written by Argo or by a template
    step = kind(**given)
    assert parse(render(step)) == step


def test_a_value_that_the_parser_would_take_for_the_end_of_all_options_is_refused() -> None:
    with pytest.raises(SystemExit):
        parse(["plan", "--config-ref=--"])


def test_the_scheduler_is_started_by_a_command_of_the_command_line() -> None:
    deployments = [each for each in rendered("install, production") if each["kind"] == "Deployment"]
    commands = [each for each in walk(deployments) if each.get("command", [""])[0] == "scanmatrix"]
    assert commands
    for each in commands:
        _, name, *words = [*each["command"], *each.get("args", ())]
        command = get_command(app).commands[name]  # type: ignore[attr-defined]
        assert command.make_context(name, words).params["config"] == Path("/config/scanmatrix.yaml")
