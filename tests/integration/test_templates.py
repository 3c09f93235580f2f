"""The commands of the shipped templates against the real scanners: no option is refused, and what they write is read.

No vulnerability database can be fetched on loopback: there the scanner must get as far as missing its database. Grype
takes minutes to build; its tests are skipped where nobody built it.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from orchestrator.catalog.loading import load_catalog
from orchestrator.catalog.placeholders import fill_words
from orchestrator.findings import formats
from orchestrator.images.content.unpack import unpack_layers
from orchestrator.images.tarball.archive import open_tarball
from orchestrator.model import TargetKind
from orchestrator.steps.fetching import Reach
from orchestrator.steps.refresh import refresh
from orchestrator.volume.layout import Volume
from tests.tools import find, require, samples
from tests.tools.images import Image
from tests.tools.layers import layer
from tests.unit.tarballs import write_tarball

CATALOG = load_catalog()
NOWHERE = "127.0.0.1:9"
REFUSED = re.compile(
    r"unknown (shorthand )?flag|unknown (command|option)|unrecognized option|invalid argument|usage:", re.IGNORECASE
)
# In pieces, so that no scanner finds it in this repository.
TOKEN = "".join(("ghp", "_", "aB3dE5fG7h", "J9kL1mN3pQ", "5rS7tU9vW1", "xY3zA5"))


@pytest.fixture
def run(tmp_path):
    """Run a scan's command; exit code, all it printed, and the report's path."""

    def _run(name, image, *, database=None, checkout=None):
        scan = CATALOG[name]
        program = Path(scan.command[0]).name
        path = find(program) if program == "grype" else require(program)
        if path is None:
            pytest.skip(f"{program} takes minutes to build; get it by: python -m tests.tools --all")
        places = {"workdir": tmp_path / "work", "database": database or tmp_path / "database"}
        for folder in places.values():
            folder.mkdir(exist_ok=True)
        if checkout is not None:
            places["checkout"] = checkout
        places |= {"tarball": write_tarball(tmp_path / "image.tar", image), "report": places["workdir"] / scan.report}
        if scan.reads_layers:
            places["layers"] = tmp_path / "layers"
            places["layers"].mkdir()
            with open_tarball(places["tarball"]) as opened:
                unpack_layers(opened, places["layers"], 0)
        where = {place: str(path) for place, path in places.items()}
        kind = TargetKind.IMAGE if checkout is None else TargetKind.REPOSITORY
        given = scan.environment
        first, *rest = (_nowhere(word) for word in fill_words(scan.command_for(kind), scan, where))
        environment = {
            "PATH": f"{path.parent}:{os.environ['PATH']}:/usr/sbin",
            **dict(zip(given, map(_nowhere, fill_words(tuple(given.values()), scan, where)), strict=True)),
        }
        started = [first if first == "sh" else str(path), *rest]
        done = subprocess.run(
            started, env=environment, cwd=places["workdir"], check=False, capture_output=True, text=True, timeout=300
        )
        return done.returncode, done.stdout + done.stderr, places["report"]

    return _run


def _nowhere(text):
    """Mirrors replaced by an address of this machine where nobody answers."""
    for value in ("https://grype.anchore.io", "ghcr.io", "database.clamav.net"):
        text = text.replace(value, f"http://{NOWHERE}" if value != "ghcr.io" else NOWHERE)
    return text


def _parse(name, report):
    return formats()[CATALOG[name].format].parse(report.read_bytes())


def test_sbom(run):
    code, said, report = run("sbom", samples.system())
    assert code == 0, said
    assert _parse("sbom", report).findings == ()
    assert {one["name"] for one in json.loads(report.read_bytes())["components"]} >= {"bash", "openssl"}


def test_virus(run, virus_signatures):
    code, said, report = run("virus", samples.eicar(), database=virus_signatures)
    assert code == 1, said
    assert len(_parse("virus", report).findings) >= 1


def test_virus_behind_what_clamav_by_itself_leaves_out(run, virus_signatures):
    """Its own limit of 100 MB a file makes such a layer `OK`, unread."""
    large = layer({"a/large": bytes(120 * 1024**2), "b/eicar.com": samples.EICAR})
    code, said, report = run("virus", Image.build([large]), database=virus_signatures)
    assert code == 1, said
    assert len(_parse("virus", report).findings) >= 1


def test_virus_of_a_clean_image(run, virus_signatures):
    code, said, report = run("virus", samples.small(), database=virus_signatures)
    assert code == 0, said
    assert _parse("virus", report).findings == ()


def test_secrets(run):
    code, said, report = run("secrets", samples.small(content=f"token = {TOKEN}\n"))
    assert code == 0, said
    [finding] = _parse("secrets", report).findings
    assert "greeting" in finding.location
    assert TOKEN not in report.read_text()


def test_secrets_of_a_clean_image(run):
    code, said, report = run("secrets", samples.small())
    assert code == 0, said
    assert _parse("secrets", report).findings == ()


@pytest.mark.parametrize("name", ["dependency", "general"])
def test_without_a_database(run, name):
    code, said, _ = run(name, samples.system())
    assert code not in CATALOG[name].success_codes
    assert re.search(r"database|\bDB\b", said)
    assert not REFUSED.search(said), said


def test_a_checkout_without_a_database(run, tmp_path):
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "requirements.txt").write_text("requests==2.0.0\n")
    code, said, _ = run("dependency", samples.small(), checkout=tmp_path / "checkout")
    assert code not in CATALOG["dependency"].success_codes
    assert re.search(r"database|\bDB\b", said)
    assert not REFUSED.search(said), said


@pytest.mark.parametrize("name", [name for name, scan in CATALOG.items() if scan.database])
def test_a_database_from_a_mirror_that_does_not_answer(tmp_path, name):
    database = CATALOG[name].database
    fetch = msgspec.structs.replace(
        database.fetch, settings={key: _nowhere(value) for key, value in database.fetch.settings.items()}
    )
    scan = msgspec.structs.replace(CATALOG[name], database=msgspec.structs.replace(database, fetch=fetch))
    state = refresh(scan, Volume(tmp_path), runner=None, reach=Reach(retries=0))
    assert NOWHERE in state.error
    assert not state.version
