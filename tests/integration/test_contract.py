"""Schemathesis asks every operation of the contract, of a real service: everything that it can think of."""

import json
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from orchestrator.service.auth.token_file import add_token
from orchestrator.service.rest import contract
from tests.integration.test_service import serve, until_ready
from tests.served import volume_in

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"
#: Streams, which `unit/service/rest/test_live.py` and `tests/unit/client` follow: their events are not of one schema.
STREAMS = ("/api/v1/events", "/api/v1/runs/{run}/progress/events")
#: What the contract's schemas cannot say: which cursor belongs to which question, which names images have, that one of
#: two parameters must be given. So what they allow may be refused, as a problem.
UNSAID = "positive_data_acceptance"
_SUMMARY = re.compile(r"(?m)^ *Selected: (\d+)/\d+\n *Tested: (\d+)$")
#: In CI a few requests to each operation, so that the machine's speed decides nothing; in the campaign all that it
#: thinks of, for some seconds.
FEW, MANY = ("--phases", "examples,fuzzing", "--max-examples"), ("--max-time", "300")
_PATIENCE = 900
#: Of the contract, without the streams.
OPERATIONS = len(contract.ANSWERS)


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A service over two runs, and a token of each role."""
    folder = tmp_path_factory.mktemp("service")
    file = folder / "tokens.json"
    tokens = {role: add_token(file, role, role, owners=None, seconds=None) for role in ("read", "submit", "admin")}
    tokens["owner"] = add_token(file, "owner", "admin", owners=("shop",), seconds=None)
    settings = {"volume": {"path": str(volume_in(folder).root)}, "auth": {"tokens": str(file)}}
    (folder / "scanmatrix.yaml").write_text(json.dumps(settings | {"limits": {"retries": 0}}))
    with serve("--config", str(folder / "scanmatrix.yaml")) as (client, process):
        # Nobody else reads its log, which would fill the pipe.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        until_ready(client)
        yield str(client.base_url), tokens, process


def ask(url, token, folder, *words):
    """Let it ask; how many operations it chose, and how many of them it asked."""
    program = str(Path(sys.executable).with_name("schemathesis"))
    headers = ["-H", f"Authorization: Bearer {token}"] if token else []
    excluded = [word for path in STREAMS for word in ("--exclude-path", path)]
    command = [program, "run", "--url", url, *excluded, "--no-color", *words, *headers]
    command += ["--exclude-checks", UNSAID, "--request-timeout", "60", "--continue-on-failure"]
    command += ["--warnings", "off", "--generation-database", "none", str(DOCUMENT)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder, timeout=_PATIENCE)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return tuple(map(int, _SUMMARY.search(done.stdout).groups()))


@pytest.mark.parametrize("who", ["admin", "read", "owner", "nobody"])
@pytest.mark.parametrize("words", [FEW, pytest.param(MANY, marks=pytest.mark.campaign)], ids=["few", "many"])
def test_every_operation_answers_as_the_contract_says(service, who, words, tmp_path):
    url, tokens, process = service
    if words == FEW:  # who says nothing hears always the same
        words = (*words, "4" if who in tokens else "1")
    selected, tested = ask(url, tokens.get(who), tmp_path, *words)
    assert tested == selected >= OPERATIONS
    assert process.poll() is None
