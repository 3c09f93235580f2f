"""`--server`: the same command prints the same, whether the volume here or a service answers."""

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.errors import NotKnownError, TemporaryError, UsageError
from orchestrator.model import Name
from orchestrator.queries.kept import keeping
from orchestrator.store.backlog.messages import StaleRules, Wanted
from orchestrator.store.backlog.store import BacklogStore
from tests.live_server import listening
from tests.served import configured, volume_in

QUESTIONS = (
    "results list",
    "results list --most 1 --output json",
    "results show",
    "results show --severity high --output json",
    "results show --owner shop --suppressed --output yaml",
    "results who-has CVE-2021-44228",
    "results who-has --package p1 --output json",
    "results diff --output json",
    "results diff --between registry.example/shop/web:1 registry.example/bank/api:1",
    "results diff --since 2025-03-02T12:00:00Z --all",
    "status run-2 --all",
    "status run-2 --output json",
    "status run-2 --watch",
    "status",
    "status --output json",
    "results show run-1",
    "results show --run run-2 --severity high --suppressed --output json",
    "schedule --show",
)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The volume, and a service over it."""
    volume = volume_in(tmp_path_factory.mktemp("filled"))
    config = configured(volume)
    with keeping(volume, config) as kept:
        kept.refresh()
    with BacklogStore.of(config) as store:
        names = (Name("registry.example/shop/new:1", "shop"),)
        new = Wanted(target="new", digest="", platform="", names=names, scans=("general",), entries="[]")
        store.want([new], StaleRules(ages={}, default_age=3600), look=1)
    with listening(config) as found:
        yield str(volume.root), f"http://127.0.0.1:{found.port}"


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Nothing here has a configuration."""
    monkeypatch.chdir(tmp_path)
    for name in ("SCANMATRIX_SERVER", "SCANMATRIX_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def printed(*words):
    found = CliRunner().invoke(app, list(words))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout.splitlines()


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_service_answers_as_the_volume_does(places, question, tmp_path):
    volume, url = places
    here = printed(*question.split(), "--volume", volume)
    assert len(here[1]) > 1
    assert printed(*question.split(), "--server", url) == here
    assert printed("--server", url, *question.split()) == here
    assert not list(tmp_path.iterdir())


def test_the_variable_counts_where_nothing_of_this_machine_is_named(places, monkeypatch, tmp_path):
    volume, url = places
    monkeypatch.setenv("SCANMATRIX_SERVER", url)
    assert printed("results", "list") == printed("results", "list", "--volume", volume)
    assert printed("results", "list", "--volume", str(tmp_path)) != printed("results", "list")
    assert printed("templates")[0] == 0


def test_what_cannot_be_asked_is_refused(places):
    volume, url = places
    for words, said in (
        (["results", "list", "--server", url, "--volume", volume], "only one of --server and --volume"),
        (["--server", url, "store", "overview"], "store overview asks no service; leave the option out"),
        (["--server", url, "results", "export", "html"], "GET /api/v1/runs/RUN/report"),
        (["--server", url, "plan", "x"], "POST /api/v1/plan"),
        (["--server", url, "schedule"], "with --show"),
        (["run", "x", "--server", url, "--offline"], "--offline: a service contacts"),
        (["run", "x", "--server", url, "--run-id", "r"], "--key KEY"),
        (["run", "./x.tar", "--server", url], "image of a registry"),
        (["run", "x", "--volume", volume, "--key", "k"], "--run-id names"),
        (["retry", "run-1", "--fail-on", "high", "--server", url], "submitted with"),
        (["results", "list", "--server", "ftp://x"], "no URL of a service"),
    ):
        with pytest.raises(UsageError, match=said):
            printed(*words)
    for words in (["status", "run-9"], ["results", "show", "run-9"], ["cancel", "run-9"], ["retry", "run-9"]):
        with pytest.raises(NotKnownError, match="there is no run run-9"):
            printed(*words, "--server", url)
    with pytest.raises(TemporaryError, match="is the service running"):
        printed("results", "list", "--server", "http://127.0.0.1:9")
