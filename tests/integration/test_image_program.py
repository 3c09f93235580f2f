"""Which program an image starts by itself, asked of a real registry; and a task without a command that runs it."""

import json

import psutil
import pytest

from orchestrator.config.loading import load_config
from orchestrator.images.registry.client import RegistryClient
from orchestrator.images.registry.program import program_of
from orchestrator.model import ReadBudget
from orchestrator.net.allowance import Allowance
from orchestrator.net.errors import NotFound
from orchestrator.service.events.jobs.admission import JudgedTasks
from orchestrator.service.events.jobs.orders import RefusedTaskError
from orchestrator.workflows.jobs import compiled
from tests.tools import sigstore
from tests.tools.images import Image, Index, layer
from tests.tools.push import push
from tests.unit.workflows.jobs import CONFIGURATION, job, order_of


def image(platform="linux/amd64", **settings):
    return Image.build([layer({"file": platform})], platform=platform, settings=settings)


def program(reference):
    with RegistryClient((), 0, caches=()) as client:
        found = program_of(
            reference, client, caches=(), insecure=(), allowance=Allowance(ReadBudget(), "limits.lookup")
        )
    return found.entrypoint, found.arguments


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"Entrypoint": ["/entry", "-v"], "Cmd": ["serve"]}, (("/entry", "-v"), ("serve",))),
        ({"Entrypoint": ["/entry"]}, (("/entry",), ())),
        ({"Cmd": ["sh", "-c", "true"]}, (("sh",), ("-c", "true"))),
        ({"Entrypoint": "/entry"}, (("/entry",), ())),
        ({}, ((), ())),
    ],
)
def test_what_an_image_starts(registry, repository, settings, found):
    assert program(push(registry.host, repository, image(**settings), tag="1")) == found
    index = Index.build([image(**settings), image("linux/arm64", **settings)])
    assert program(push(registry.host, f"{repository}/index", index, tag="1")) == found


def test_an_image_that_is_not_there(registry, repository):
    with pytest.raises(NotFound):
        program(f"{registry.host}/{repository}:1")


def test_a_task_without_a_command_is_started_as_its_image_is(registry, repository, tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text(CONFIGURATION)
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    admission = JudgedTasks(config)
    name = push(registry.host, repository, image(Entrypoint=["/entry"], Cmd=["$(HOME)", "serve"]), tag="1")
    texts = {
        f"- {{image: {name}}}": (["/entry"], ["$$(HOME)", "serve"]),
        f"- {{image: {name}, args: [mine]}}": (["/entry"], ["mine"]),
        f"- {{image: {name}, cmd: [own]}}": (["own"], None),
        # Its registry says nothing of it: Argo has to ask.
        f"- {{image: {registry.host}/{repository}/none:1, args: [mine]}}": (None, ["mine"]),
    }
    for text, started in texts.items():
        order = order_of(job(text))
        order = admission.pinned(compiled(order, config), order)
        container = compiled(order, config).workflow["spec"]["templates"][1]["container"]
        assert (container.get("command"), container.get("args")) == started


def test_a_registry_that_was_asked_for_signatures_is_left_when_the_judge_is_closed(registry, repository, tmp_path):
    name = push(registry.host, repository, image(Cmd=["serve"]), tag="1")
    key = sigstore.pem(sigstore.new_key()).decode()
    text = {
        "volume": {"path": "volume"},
        "events": {"jobs": {"git": {"url": "https://git.example/jobs.git"}}},
        "admission": {"policies": [{"name": "ours", "images": [f"{registry.host}/*"], "authorities": [{"key": key}]}]},
    }
    (tmp_path / "scanmatrix.yaml").write_text(json.dumps(text))
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    order = order_of(job(f"- {{image: {name}, cmd: [a]}}"))
    with JudgedTasks(config) as admission:
        with pytest.raises(RefusedTaskError, match="no authority has signed"):
            admission.pinned(compiled(order, config), order)
        assert connections(registry)
    assert not connections(registry)


def connections(registry):
    """Those of this process to a registry."""
    port = int(registry.host.rpartition(":")[2])
    return [each for each in psutil.Process().net_connections("tcp") if each.raddr and each.raddr.port == port]
