"""Every key of a file, walked from its models, each with a document that has just it and what it needs."""

import json
from typing import get_args, get_origin

from pydantic.alias_generators import to_camel

from orchestrator.config.keys import alternatives, fields, section_of
from orchestrator.config.section import OneOf, Section

#: What a key that must be there has, where another is looked at.
SAMPLES = {
    "url": "https://a.io/x", "host": "a.io", "upstream": "a.io", "image": "aaa", "reason": "r", "name": "n",
    "server": "nas", "bucket": "b", "to": "a@b.io", "repositories": ["a"], "secret": "s" * 16, "path": "/a/b",
    "group": "g", "id": "CVE-2020-1", "format": "sarif", "description": "d", "command": ["x"],
    "repository": "a/b", "mirror": "a.io", "tokens": {"a.io": "T"}, "issuer": "https://a.io", "audience": "a",
    "tokenSecret": "a", "labels": ["owner"], "kind": "harbor", "apiVersion": "v2", "actions": [], "inputs": {},
    "events": [{"name": "e"}], "tasks": [{"image": "a"}], "property": "$.a", "match": "a", "valueFrom": "string",
    "type": "RuntimeDefault",
    "images": ["a"], "predicateType": "a", "scan": "a", "cataloguers": ["1"], "servers": ["a.io:9092"],
    "start": ["x"], "ready": ["x"],
}  # fmt: skip
#: What is there as well, because a rule between keys wants it.
BESIDE = {
    "DenySection": {"image": "a/b"}, "DistrustSection": {"scan": "a"}, "Allow": {"images": ["a"]},
    "Smtp": {"from": "a@b.io"}, "TargetSource": {"image": "a"}, "Route": {"slack": {"url": "https://a.io/x"}},
    "Operator": {"group": "g"}, "IgnoreRule": {"id": "CVE-2020-1"},
    "OidcSection": {"roles": {"read": ["a"]}}, "NotifySection": {"smtp": {"host": "a", "from": "a@b"}},
    "ServicePods": {"namespaces": ["a"]}, "EventRule": {"images": ["a"]},
    "JobTask": {"image": "a"}, "JobPlugin": {"image": f"a@sha256:{'0' * 64}"},
    "TaskVariables": {"secretRef": {"name": "a"}},
    "SbomsSection": {"store": True},
    "KafkaSection": {"tls": True, "certificate": "c", "key": "k", "user": "u", "password": "p"},
    "Signer": {"issuer": "https://a.io", "identity": "a"},
    "AdmissionPolicy": {"name": "n", "images": ["a"], "authorities": [{"key": "a"}]},
}  # fmt: skip


def minimal(section, key, written):
    """A section with one key as it is written, and whatever else it needs."""
    named = {field.alias or name: field for name, field in section.model_fields.items()}
    beside = BESIDE.get(section.__name__, {})
    if issubclass(section, OneOf) and key in map(to_camel, section.choices):
        beside = {}
    whole = {name: json.dumps(value) for name, value in beside.items()}
    needed = {name: fields(section)[name] for name, field in named.items() if field.is_required() and name not in whole}
    whole |= {name: _sample(name, kind) for name, kind in needed.items() if name != key}
    whole[key] = written
    return "{" + ", ".join(f"{name}: {value}" for name, value in whole.items()) + "}"


def _sample(name, kind):
    section = section_of(kind)
    if section is None:
        return json.dumps(SAMPLES[name])
    [first] = [name for name, field in section.model_fields.items() if field.is_required()][:1] or ["csv"]
    return minimal(section, first, json.dumps(SAMPLES[first]))


def walk_keys(section, write=lambda written: written, path=()):
    """Place, type and document of every key, and of every item of a list and value of a mapping."""
    for key, kind in fields(section).items():
        yield from _values(kind, lambda written, key=key: write(minimal(section, key, written)), (*path, key))


def _values(kind, write, path):
    yield path, kind, write
    for each in alternatives(kind):
        if isinstance(each, type) and issubclass(each, Section):
            yield from walk_keys(each, write, path)
        elif get_origin(each) is tuple:
            yield from _values(get_args(each)[0], lambda written: write(f"[{written}]"), (*path, 0))
        elif get_origin(each) is dict:
            yield from _values(get_args(each)[1], lambda written: write(f"{{kk: {written}}}"), (*path, "kk"))
