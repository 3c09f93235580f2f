"""The CustomResourceDefinition of `ScanMatrix`, made of the models of the configuration."""

from __future__ import annotations

from typing import Any

from orchestrator.config.resource import GROUP, KIND, PLURAL, VERSION, spec_schema
from orchestrator.workflows.install.objects import Manifest, manifest

_TIME = {"type": "string", "format": "date-time"}
_COUNT = {"type": "integer", "minimum": 0}


def custom_resource() -> Manifest:
    """The definition."""
    schema = {
        "type": "object",
        "description": "Keeps scanned what runs in a namespace, or what a configuration names.",
        "properties": {"spec": spec_schema(), "status": _status()},
        "required": ["spec"],
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [
            _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            _column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
            _column("Fresh", ".status.cells.fresh", "integer"),
            _column("Due", ".status.cells.due", "integer"),
            _column("Held", ".status.cells.held", "integer", wide=True),
            _column("Last run", ".status.lastRun.phase"),
            _column("Ended", ".status.lastRun.finishedAt", "date", wide=True),
            _column("Next", ".status.nextRun"),
            _column("Ignores", ".spec.ignoreLabel", wide=True),
            _column("Message", '.status.conditions[?(@.type=="Ready")].message', wide=True),
            _column("Age", ".metadata.creationTimestamp", "date"),
        ],
        "schema": {"openAPIV3Schema": schema},
    }
    spec = {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {
            "kind": KIND,
            "listKind": f"{KIND}List",
            "plural": PLURAL,
            "singular": KIND.lower(),
            "shortNames": ["smx"],
            "categories": ["all"],
        },
        "versions": [version],
    }
    return manifest("CustomResourceDefinition", f"{PLURAL}.{GROUP}", None, api="apiextensions.k8s.io/v1", spec=spec)


def _column(name: str, path: str, kind: str = "string", *, wide: bool = False) -> Manifest:
    return {"name": name, "type": kind, "jsonPath": path, **({"priority": 1} if wide else {})}


def _status() -> dict[str, Any]:
    """What the controller writes; findings never stand here."""
    condition = {
        "type": "object",
        "required": ["type", "status", "reason", "message", "lastTransitionTime"],
        "properties": {
            "type": {"type": "string"},
            "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
            "reason": {"type": "string", "enum": ["Reconciled", "Waiting", "Scanning", "Failed"]},
            "message": {"type": "string"},
            "lastTransitionTime": _TIME,
            "observedGeneration": {"type": "integer", "format": "int64"},
        },
    }
    cells = {"type": "object", "properties": dict.fromkeys(("fresh", "due", "held", "inFlight"), _COUNT)}
    run = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "phase": {"type": "string"},
            "progress": {"type": "string"},
            "startedAt": _TIME,
            "finishedAt": _TIME,
        },
    }
    return {
        "type": "object",
        "properties": {
            "observedGeneration": {"type": "integer", "format": "int64"},
            "conditions": {
                "type": "array",
                "items": condition,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["type"],
            },
            "cells": {**cells, "description": "Cells that are wanted, counted by the scheduler."},
            "lastRun": {**run, "description": "The youngest run: its Workflow, and how far it is."},
            "nextRun": {**_TIME, "description": "When the schedule, or what becomes stale, starts the next one."},
        },
    }
