"""A service in a pod that a registry sends its events, with all that these lead to: rules, jobs, plugin, signatures."""

from __future__ import annotations

import json
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from tests.cluster import containers
from tests.cluster.control_plane import tool
from tests.cluster.images import ORCHESTRATOR
from tests.cluster.state import NODE_IP, State
from tests.e2e import quick
from tests.e2e.in_pod import InPod, make_tokens, reserve
from tests.e2e.jobs import GIT_SECRET, GitHost, Jobs, git_host
from tests.e2e.site import make_site, run
from tests.integration.test_signed_images import KEY, at_tag, by_key
from tests.tools import sigstore
from tests.tools.cosigned import push_recorded
from tests.tools.images import Image, layer
from tests.tools.receivers import webhook
from tests.tools.sigstore import IDENTITY, ISSUER
from tests.tools.upstream import Upstream, start_upstream
from tests.unit.admission.test_recorded import RECORDED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMESPACE, OTHER = "e2e-service", "e2e-service-jobs"
SECRET, ENVIRONMENT = "secret-of-the-registry", "service-environment"
#: What real cosigns wrote: with a key, and for an identity.
KEYED, KEYLESS = RECORDED["2, tag, key"], RECORDED["3, bundle, identity"]
#: The job of every image that is pushed with one tag.
_PUSHED = {"name": r"^io\.scanmatrix\.image\.pushed$", "jsonpath": {"property": "$.data.tag", "match": "1.4"}}
ON_PUSH = {"apiVersion": "v2", "actions": [{"name": "pushed", "events": [_PUSHED], "tasks": [{"plugin": "greet"}]}]}


class Served(NamedTuple):
    """The service, and those that it has to do with.

    Attributes:
        service: in its pod.
        upstream: the registry, whose webhook leads to the service.
        jobs: what events start beside scans.
    """

    service: InPod
    upstream: Upstream
    jobs: Jobs


def images(upstream: Upstream) -> str:
    """Push what tasks name, signed and not; the digest of the one that may run."""
    # With a file of its own: a node calls an image by one of the names that it has pulled the same one by.
    program = containers.program(tool("registry"), beside={"signed": "signed"})
    upstream.push("signed/tool:1", program)
    at_tag(upstream.registry, "signed/tool", program, by_key(program.digest))
    host = upstream.registry.host
    push_recorded(host, "other-key/app", KEYED)
    push_recorded(host, "by-identity/app", KEYLESS)
    push_recorded(host, "by-key/moved", KEYED)
    for name in ("unsigned", "moved"):
        upstream.push(f"by-key/{name}:1", Image.build([layer({"app": name})]))
    replayed = Image.build([layer({"app": "replayed"})])
    upstream.push("by-key/replayed:1", replayed)
    tags = {name: f"sha256-{name.removeprefix('sha256:')}.sig" for name in (KEYED["digest"], replayed.digest)}
    instead = {tags[KEYED["digest"]]: tags[replayed.digest], "1": "recorded"}
    push_recorded(host, "by-key/replayed", KEYED, instead=instead)
    return program.digest


def settings(upstream: Upstream, git: GitHost, sink_port: int) -> dict[str, Any]:
    """Of the configuration, what a site does not have."""
    host = upstream.host
    port = int(host.rpartition(":")[2])
    keyless = {"issuer": ISSUER, "identity": IDENTITY.replace("v1", "v2"), "trustRoot": "root.json"}
    signers = {
        "signed": {"key": "ours.pub"},
        "by-key": {"key": "cosign.pub"},
        "other-key": {"key": "ours.pub"},
        "by-identity": keyless,
    }
    policies = [{"name": name, "images": [f"{host}/{name}/*"], "authorities": [one]} for name, one in signers.items()]
    jobs = {
        "git": {"url": git.url, "ref": "main"},
        "events": ["com.example.*", "io.scanmatrix.image.pushed"],
        "atOnce": 30,
        "namespaces": [OTHER],
        "plugins": ["greet.yaml"],
        "resources": {"cpu": "20m", "memory": "32Mi"},
    }
    return {
        "cache": [{"upstream": host, "remote": upstream.url, "size": "1Gi"}],
        "insecure": [host],
        "admission": {"policies": [{"name": "ours", "images": [ORCHESTRATOR.rpartition(":")[0]]}, *policies]},
        "argo": {
            "gitSecret": GIT_SECRET,
            "network": {"private": [f"{NODE_IP}/32"], "ports": [port, sink_port]},
            "scheduler": {"environmentSecret": ENVIRONMENT},
        },
        "events": {
            "senders": [{"name": "registry", "kind": "distribution", "secret": "${REGISTRY_SECRET}", "host": host}],
            "rules": [{"name": "shop", "images": [f"{host}/shop/*"], "scans": ["quick"]}],
            "sinks": [{"url": "${SINK_URL}"}],
            "jobs": jobs,
            "settle": "1s",
        },
    }


def plugin(image: str) -> str:
    """A plugin whose program says what it was given."""
    given = {"description": "the image that was pushed", "required": True, "event": "$.data.image"}
    return yaml.safe_dump(
        {
            "name": "greet",
            "description": "Say the name of an image",
            "image": image,
            "command": ["/bin/registry", "help", "{IMAGE}"],
            "inputs": {"IMAGE": given},
        }
    )


@contextmanager
def serve_events(state: State, folder: Path) -> Iterator[Served]:
    """One that is installed by the command, and ready."""
    site_folder = folder / "site"
    site_folder.mkdir()
    for name in (NAMESPACE, OTHER):
        run("kubectl", "create", "namespace", name)
    with ExitStack() as stack:
        stack.callback(run, "kubectl", "delete", "namespace", OTHER, "--wait=false", check=False)
        notifies = f"{reserve(NAMESPACE)}/events/registry", f"Bearer {SECRET}"
        upstream = stack.enter_context(start_upstream(folder / "registry", NODE_IP, protected=False, notifies=notifies))
        containers.pull_without_tls(state, upstream.host)
        git = stack.enter_context(git_host(folder))
        hook = stack.enter_context(webhook(address=NODE_IP))
        tool_of = f"{upstream.host}/signed/tool@{images(upstream)}"
        for name, text in (
            ("greet.yaml", plugin(tool_of)),
            ("ours.pub", sigstore.pem(KEY).decode()),
            ("cosign.pub", KEYED["key"]),
            ("root.json", json.dumps(KEYLESS["root"])),
        ):
            (site_folder / name).write_text(text)
        made = settings(upstream, git, int(hook.url.split(":")[2].partition("/")[0]))
        scans = {"quick": quick.scan("quick")}
        csv = "image\nno-such-image:1\n"
        site = stack.enter_context(make_site(site_folder, NAMESPACE, upstream, csv=csv, templates=scans, settings=made))
        git.make_secret(site)
        variables = f"--from-literal=REGISTRY_SECRET={SECRET}", f"--from-literal=SINK_URL={hook.url}"
        site.kubectl("create", "secret", "generic", ENVIRONMENT, *variables)
        token = make_tokens(NAMESPACE, folder)
        rendered = site.scanmatrix("install", "--service")
        run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=rendered)
        service = InPod(NAMESPACE, token)
        service.await_ready()
        jobs = Jobs(service.url, hook, site, git.bare, token=token)
        jobs.push_all({}, {"job/config.yaml": json.dumps(ON_PUSH)})
        yield Served(service, upstream, jobs)
