"""Nothing of the machine that scanned is in a finding: the shipped scans, with their real scanners, say the same of an
image wherever it and the volume lie.
"""

import csv
import json
import os

import pytest
import yaml

from orchestrator.catalog.loading import load_catalog
from orchestrator.kit.own import templates_folder
from tests.cluster import databases
from tests.integration.command import scanmatrix
from tests.tools import find, layouts, require, samples
from tests.tools.images import Image, layer
from tests.tools.samples import EICAR
from tests.tools.signatures import NAME

# Of what is stored for others, `test_sboms.py` compares the answers.
SCANS = [name for name, scan in load_catalog().items() if scan.command and not scan.stored]
PROGRAMS = {"dependency": "grype", "general": "trivy", "secrets": "trivy", "virus": "clamscan", "sbom": "syft"}
#: What says which run it was, and when.
OF_RUN = {"run", "database_version", "first_seen", "scanned", "finished", "started"}
# In pieces, so that no scanner finds it in this repository.
TOKEN = "".join(("ghp", "_", "aB3dE5fG7h", "J9kL1mN3pQ", "5rS7tU9vW1", "xY3zA5"))
LONG = f"srv/{'/'.join(['a-folder-with-a-name'] * 8)}/eicar.com"


@pytest.fixture(scope="module")
def image(java_tool):
    own = {"srv/upload/eicar.com": EICAR, "root/.netrc": f"token = {TOKEN}\n", LONG: EICAR + b"\n"}
    again = {"srv/upload/eicar.com": EICAR + b" "}
    return Image.build([*samples.system().layers, *java_tool.layers, layer(own), layer(again, "none")])


@pytest.fixture(scope="module")
def template(tmp_path_factory, virus_signatures):
    """A shipped template, with a database of ours where it needs one."""

    def made(name):
        found = yaml.safe_load((templates_folder() / f"{name}.yaml").read_text())
        folder = tmp_path_factory.mktemp(name)
        if name == "virus":
            found["database"] = {"refresh": ["cp", *map(str, sorted(virus_signatures.iterdir())), "{database}"]}
            del found["parameters"]
        elif name == "dependency":
            (archive,) = databases.grype(folder).rglob("*.tar.*")
            environment = found["database"]["environment"]
            found["database"] = {"refresh": ["/grype", "db", "import", str(archive)], "environment": environment}
            del found["parameters"]["databaseUrl"]
        elif name == "general":
            databases.trivy(folder)
            found["database"] = {"refresh": ["cp", "-r", str(folder / "db"), str(folder / "java-db"), "{database}"]}
            del found["parameters"]
        return found

    return made


@pytest.fixture(scope="module")
def found(tmp_path_factory, template, image):
    """What all scans whose programs are here found in two places: findings, and those merged; one run in each."""
    programs = {name: find(program) for name, program in PROGRAMS.items()}
    templates = [template(name) for name in SCANS if programs.get(name, "builtin")]
    path = os.pathsep.join([*{str(each.parent): None for each in programs.values() if each}, os.environ["PATH"]])
    folder = tmp_path_factory.mktemp("places")
    places = [folder / "one", folder / "another" / "much" / "deeper" / "two"]
    return [_scan(place, templates, image, path) for place in places]


def _scan(folder, templates, image, path):
    """One run in a folder of its own: rows of the findings, and those merged, without what says which run it was."""
    (folder / "scans").mkdir(parents=True)
    for template in templates:
        (folder / "scans" / f"{template['name']}.yaml").write_text(yaml.safe_dump(template))
    archive = folder / "app.tar"
    layouts.write_archive(archive, image)
    config = {
        "targets": [{"archive": str(archive)}],
        "scans": {"templates": ["scans"], "default": [template["name"] for template in templates]},
        "volume": {"path": "volume"},
    }
    (folder / "scanmatrix.yaml").write_text(yaml.safe_dump(config))
    done = scanmatrix(
        "run", "--config", folder / "scanmatrix.yaml", "--run-id", folder.name, cwd=folder, environment={"PATH": path}
    )
    results = folder / "volume" / "results" / folder.name
    assert (results / "ledger.json").exists(), done.stderr
    rows = json.loads((results / "ledger.json").read_text())["rows"]
    assert {row["scan"] for row in rows} == {template["name"] for template in templates}
    assert [f"{row['reason']} {row['log']}" for row in rows if row["outcome"] != "ok"] == []
    return [_rows(results / f"{table}.csv", folder) for table in ("findings", "merged")]


def _rows(path, folder):
    with path.open(newline="") as file:
        rows = [{key: value for key, value in row.items() if key not in OF_RUN} for row in csv.DictReader(file)]
    for row in rows:
        for key in ("references", "reference", "names"):
            row.pop(key, None)  # the archive's own path, which is what the target is called
        assert not [key for key, value in row.items() if str(folder) in value or "/tmp/" in value], row
    return rows


@pytest.mark.parametrize("name", SCANS)
def test_the_same_wherever_it_lies(name, found, image):
    program = PROGRAMS.get(name)
    if program == "grype" and find(program) is None:
        pytest.skip("grype takes minutes to build; get it by: python -m tests.tools --all")
    if program:
        require(program)
    one, other = ([row for row in rows if row["scan"] == name] for rows, _ in found)
    assert one == other
    assert one or name not in {"dependency", "general", "secrets"}
    if name == "virus":
        layers = [each.digest[:19] for each in image.layers[-2:]]
        assert {(row["location"], row["place"]) for row in one} == {
            ("/srv/upload/eicar.com", f"layer {layers[0]}"),
            ("/srv/upload/eicar.com", f"layer {layers[1]}"),
            (f"/{LONG}", f"layer {layers[0]}"),
        }
        assert {NAME in row["id"] for row in one} == {True}


def test_what_is_merged_of_all_is_the_same(found):
    (_, one), (_, other) = found
    assert one == other
    assert one
