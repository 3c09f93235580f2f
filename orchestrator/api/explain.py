"""What a key of a file means: its meaning, type, default and an example, from the models that decide them."""

from __future__ import annotations

import csv
import io
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from orchestrator.analysis.suppression.rules import IgnoreFile
from orchestrator.api.printed import KeyExplanation
from orchestrator.catalog.template import TEMPLATE
from orchestrator.config.examples import GivenExample, example_of
from orchestrator.config.json_schema import plain_text
from orchestrator.config.loading import Config
from orchestrator.config.reference import keys_of
from orchestrator.errors import UsageError
from orchestrator.inventory.csv_row import CsvRow
from orchestrator.jobs.keys import JOB
from orchestrator.jobs.plugins import PLUGIN
from orchestrator.kit.sources import suggest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.section import Section

#: The files whose keys are explained, by the word that may stand before a key.
FILES: Mapping[str, type[Section]] = {
    "configuration": Config,
    "targets": CsvRow,
    "template": TEMPLATE.section,
    "job": JOB.section,
    "plugin": PLUGIN.section,
    "ignore": IgnoreFile,
}
#: Keys of several names that are all explained; of more only the names are listed.
_MOST = 6
_DIGEST = "sha256:" + "0" * 64
_FILTER = {"property": "$.data.test.teststrategy", "match": "performance"}
_EGRESS = {"namespace": "shop", "ports": [443]}
_INPUT = {"description": "users at the same time", "type": "integer", "least": 1}
_WARM = {
    "start": ["clamd", "--foreground", "--config-file={files}/clamd.conf"],
    "command": ["clamdscan", "--config-file={files}/clamd.conf", "--log={report}", "{layers}"],
    "ready": ["clamdscan", "--config-file={files}/clamd.conf", "--ping=1"],
    "files": {"clamd.conf": "LocalSocket {server}/clamd.sock"},
}
_VALUES: Mapping[str, Mapping[str, Any]] = {
    "configuration": {
        "auth.oidc": {"issuer": "https://login.example.com", "audience": "scanmatrix", "roles": {"read": ["staff"]}},
    },
    "targets": {
        "repository": "https://git.example.com/shop/web.git",
        "ref": "release",
        "scans": "general;virus",
        "owner": "shop@example.com",
    },
    "template": {
        "name": "general",
        "command": ["trivy", "image", "--input={tarball}", "--format=json", "--output={report}"],
        "sbom": {"scan": "packages", "command": ["grype", "sbom:{sbom}"], "cataloguers": ["1.42.3"]},
        "sbom.cataloguers": ["1.42.3"],
        "sbom.notFor": ["maven"],
        "warm": _WARM,
        **{f"warm.{key}": value for key, value in _WARM.items()},
    },
    "job": {
        "actions.name": "Run tests",
        "actions.events.name": "sh.keptn.event.*.triggered",
        "actions.events.jsonpath": _FILTER,
        "actions.events.jsonpath.property": _FILTER["property"],
        "actions.events.jsonpath.match": _FILTER["match"],
        "actions.tasks.name": "Run locust",
        "actions.tasks.plugin": "keptn-contrib/locust-test-job",
        "actions.tasks.image": "docker.io/library/alpine:3.22",
        "actions.tasks.files": ["locust/basic.py", "helm"],
        "actions.tasks.cmd": ["sh", "-c"],
        "actions.tasks.args": ["echo $(KEPTN_SERVICE)"],
        "actions.tasks.env": [{"name": "HOST", "valueFrom": "event", "value": "$.data.deployment.urls[0]"}],
        "actions.tasks.env.name": "HOST",
        "actions.tasks.env.value": "$.data.deployment.urls[0]",
        "actions.tasks.workingDir": "/keptn/locust",
        "actions.tasks.networkPolicy": {"egress": [_EGRESS]},
        "actions.tasks.networkPolicy.egress": [_EGRESS],
        "actions.tasks.networkPolicy.egress.cidr": "203.0.113.0/24",
        "actions.tasks.networkPolicy.egress.ports": [443],
        "actions.tasks.securityContext.capabilities.add": ["NET_BIND_SERVICE"],
        "actions.tasks.securityContext.capabilities.drop": ["ALL"],
    },
    "plugin": {
        "name": "keptn-contrib/locust-test-job",
        "image": f"docker.io/locustio/locust:2.46.6@{_DIGEST}",
        "command": ["locust", "--headless", "--locustfile=/keptn/{LOCUST_TEST}"],
        "inputs": {"LOCUST_COUNT": _INPUT},
        "inputs.description": _INPUT["description"],
        "inputs.event": "$.data.deployment.urls[0]",
        "inputs.pattern": "[a-z0-9-]{1,40}",
        "inputs.values": ["small", "large"],
        "environment": {"HELM_CACHE_HOME": "/tmp/helm"},  # noqa: S108 - in a pod
        "workingDir": "/keptn",
    },
    "ignore": {"ignore": [{"id": "CVE-2020-1234", "reason": "the code is never called"}]},
}
#: Examples that nothing in the models tells, by file and key.
_GIVEN = {file: {key: GivenExample(value) for key, value in values.items()} for file, values in _VALUES.items()}
_GIVEN["configuration"] |= {
    "argo.service.ingress": GivenExample({"host": "scans.example.com"}, {"namespaces": ["ingress"]}),
    "argo.service.gateway": GivenExample({"name": "public"}, {"namespaces": ["gateways"]}),
    "argo.service.monitor": GivenExample({"tokenSecret": "metrics"}, {"namespaces": ["monitoring"]}),
    "sboms.attached": GivenExample({"signers": [{"key": "keys/builder.pub"}]}, {"store": True}),
}


