"""A namespace with everything installed in it, as a user has it: caches, volume, WorkflowTemplate, configuration."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import msgspec
import yaml

from orchestrator.api import plan as plan_api
from orchestrator.cluster.client import Cluster
from orchestrator.config.cache import service_name
from orchestrator.results import read_findings, read_ledger
from orchestrator.volume.layout import Volume
from tests.cluster.images import by_tag
from tests.cluster.state import API_SERVER, NODE_IP
from tests.tools import find

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pandas as pd

    from orchestrator.config.loading import Config
    from orchestrator.model import Ledger
    from tests.tools.upstream import Upstream

_logger = logging.getLogger(__name__)

SECRET = "upstream-login"
CACHE = "cache-docker-io"


@dataclass(frozen=True)
class Site:
    """One namespace.

    Attributes:
        folder: with the configuration and what it names.
        storage: the folder of the node that is its volume.
        upstream: what its cache reads.
        cache: name of the first cache.
    """

    namespace: str
    folder: Path
    storage: Path
    upstream: Upstream
    cache: str = CACHE

    @property
    def config(self) -> Config:
        """For use on this machine, where the cache's Service is reached by its address only."""
        found = plan_api.load_config(self.folder / "scanmatrix.yaml", volume=self.folder / "fetched")
        cache = msgspec.structs.replace(found.cache[0], url=self.cache_url)
        return found.model_copy(update={"cache": (cache,)})

    @property
    def cache_url(self) -> str:
        """Where this machine reaches the cache."""
        return f"http://{self.kubectl('get', 'service', self.cache, '-o', 'jsonpath={.spec.clusterIP}')}:5000"

    @property
    def volume(self) -> Volume:
        """The shared volume as the node has it."""
        return Volume(self.storage)

    @property
    def cluster(self) -> Cluster:
        """Its part of the Kubernetes API."""
        return Cluster(self.namespace)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """Run kubectl in the namespace."""
        return run("kubectl", "-n", self.namespace, *arguments, stdin=stdin, check=check)

    def argo(self, *arguments: str, check: bool = True) -> str:
        """Run argo in the namespace."""
        return run("argo", "-n", self.namespace, *arguments, check=check)

    def scanmatrix(self, *arguments: str, check: bool = True) -> str:
        """Run the command line in the folder of the configuration."""
        return run("scanmatrix", *arguments, cwd=self.folder, check=check)

    def ledger(self, run_id: str) -> Ledger:
        """The ledger of a run, as it lies on the volume."""
        return read_ledger(self.volume, run_id)

    def findings(self, run_id: str) -> pd.DataFrame:
        """The findings of a run, as they lie on the volume."""
        return read_findings(self.volume, run_id)

    def submit(self, **parameters: str) -> str:
        """Start the WorkflowTemplate as `argo submit --from` does; the name of its Workflow."""
        given = [f"-p={name}={value}" for name, value in parameters.items()]
        return self.argo("submit", "--from", "workflowtemplate/scanmatrix", *given, "-o", "name").strip()

    def wait(self, name: str, *, seconds: int = 600) -> str:
        """Wait for a Workflow's end; its phase."""
        await_(lambda: self.cluster.workflow(name).ended, seconds, f"the end of Workflow {name}")
        status = self.cluster.workflow(name).status
        if status.phase != "Succeeded":
            self._log_why(name)
        return status.phase

    def _log_why(self, name: str) -> None:
        """What went wrong, for who reads that a test failed: nodes that did not succeed, and cells of ledgers."""
        status = json.loads(self.kubectl("get", "workflow", name, "-o", "json"))["status"]
        _logger.warning("Workflow %s: %s", name, status.get("message"))
        for node in status.get("nodes", {}).values():
            if node["phase"] not in {"Succeeded", "Skipped", "Omitted"}:
                _logger.warning("%s: %s: %s", node["displayName"], node["phase"], node.get("message"))
        for written in sorted(self.storage.glob("results/*/ledger.json")):
            run_id = written.parent.name
            for row in self.ledger(run_id).rows:
                if row.outcome != "ok":
                    _logger.warning("run %s: %s: %s: %s", run_id, row.cell, row.outcome, row.reason)


