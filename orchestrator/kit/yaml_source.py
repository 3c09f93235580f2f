"""YAML that people write, as plain data with the line of every value.

YAML 1.1 as PyYAML reads it, narrowed to what a configuration needs: one document, text keys, no key twice, no tag but
`!!str`, no control characters, and bounded size, nesting and expansion of anchors (an alias that multiplies itself is
cut off).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from orchestrator.kit.sources import CONTROL, Problem, Source, SourceError, named, read_text

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.kit.sources import Location

_MAX_DEPTH = 40
_MAX_NODES = 500_000
_MOST_DIGITS = 100
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_COLLECTIONS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
# `<<` and `=` as values: YAML 1.2 has them as text, and 1.1 gives them no meaning there.
_SIGNS = {_MERGE, "tag:yaml.org,2002:value"}
# The numbers of the core schema of YAML 1.2 (10.3.2), which is what editors and most other programs read.
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+")
# libyaml's parser is ten times as fast; both give the same marks.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Source:
    """A YAML file as plain data with the line of every value.

    Raises:
        SourceError: it cannot be read, or is not YAML as this module's docstring narrows it.
    """
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, name: str, *, at: Location = ()) -> Source:
    """YAML text as plain data with the line of every value; see `read_yaml`.

    Args:
        text: the file.
        name: what to call it in messages.
        at: the key that its whole is the value of, for messages.
    """
    try:
        _bound(text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise SourceError([Problem(name, 1, "is empty")])
            walk = _Walk(name, loader, at)
            data = walk.value(node, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise SourceError([_explain(error, text, name)]) from error
    except yaml.YAMLError as error:
        raise SourceError([Problem(name, 0, f"is not YAML: {error}")]) from error
    except _TooMuchError as error:
        raise SourceError([Problem(name, error.line, str(error))]) from error
    if walk.problems:
        raise SourceError(sorted(walk.problems, key=lambda problem: problem.line))
    return Source(name, data, walk.lines, unquoted=walk.unquoted)


class _TooMuchError(Exception):
    """The text would take more depth or room than any real file of ours."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def _bound(text: str) -> None:
    """Refuse deep nesting before anything recursive looks at the text."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            depth += 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            depth -= 1
        if depth > _MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise _TooMuchError(f"nested more than {_MAX_DEPTH} levels deep", line)


class _Walk:
    """Node graph to plain data; aliases are written out, so what they multiply to is counted."""

    def __init__(self, name: str, loader: Any, at: Location) -> None:
        self.name = name
        self.at = at
        self.loader = loader
        self.lines: dict[Location, int] = {}
        self.unquoted: dict[Location, str] = {}
        self.problems: list[Problem] = []
        self.count = 0

    def value(self, node: yaml.Node, location: Location) -> Any:
        line = node.start_mark.line + 1
        self.count += 1
        if self.count > _MAX_NODES or len(location) > _MAX_DEPTH:
            raise _TooMuchError("anchors and aliases expand to more than any configuration needs", line)
        self.lines.setdefault(location, line)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, location)
        if node.tag not in _COLLECTIONS:
            return self.wrong(location, line, f"tag {node.tag!r} is not supported")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, location)
        return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]

    def scalar(self, node: yaml.ScalarNode, location: Location) -> Any:
        line, written = node.start_mark.line + 1, node.value
        implied = self.loader.resolve(yaml.ScalarNode, written, (not node.style, bool(node.style)))
        if node.tag not in {_TEXT, implied}:
            return self.wrong(location, line, f"tag {node.tag!r} is not supported; write the value itself")
        if node.tag == _TEXT or node.tag in _SIGNS:
            if not node.style and implied == _TEXT and _NUMBER.fullmatch(written):  # in YAML 1.2 only
                self.unquoted[location] = written
            if bad := CONTROL.search(written):
                return self.wrong(location, line, f"control character {bad[0]!r}; write text")
            return written
        if len(written) > _MOST_DIGITS:
            return self.wrong(location, line, f"a number of {len(written)} digits; put text in quotes")
        self.unquoted[location] = written
        try:
            return self.loader.construct_object(node)
        except ValueError as error:  # such as a date that does not exist
            return self.wrong(location, line, f"{written!r}: {error}; put text in quotes")

    def mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line, key = key_node.start_mark.line + 1, key_node.value
            if key_node.tag == _MERGE:
                self.wrong(location, line, "merge keys ('<<') are not supported; repeat the keys")
            elif key_node.tag != _TEXT or (not key_node.style and _NUMBER.fullmatch(key)):
                shown = key if isinstance(key_node, yaml.ScalarNode) else "…"
                self.wrong(location, line, f"a key must be text; write {shown!r} in quotes")
            elif bad := CONTROL.search(key):
                self.wrong(location, line, f"control character {bad[0]!r} in a key; write text")
            elif key in result:
                first = self.lines[(*location, key)]
                self.wrong(location, line, f"key {key!r} is there twice, first in line {first}")
            else:
                self.lines[(*location, key)] = line
                result[key] = self.value(value_node, (*location, key))
        return result

    def wrong(self, location: Location, line: int, message: str) -> None:
        """A mistake, with the whole name of its key."""
        self.problems.append(Problem(self.name, line, named((*self.at, *location), message)))


def _explain(error: yaml.MarkedYAMLError, text: str, name: str) -> Problem:
    """What libyaml complains of in one line, at the place where it noticed."""
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    lines = text.splitlines()
    written = lines[line - 1] if 0 < line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())]:
        return Problem(name, line, "a tab in the indentation; indent with spaces")
    what = " ".join(str(part) for part in (error.context, error.problem) if part)
    return Problem(name, line, f"is not YAML here: {what}")
