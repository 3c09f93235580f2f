"""What every XML format shares: bytes to a tree of elements, and nothing a hostile document could do on the way."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.findings.interface import ReportError

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# In these `<` and `=` are what they are in ASCII, so that they can be counted.
_ENCODINGS = frozenset({"utf-8", "utf8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "latin1", "windows-1252"})
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?\sencoding\s*=\s*[\"']([^\"']{0,60})")
_MARKS = (b"\xff\xfe", b"\xfe\xff")
# An element costs up to 200 bytes in memory, an attribute up to 150, and each can be written in four. 100 MB of a real
# document hold about 1.6 million elements (3.2 million tags), and fewer attributes.
_MOST_TAGS = 6_000_000
_MOST_ATTRIBUTES = 6_000_000
_DEEPEST = 200
# Expat's errors that mean that the document ended too early: no element, unclosed token, partial character, CDATA.
_CUT_OFF = frozenset({3, 5, 6, 20})


def looks_like_xml(data: bytes) -> bool:
    """Whether a report is meant to be XML rather than JSON, by its first character."""
    return data.startswith(_MARKS) or data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def parse_xml(data: bytes, rename: Callable[[str], str], *, what: str) -> "Element":
    """Read an XML document; it may declare no document type, so there are no entities and nothing is fetched.

    Args:
        data: the report.
        rename: gets the name of an element, `{namespace}name`, and gives the one to call it by in the result.
        what: name of the format, for the message (`a CycloneDX document`).

    Returns:
        The root element, the elements renamed; its depth is bounded, so that it can be walked by recursion.

    Raises:
        ReportError: truncated, not well-formed, with a document type, too deep, or made to exhaust memory.
    """
    from defusedxml import (  # type: ignore[import-untyped, unused-ignore] # noqa: PLC0415 - only XML reports need it
        DefusedXmlException,
    )
    from defusedxml.ElementTree import (  # type: ignore[import-untyped, unused-ignore] # noqa: PLC0415
        ParseError,
        fromstring,
    )

    data = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    declared = _DECLARED.match(data)
    if declared and (encoding := declared[1].decode("ascii", "replace")).lower() not in _ENCODINGS:
        raise ReportError(f"the report is not {what}: no scanner writes in the encoding {encoding!r}")
    if data.count(b"<") > _MOST_TAGS or data.count(b"=") > _MOST_ATTRIBUTES:
        raise ReportError("the report holds too many elements for its size to be a real one")
    try:
        root: Element = fromstring(data, forbid_dtd=True)
    except DefusedXmlException as error:
        raise ReportError("the report declares a document type or entities; no scanner does") from error
    except ParseError as error:
        if error.code in _CUT_OFF or _unclosed(data):
            raise ReportError("the report is truncated: its XML ends too early") from error
        raise ReportError(f"the report is not {what}: not well-formed XML: {error}") from error
    except (ValueError, LookupError) as error:
        raise ReportError(f"the report is not {what}: its encoding cannot be read: {error}") from error
    _rename(root, rename)
    return root


def _unclosed(data: bytes) -> bool:
    """Whether the document ends within a tag."""
    return data.rfind(b"<") > data.rfind(b">")


def _rename(root: "Element", rename: Callable[[str], str]) -> None:
    """Give every element its new name, level by level, which bounds the depth too."""
    names: dict[str, str] = {}
    level = [root]
    for _ in range(_DEEPEST):
        for element in level:
            tag = element.tag
            name = names.get(tag)
            if name is None:
                name = names[tag] = rename(tag)
            element.tag = name
        level = [child for element in level for child in element]
        if not level:
            return
    raise ReportError("the report is nested too deeply to be a real one")
