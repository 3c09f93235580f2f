"""`scanmatrix run --server`: as a run here, to its ledger and exit status; of a registry that is not there."""

import json
import re

import pytest
from typer.testing import CliRunner

from orchestrator.cli import POLICY
from orchestrator.cli.app import app
from orchestrator.cli.elsewhere import AnswersElsewhere
from orchestrator.client import run_scripts
from orchestrator.client.clients import ServiceClient
from orchestrator.client.errors import ServiceAwayError, ServiceRefusalError
from orchestrator.config.limits import ConfiguredLimits
from tests.live_server import listening
from tests.served import QUICK, configured, volume_in

IMAGE = "docker://127.0.0.1:1/shop/web:1"  # and none of a tool on this machine
WORDS = ("run", IMAGE, "--scan", "root-user")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    config = configured(volume_in(tmp_path_factory.mktemp("filled")), limits=ConfiguredLimits(retries=0))
    with listening(config, settings=QUICK) as found:
        yield f"http://127.0.0.1:{found.port}"


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Nothing here has a configuration, but that nothing is tried again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.yaml").write_text("limits: {retries: 0}\nvolume: {path: v}\n")
    for name in ("SCANMATRIX_SERVER", "SCANMATRIX_TOKEN", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


def ran(*words):
    found = CliRunner().invoke(app, list(words))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


def same(text):
    """What is printed without what is another one in each run: its id, where it left what, and which machine it is."""
    text = re.sub(r"(?m)^(Results|Report): .*$", r"\1", text)
    text = re.sub(r"--(config|server) \S+", "", text)
    return re.sub(r"(api-[0-9a-f]{20}|\d{8}-\d{6}-[0-9a-f]{6})\s*", "RUN ", text)


def test_a_run_of_a_service_ends_as_one_here(url):
    here, there = ran(*WORDS, "--config", "here.yaml"), ran(*WORDS, "--server", url)
    assert same(there.stdout) == same(here.stdout)
    assert there.exit_code == here.exit_code
    assert f"Results: {url}/runs/" in there.stdout
    assert "1 cell on 1 target" in there.stderr


def test_its_json_is_the_ledger(url):
    here, there = (json.loads(ran(*WORDS, *at, "--output", "json").stdout) for at in
                   (("--config", "here.yaml"), ("--server", url)))  # fmt: skip
    assert there.keys() == here.keys()
    assert [(row["scan"], row["outcome"]) for row in there["rows"]] == [("root-user", "failed")]


def test_one_key_is_one_run_and_its_severity_is_part_of_it(url):
    first, again = (ran(*WORDS, "--server", url, "--key", "build-1", "--detach").stdout for _ in range(2))
    assert first == again != ""
    with pytest.raises(ServiceRefusalError, match="another key"):
        ran(*WORDS, "--server", url, "--key", "build-1", "--fail-on", "high")
    assert ran("status", first.strip(), "--watch", "--server", url).exit_code == 0
    assert "ended already" in ran("cancel", first.strip(), "--server", url).stdout
    retried = ran("retry", first.strip(), "--server", url)
    assert (retried.exit_code, "0 of 1 cells ok" in retried.stdout) == (POLICY, True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ServiceAwayError("away")], ids=["ctrl-c", "away"])
def test_a_run_that_is_not_followed_continues_and_says_how_to_come_back(url, monkeypatch, error):
    def broken(*_):
        raise error

    monkeypatch.setattr(AnswersElsewhere, "await_end", broken)
    if isinstance(error, ServiceAwayError):
        with pytest.raises(
            ServiceAwayError, match=r"may continue, watch it with `scanmatrix status .* --watch --server"
        ):
            ran(*WORDS, "--server", url)
        return
    found = ran(*WORDS, "--server", url)
    assert found.exit_code == 130
    [said] = [line for line in found.stderr.splitlines() if "continues" in line]
    assert [word for word in ("status", "cancel", "results show --run") if f"`scanmatrix {word} " not in said] == []


def test_a_summary_that_there_is_not_is_said(url, monkeypatch, tmp_path):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary"))
    assert "$GITHUB_STEP_SUMMARY: a service has no summary" in ran(*WORDS, "--server", url).stderr


def test_progress_comes_by_a_stream_and_without_one_by_asking(url, monkeypatch):
    asked = []
    send = ServiceClient._send
    monkeypatch.setattr(ServiceClient, "_send", lambda self, request: asked.append(request.path) or send(self, request))
    with ServiceClient(url, "") as client:
        run = ran(*WORDS, "--server", url, "--detach").stdout.strip()
        asked.clear()
        [*_, streamed] = client.follow(run)
        assert asked == []
        monkeypatch.setattr(run_scripts, "_STREAMS", 0)
        [*_, last] = client.follow(run)
        assert last == streamed
        assert asked == [f"/api/v1/runs/{run}/progress"]
