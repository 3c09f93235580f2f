"""Jobs of events for tests: their configuration in a git that wants a login, their events, what a sink is sent."""

from __future__ import annotations

import json
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2

from tests.cluster.images import ORCHESTRATOR
from tests.cluster.state import NODE_IP
from tests.e2e.site import Site, await_
from tests.tools import repositories
from tests.tools.certificates import self_signed
from tests.tools.git_servers import GitHttp, git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.tools.receivers import Hook

GIT_SECRET = "git-login"
USER, PASSWORD = "bot", "battery-staple"
_NONE: Mapping[str, str] = MappingProxyType({})


class GitHost(NamedTuple):
    """A git host that wants a login, and its repository.

    Attributes:
        server: at an address that pods reach.
        bare: the repository.
    """

    server: GitHttp
    bare: Path

    @property
    def url(self) -> str:
        """Of the repository."""
        return f"https://{NODE_IP}:{self.server.port}/{self.bare.name}"

    def make_secret(self, site: Site) -> None:
        """The Secret with its login and certificate."""
        key = f"{NODE_IP}_{self.server.port}"
        login = f"--from-literal={key}.username={USER}", f"--from-literal={key}.password={PASSWORD}"
        certificate = f"--from-file=ca.crt={self.server.root / 'server.pem'}"
        site.kubectl("create", "secret", "generic", GIT_SECRET, *login, certificate)


@contextmanager
def git_host(folder: Path) -> Iterator[GitHost]:
    """One whose repository has files of the project and of a stage, and links."""
    files = {"shared/project.txt": "of the project", "keptn-stages/dev/shared/stage.txt": "of the stage"}
    repositories.make(folder / "jobs.git", files, links={"shared/link": "/etc/passwd", "out": ".."})
    git("config", "uploadpack.allowFilter", "true", cwd=folder / "jobs.git")
    server = GitHttp(folder, USER, PASSWORD, address=(NODE_IP, 0), certificate=self_signed(folder, NODE_IP))
    try:
        yield GitHost(server, folder / "jobs.git")
    finally:
        server.close()


class Jobs:
    """A running service, and what it is given and sends.

    Attributes:
        url: where it listens.
        hook: its sink.
        site: where its jobs run.
        bare: the repository of their configuration.
        token: of who sends events; empty where the service wants none.
    """

    def __init__(self, url: str, hook: Hook, site: Site, bare: Path, *, token: str = "") -> None:
        self.url, self.hook, self.site, self.bare, self.token = url, hook, site, bare, token

    def push(self, name: str, tasks: list[dict[str, Any]], **files: str) -> str:
        """Have the branch hold a job for the events of a name, and files of its service; its commit."""
        folder = _folder(name)
        return self.push_all({name: tasks}, {f"{folder}/{key.replace('__', '/')}": files[key] for key in files})

    def push_all(self, jobs: Mapping[str, list[dict[str, Any]]], files: Mapping[str, str] = _NONE) -> str:
        """The same for several names, with any files, in one commit."""
        work = self.bare.with_name(f"{self.bare.name}.work")
        added = dict(files)
        for name, tasks in jobs.items():
            event = {"name": f"^com.example.{name}$"}
            own = [{"image": ORCHESTRATOR, **task} for task in tasks]
            actions = [{"name": name, "events": [event], "tasks": own}]
            added[f"{_folder(name)}/job/config.yaml"] = json.dumps({"apiVersion": "v2", "actions": actions})
        repositories.commit(work, added)
        git("push", "-q", str(self.bare), "HEAD:main", cwd=work)
        return git("rev-parse", "HEAD", cwd=work)

    def send(self, name: str, *, commit: str = "", **data: Any) -> None:
        """Send an event of a name."""
        self._post("cloudevents", _event(name, commit, data), 1)

    def send_all(self, *names: str, **data: Any) -> None:
        """Send events of several names in one request."""
        self._post("cloudevents-batch", [_event(name, "", data) for name in names], len(names))

    def _post(self, kind: str, body: object, accepted: int) -> None:
        headers = {"content-type": f"application/{kind}+json"}
        headers |= {"authorization": f"Bearer {self.token}"} if self.token else {}
        answer = httpx2.post(f"{self.url}/events", content=json.dumps(body), headers=headers, timeout=30)
        assert (answer.status_code, answer.json().get("accepted")) == (202, accepted), answer.text

    def told(self, name: str, kind: str = ".finished") -> list[dict[str, Any]]:
        """What the sink got about an event."""
        found = [json.loads(body) for _, body in self.hook.got]
        return [each["data"] for each in found
                if each["type"].endswith(kind) and "job" in each["data"]
                and each["data"]["job"]["event"]["id"] == name]  # fmt: skip

    def finished(self, name: str, *, seconds: int = 240) -> dict[str, Any]:
        """How the job of an event ended."""
        await_(lambda: bool(self.told(name)), seconds, f"the end of the job of {name}")
        return self.told(name)[-1]  # what a killed service has sent, the next one may send again

    def objects(self, kinds: str, name: str) -> list[dict[str, Any]]:
        """What the cluster has of these kinds for an event."""
        [told] = self.told(name, ".started")[:1]
        selector = f"scanmatrix/job={told['job']['id']}"
        found: list[dict[str, Any]] = json.loads(self.site.kubectl("get", kinds, "-l", selector, "-o", "json"))["items"]
        return found

    def workflows(self, name: str) -> list[dict[str, Any]]:
        """The Workflows of an event."""
        return self.objects("workflows", name)


def _folder(name: str) -> str:
    return f"keptn-stages/dev/keptn-services/{name}"


def _event(name: str, commit: str, data: Mapping[str, Any]) -> dict[str, Any]:
    event = {"specversion": "1.0", "id": name, "source": "/e2e", "type": f"com.example.{name}",
             "data": {"project": "shop", "stage": "dev", "service": name, **data}}  # fmt: skip
    return event | ({"gitcommitid": commit} if commit else {})


def run(program: str, **task: Any) -> dict[str, Any]:
    """A task that runs a few lines of Python."""
    return {"cmd": ["python3", "-c", program], **task}
