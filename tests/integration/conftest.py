"""Real servers for the integration tests: loopback only, ended by their own process id.

| fixture | what |
|---|---|
| `registry` | a plain registry, one for the session |
| `repository` | a repository name of the test's own |
| `proxy` | a counting, misbehaving proxy in front of `registry` |
| `make_proxy` | the same with options: `make_proxy(bearer=Bearer(), redirect_blobs=True)` |
| `upstream` | a registry with basic auth, behind a counting proxy |
| `cache` | an empty pull-through cache of `upstream`; it alone has the credentials |
| `make_cache` | the same of any URL |
| `java_tool` | image with the real log4j-core 2.14.1 jar and an npm package |
| `debian` | image of a debootstrap'ed Debian (150 MB, one layer) |
| `api` | an empty API server of Kubernetes, to which the kubeconfig leads |
| `virus_signatures` | folder for `clamscan --database`: EICAR, and nothing else |
"""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from xdist.remote import Producer

from tests.groups import Grouped, file_of
from tests.integration.kube_api import KubeApi, serve
from tests.tools import artifacts, samples, signatures
from tests.tools.bearer import Bearer
from tests.tools.images import Image
from tests.tools.proxy import Proxy
from tests.tools.servers import RUNNING, Registry, start_registry
from tests.tools.upstream import Upstream

MakeProxy = Callable[..., Proxy]
MakeCache = Callable[..., Registry]


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A plain registry without authentication; tests keep to repositories of their own."""
    with start_registry(tmp_path_factory.mktemp("registry"), "registry") as found:
        yield found


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository name no other test uses."""
    return re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


@pytest.fixture
def make_proxy(registry: Registry) -> Iterator[MakeProxy]:
    """Start proxies, by default in front of `registry`; an error inside one fails the test."""
    started: list[Proxy] = []

    def make(
        target: str = registry.url,
        *,
        bearer: Bearer | None = None,
        redirect_blobs: bool = False,
        credentials: tuple[str, str] | None = None,
    ) -> Proxy:
        started.append(Proxy(target, bearer=bearer, redirect_blobs=redirect_blobs, credentials=credentials))
        return started[-1]

    yield make
    for proxy in started:
        proxy.close()
    assert [error for proxy in started for error in proxy.errors] == []


@pytest.fixture
def proxy(make_proxy: MakeProxy) -> Proxy:
    """A counting proxy in front of `registry`; behaves until told otherwise."""
    return make_proxy()


@pytest.fixture(scope="session")
def _upstream_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with start_registry(tmp_path_factory.mktemp("upstream"), "upstream", protected=True) as found:
        yield found


@pytest.fixture
def upstream(_upstream_registry: Registry, make_proxy: MakeProxy) -> Upstream:
    """A registry that wants basic auth, with a log of what it served in this test."""
    return Upstream(_upstream_registry, make_proxy(_upstream_registry.url))


@pytest.fixture
def make_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeCache]:
    """Start empty pull-through caches."""
    with ExitStack() as stack:

        def make(of: str, credentials: tuple[str, str] | None = None) -> Registry:
            folder = tmp_path_factory.mktemp("cache")
            return stack.enter_context(start_registry(folder, "cache", cache_of=of, credentials=credentials))

        yield make


@pytest.fixture
def cache(upstream: Upstream, make_cache: MakeCache) -> Registry:
    """An empty pull-through cache of `upstream`, which lets anybody read."""
    return make_cache(upstream.url, upstream.credentials)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KubeApi]:
    """An API server of Kubernetes with nothing in it; what reads a kubeconfig is led to it."""
    with serve(tmp_path) as (served, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
        yield served


@pytest.fixture(scope="session")
def virus_signatures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Signatures of our own, so that the real clamscan runs offline."""
    return signatures.write(tmp_path_factory.mktemp("signatures"))


@pytest.fixture(scope="session")
def java_tool() -> Image:
    """The image every scanner finds something in: Log4Shell's own jar, and an npm package with known flaws."""
    return samples.java_tool(artifacts.log4j_jar(), artifacts.npm_package())


@pytest.fixture(scope="session")
def debian() -> Image:
    """A real Debian; takes seconds to compress, so only for tests that need one."""
    return samples.debian(artifacts.debian_root())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the logs of the servers that ran while a test failed."""
    report = yield
    if report.failed:
        for server in RUNNING:
            text = server.log.read_text(errors="replace")
            report.sections.append((f"log of {server.name} (its end)", text[-4000:]))
    return report


#: Tests of these files take minutes: they start first, so that no worker is left alone with one at the end.
_LONGEST = {"test_nine_cells.py", "test_readme.py", "test_store.py", "test_local_isolation.py", "test_lock.py"}
#: Of these, each database's tests are on a worker of their own.
_BY_SERVER = {"test_store.py", "test_store_tls.py"}
#: How a fixture says that it is made once for its file.
_SHARED = 'scope="module"'


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes longest comes first, then what stays together: single tests fill the gaps at the end."""
    together = _sharing()
    items.sort(key=lambda item: (item.path.name not in _LONGEST, item.path.name not in together))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Grouped:
    """A file whose tests share a fixture (a server, a run) stays on one worker; other tests go to whichever is free."""
    sharing = _sharing()

    def group(nodeid: str) -> str:
        file = file_of(nodeid)
        if file in _BY_SERVER:
            return file + nodeid.rpartition("[")[2].partition("-")[0].rstrip("]")
        return file if file in sharing else nodeid

    return Grouped(config, log, group)


def _sharing() -> set[str]:
    """The files whose tests share a fixture."""
    return {path.name for path in Path(__file__).parent.glob("test_*.py") if _SHARED in path.read_text()}
