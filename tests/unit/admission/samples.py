"""Configurations with rules, and what they say of scans."""

from pathlib import Path
from typing import Any

from orchestrator.admission.judging import AdmissionJudge
from orchestrator.admission.scans import refusal_of
from orchestrator.config.allow import Allow
from orchestrator.config.loading import Config, default_config, load_config
from orchestrator.model import Scan


def refused(scan: Scan, allow: Allow | None) -> str:
    """Why a scan may not run by a list."""
    config = default_config(environment={}).model_copy(update={"allow": allow})
    with AdmissionJudge(config) as judge:
        return refusal_of(scan, config, judge, in_cluster=False)


def configured(folder: Path, text: str, **files: Any) -> Config:
    """A configuration of this text, with these files beside it."""
    for name, data in files.items():
        (folder / name).write_bytes(data)
    path = folder / "scanmatrix.yaml"
    path.write_text(text)
    return load_config(path, environment={})
