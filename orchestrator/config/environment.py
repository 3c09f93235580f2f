"""Values from the environment laid over a file's: `SCANMATRIX_LIMITS__IMAGES_IN_FLIGHT=8` is `limits.imagesInFlight`.

A variable's name is the path of keys joined by `__`, each key's words by `_`. Lists and free mappings are given whole,
as YAML or JSON text; an empty variable counts as unset.
"""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.config.keys import fields, is_text, section_at, type_at
from orchestrator.kit.logs import DEBUG_VARIABLE
from orchestrator.kit.sources import Location, Problem, Source, SourceError, suggest
from orchestrator.kit.yaml_source import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.config.section import Section

T = TypeVar("T")
PREFIX = "SCANMATRIX_"
GIT_VARIABLES = frozenset(
    {
        "SCANMATRIX_GIT_TOKEN",
        "SCANMATRIX_GIT_TOKENS",
        "SCANMATRIX_GIT_USERNAME",
        "SCANMATRIX_GIT_HOST",
        "SCANMATRIX_GIT_SSH_KEY",
        "SCANMATRIX_GIT_SSH_KNOWN_HOSTS",
        "SCANMATRIX_GIT_CREDENTIALS",
    }
)
"""Git's credentials, which `orchestrator.git.tokens` and `orchestrator.git.command` read; no key of the
configuration holds them."""

#: Where the service is that commands ask, and the token of who asks; read by the commands and `orchestrator.client`.
SERVICE_VARIABLES = frozenset({"SCANMATRIX_SERVER", "SCANMATRIX_TOKEN"})
_RESERVED = GIT_VARIABLES | SERVICE_VARIABLES | {DEBUG_VARIABLE, "SCANMATRIX_REQUIRE_TOOLS"}  # the last is the tests'
# Kubernetes puts these into every pod beside a Service named scanmatrix or scanmatrix-….
_SERVICE_LINK = re.compile(
    r"SCANMATRIX_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)


def overlay(source: Source, kind: type[Section], environment: Mapping[str, str]) -> tuple[Source, list[Problem]]:
    """The source with the environment's values in it, and what is wrong with the variables' names or YAML.

    Args:
        source: what the file says.
        kind: the model of the whole file.
        environment: variable to value.
    """
    if not any(name.startswith(PREFIX) for name in environment):
        return source, []
    data = copy.deepcopy(source.data)
    variables: dict[Location, str] = {}
    unquoted = dict(source.unquoted)
    problems: list[Problem] = []
    # The shorter name first, so that `…STORE__URL` goes into what `…STORE` gave.
    for name in sorted(environment, key=lambda name: (name.count("__"), name)):
        text = environment[name]
        if not name.startswith(PREFIX) or not text or name in _RESERVED or _SERVICE_LINK.fullmatch(name):
            continue
        try:
            location = _location(kind, name)
            value = _value(text, name, location, type_at(kind, location))
        except SourceError as error:
            problems += error.problems
            continue
        if _put(data, location, value.data):
            variables[location] = name
            unquoted = _without(unquoted, location)
            unquoted |= {(*location, *below): written for below, written in value.unquoted.items()}
    lines = dict(source.lines)
    for location in variables:  # what a variable replaced is no longer the file's
        lines = _without(lines, location)
    return replace(source, data=data, lines=lines, variables=variables, unquoted=unquoted), problems


def _without(known: Mapping[Location, T], replaced: Location) -> dict[Location, T]:
    """What is known of locations, without those at and below one."""
    return {location: one for location, one in known.items() if location[: len(replaced)] != replaced}


def _location(kind: type[Section], name: str) -> Location:
    """Where a variable's value belongs.

    Raises:
        SourceError: no key is named so.
    """
    location: Location = ()
    for word in name.removeprefix(PREFIX).split("__"):
        section = section_at(kind, location)
        if section is None:
            whole = PREFIX + "__".join(map(spell, map(str, location)))
            raise SourceError([Problem(name, 0, f"only a whole value can be given here: set {whole} to YAML or JSON")])
        keys = {spell(key): key for key in fields(section)}
        if word not in keys:
            known = [PREFIX + "__".join([*(spell(str(step)) for step in location), key]) for key in keys]
            known += () if location else sorted(GIT_VARIABLES)
            raise SourceError([Problem(name, 0, f"no key is named so{suggest(name, known)}")])
        location = (*location, keys[word])
    return location


def variable_at(location: Location) -> str:
    """Name of the variable for the value at a location: `limits.imagesInFlight` has `SCANMATRIX_LIMITS__…`."""
    return PREFIX + "__".join(spell(str(step)) for step in location)


def spell(key: str) -> str:
    """`imagesInFlight` as `IMAGES_IN_FLIGHT`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).upper()


def _value(text: str, name: str, location: Location, wanted: Any) -> Source:
    """Lists and mappings are read as YAML; anything else stays the text it is, for the model to judge.

    What is to be text is text, whatever it looks like: a password may begin with a bracket.
    """
    if is_text(wanted):
        return Source(name, text)
    if not re.match(r"\s*([\[{]|- )", text) and not re.search(r"^[\w-]+:\s", text, re.MULTILINE):
        return Source(name, text)
    source = parse_yaml(text, name, at=location)
    return source if isinstance(source.data, (dict, list)) else Source(name, text)


def _put(data: dict[str, Any], location: Location, value: Any) -> bool:
    """Set one value; False where the file has no mapping to hold it (which is a mistake of the file's own)."""
    for step in location[:-1]:
        data = data.setdefault(str(step), {})
        if data is None or not isinstance(data, dict):
            return False
    data[str(location[-1])] = value
    return True