def explain_key(name: str) -> tuple[KeyExplanation, ...]:
    """What a key means, of every file that has it.

    Args:
        name: the whole name of a key, or the end of it, as messages have it (`actions[0].tasks[1].env`); the word of a
            file may stand before it (`job.actions`), or stand alone for all its keys at the top.

    Raises:
        UsageError: there is no such key, or too many end so.
    """
    word = re.sub(r"\[[^\]]*\]", "", name).strip(".")
    file, _, rest = word.partition(".")
    if word in FILES:
        return tuple(each for each in _all_of(word) if "." not in each.key)
    every = every_key()
    choice = [each for each in every if f"{each.file}.{each.key}" == word] if file in FILES and rest else []
    choice = choice or [each for each in every if each.key == word]
    choice = choice or [each for each in every if f"{each.file}.{each.key}".endswith(f".{word}")]
    if not choice:
        known = [*(each.key for each in every), *(each.key.rpartition(".")[2] for each in every)]
        known += [f"{each.file}.{each.key}" for each in every] if file in FILES else []
        raise UsageError(f"there is no key {name!r}{suggest(word, known)}")
    if len(choice) > _MOST:
        names = ", ".join(f"{each.file}.{each.key}" for each in choice)
        raise UsageError(f"{name!r} is the end of {len(choice)} keys; name one of them: {names}")
    return tuple(choice)


def every_key() -> tuple[KeyExplanation, ...]:
    """All keys of all files, in order."""
    return tuple(each for file in FILES for each in _all_of(file))


@cache
def _all_of(file: str) -> tuple[KeyExplanation, ...]:
    """Every key of a file, in order."""
    section = FILES[file]
    rows = tuple(keys_of(section))
    names = [row.name for row in rows]
    return tuple(
        KeyExplanation(
            file=file,
            key=row.name,
            type=row.kind.replace("`", ""),
            default=row.default.strip("`"),
            meaning=plain_text(row.meaning),
            example=_example(file, row.name),
            keys=tuple(name for name in names if name.rpartition(".")[0] == row.name),
        )
        for row in rows
    )


def _example(file: str, key: str) -> str:
    example = example_of(FILES[file], key.split("."), _GIVEN[file])
    if file == "targets":
        # A column alone does not say what it is about.
        about = "repository" if key in {"repository", "ref"} else "image"
        row = example_of(CsvRow, [about], _GIVEN[file]) | example
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows((row.keys(), row.values()))
        return lines.getvalue()
    text: str = yaml.safe_dump(example, sort_keys=False, allow_unicode=True, width=100)
    return text
