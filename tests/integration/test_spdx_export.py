"""The SPDX document against the schema of SPDX 2.3."""

import json
from pathlib import Path

import jsonschema_rs

from orchestrator.findings.interface import Report
from orchestrator.volume.layout import Volume
from tests.tools import artifacts
from tests.unit.exports.test_spdx import LIBRARY, OTHER, exported


def test_the_document_is_valid(tmp_path: Path) -> None:
    bom = {"components": [LIBRARY, OTHER], "dependencies": [{"ref": "a", "dependsOn": ["b"]}]}
    reports = Report(scanner="syft", bom=bom), Report(scanner="grype", findings=())
    document = json.loads(Path(exported(Volume(tmp_path), *reports)).read_bytes())
    validator = jsonschema_rs.validator_for(json.loads(artifacts.spdx_schema()), validate_formats=True)
    assert [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(document)] == []
    assert len(document["packages"]) == 5
    document["packages"][0]["primaryPackagePurpose"] = "LIB"
    assert not validator.is_valid(document)