@contextmanager
def make_site(
    folder: Path,
    name: str,
    upstream: Upstream,
    *,
    csv: str,
    templates: Mapping[str, Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
    storage: Path | None = None,
) -> Iterator[Site]:
    """Install into a namespace of its own, and take it away again.

    Args:
        folder: for its configuration and volume.
        name: of the namespace.
        upstream: what its cache reads.
        csv: its targets.
        templates: scans of its own, by name.
        settings: further keys of the configuration; mappings are merged.
        storage: the folder that is its volume.
    """
    storage = storage or folder / "volume"
    storage.mkdir(parents=True, exist_ok=True)
    config = _config(name, upstream, storage, templates or {}, settings or {})
    (folder / "scanmatrix.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    (folder / "targets.csv").write_text(csv)
    (folder / "images.lock").write_text(by_tag())
    for scan, template in (templates or {}).items():
        (folder / f"{scan}.yaml").write_text(yaml.safe_dump(dict(template), sort_keys=False))
    site = Site(name, folder, storage, upstream, service_name(config["cache"][0]["upstream"]))
    try:
        _install(site)
        yield site
    finally:
        if os.environ.get("KEEP_SITES", "") in {"", "0"}:
            _remove(site, wait=site.storage != folder / "volume")


def _config(
    name: str, upstream: Upstream, storage: Path, templates: Mapping[str, object], settings: Mapping[str, Any]
) -> dict[str, Any]:
    base: dict[str, Any] = {
        "targets": [{"csv": {"path": "targets.csv"}}],
        "scans": {"templates": [f"{scan}.yaml" for scan in templates]},
        "cache": [{"upstream": "docker.io", "remote": upstream.url, "secret": SECRET, "size": "2Gi"}],
        "engine": "argo",
        "volume": {"budget": "5Gi", "hostPath": str(storage), "hostPathPrefixes": [str(storage)]},
        "argo": {
            "namespace": name,
            "images": "images.lock",
            "apiServer": {"cidrs": [f"{NODE_IP}/32"], "ports": [int(API_SERVER.rpartition(":")[2])]},
            "reaper": "0 0 1 1 *",  # no Workflow comes that no test asked for
        },
    }
    for key, value in settings.items():
        base[key] = {**base.get(key, {}), **value} if isinstance(value, dict) else value
    return base


def _install(site: Site) -> None:
    """What a user does: a Secret with the upstream's login, then what `scanmatrix install` renders."""
    run("kubectl", "create", "namespace", site.namespace, check=False)
    user, password = site.upstream.credentials
    login = f"--from-literal=username={user}", f"--from-literal=password={password}"
    site.kubectl("create", "secret", "generic", SECRET, "--type=kubernetes.io/basic-auth", *login)
    rendered = site.scanmatrix("install", "--render")
    run("kubectl", "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=rendered)
    site.kubectl("rollout", "status", f"deployment/{site.cache}", "--timeout=120s")
    claim = "jsonpath={.status.phase}"
    await_(
        lambda: site.kubectl("get", "pvc", "scanmatrix", "-o", claim) == "Bound", 60, "the volume's claim to be bound"
    )
    await_(lambda: os.stat(site.storage).st_gid == 65532, 60, "the folder of the volume to be made ready")  # noqa: PTH116
    # Its pod is ready before the node knows the way from its Service.
    cache = site.cache_url
    await_(lambda: _answers(cache), 60, "the cache to answer")


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/v2/", timeout=2):
            return True
    except OSError:
        return False


def _remove(site: Site, *, wait: bool) -> None:
    """Take it away; nobody waits for the last pod to go but who takes away what they write to, too."""
    delete = ("delete", "--ignore-not-found", *(("--timeout=90s",) if wait else ("--wait=false",)))
    run("kubectl", *delete, "namespace", site.namespace, f"{site.namespace}-volume", check=False)
    remove_volumes(site.namespace)
    shutil.rmtree(site.storage, ignore_errors=True)


def remove_volumes(namespace: str) -> None:
    """Take away the volumes of a namespace, which stay when their claims go."""
    found = run("kubectl", "get", "pv", "-o", "name").split()
    ours = [name for name in found if name.startswith(f"persistentvolume/{namespace}-")]
    if ours:
        run("kubectl", "delete", "--ignore-not-found", "--wait=false", *ours, check=False)


def run(command: str, *arguments: str, stdin: str | None = None, check: bool = True, cwd: Path | None = None) -> str:
    """Run a command of the cluster's; its output.

    Raises:
        AssertionError: it failed, with what it said.
    """
    binary = find(command) or command
    done = subprocess.run(
        [str(binary), *arguments], input=stdin, capture_output=True, text=True, check=False, cwd=cwd, timeout=900
    )
    said = (
        f"`{command} {' '.join(arguments)}` ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    assert not check or done.returncode == 0, said
    return done.stdout


def await_(done: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it was not so in time.
    """
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.5)
