"""Elements of XML into JSON values: small functions that are put together to the shape of a format.

A shape takes an element and gives its value, None where it says nothing. They are walked by recursion, which
`orchestrator.findings.markup` bounds.
"""

import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any
from xml.etree.ElementTree import Element

Json = dict[str, Any]
Shape = Callable[[Element], Any]

_INTEGER = re.compile(r"[0-9]{1,9}")


def text(element: Element) -> str | None:
    """The text of an element."""
    return (element.text or "").strip() or None


def whole(written: str) -> int | None:
    """A whole number as it is written; None for anything else, and for more digits than any has."""
    return int(written) if _INTEGER.fullmatch(written) else None


def integer(element: Element) -> int | None:
    """A whole number."""
    return whole((element.text or "").strip())


def number(element: Element) -> float | None:
    """A finite number."""
    try:
        found = float(element.text or "")
    except ValueError:
        return None
    return found if isfinite(found) else None


def flag(element: Element) -> bool:
    """A boolean as XML Schema writes it."""
    return (element.text or "").strip() in {"true", "1"}


def each(name: str, shape: Shape) -> Shape:
    """A list of every child of that name; it says something even when it is empty."""
    return lambda element: [value for child in element if child.tag == name and (value := shape(child)) is not None]


def part(
    children: Mapping[str, Shape] | None = None,
    *,
    attributes: tuple[str, ...] = (),
    repeated: Mapping[str, Shape] | None = None,
    own: str = "",
) -> Shape:
    """An object.

    Args:
        children: shapes by name of the child, which is the key as well.
        attributes: names of attributes, which are the keys as well.
        repeated: likewise, for children that make up a list without an element around it.
        own: the key of the element's own text.
    """
    shapes, lists = children or {}, repeated or {}

    def convert(element: Element) -> Json | None:
        attribs = element.attrib
        found: Json = {key: value for key in attributes if (value := attribs.get(key))}
        if own and (value := text(element)):
            found[own] = value
        for child in element:
            tag = child.tag
            if (shape := shapes.get(tag)) is not None:
                if (value := shape(child)) is not None:
                    found[tag] = value
            elif (shape := lists.get(tag)) is not None and (value := shape(child)) is not None:
                found.setdefault(tag, []).append(value)
        return found or None

    return convert


def renamed(shape: Shape, names: Mapping[str, str]) -> Shape:
    """An object some of whose keys are called otherwise in JSON."""

    def convert(element: Element) -> Json | None:
        found: Json | None = shape(element)
        return {names.get(key, key): value for key, value in found.items()} if found else None

    return convert
