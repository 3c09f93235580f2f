"""Scans and rules, for tests of which scanners are trusted."""

from orchestrator.model import Distrust, Scan

NOW = "2026-11-28T12:00:00Z"
A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


def scan(image: str = "aquasec/trivy:0.68.2", name: str = "general", **fields: object) -> Scan:
    return Scan(name=name, image=image, command=("trivy",), format="trivy", **fields)  # type: ignore[arg-type]


def rule(**fields: object) -> Distrust:
    return Distrust(**{"reason": "because", **fields})  # type: ignore[arg-type]
