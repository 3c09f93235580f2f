"""CycloneDX XML as the JSON document that says the same, so that findings and the merged BOM know one form only.

Versions 1.0 to 1.7 (https://cyclonedx.org/docs/1.6/xml/). Mapped are the parts that findings and merged BOMs are made
of: identity, licenses, hashes, references, properties, pedigree, evidence, dependencies, vulnerabilities. What people
sign, model or draw (signatures, formulation, model cards, declarations, cryptography) is left out, and so are elements
of foreign namespaces, but for the vulnerability extension (`orchestrator.findings.cyclonedx_extension`).
"""

import re
from typing import Any
from xml.etree.ElementTree import Element

from orchestrator.findings.cyclonedx_extension import KEY, VULNERABILITIES, move_vulnerabilities
from orchestrator.findings.interface import ReportError
from orchestrator.findings.markup import parse_xml
from orchestrator.findings.xml_shapes import Json, each, flag, integer, number, part, renamed, text, whole

_BOM = re.compile(r"\{https?://cyclonedx\.org/schema/bom/(1\.\d+)\}(.+)", re.DOTALL)
_EXTENSION = re.compile(r"\{https?://cyclonedx\.org/schema/ext/vulnerability/1\.0\}(.+)", re.DOTALL)


def to_json(data: bytes) -> Json:
    """Read a CycloneDX XML document as the JSON document that says the same.

    Raises:
        ReportError: it is not a whole CycloneDX document.
    """
    versions: list[str] = []

    def rename(tag: str) -> str:
        """`name` for CycloneDX itself, `v:name` for the extension, nothing for what anybody else put in."""
        if match := _BOM.fullmatch(tag):
            versions.append(match[1])
            return match[2]
        match = _EXTENSION.fullmatch(tag)
        return f"v:{match[1]}" if match else ""

    root = parse_xml(data, rename, what="a CycloneDX document")
    if root.tag != "bom":
        raise ReportError("the report is not a CycloneDX document: its root is not `bom` in the namespace of one")
    document: Json = {"bomFormat": "CycloneDX", "specVersion": versions[0], **(_DOCUMENT(root) or {})}
    if (revision := whole(str(document.get("version", "")))) is not None:
        document["version"] = revision
    move_vulnerabilities(document)
    return document


def _attached(element: Element) -> Json | None:
    """A text with its type."""
    content = text(element)
    kinds = {"contentType": element.attrib.get("content-type"), "encoding": element.attrib.get("encoding")}
    return {"content": content, **{key: value for key, value in kinds.items() if value}} if content else None


def _licenses(element: Element) -> list[Json]:
    """In JSON each license is an object within an object, and an expression has its attributes beside it."""
    found = []
    for child in element:
        if child.tag == "license" and (license_ := _LICENSE(child)):
            found.append({"license": license_})
        elif child.tag == "expression" and (expression := _EXPRESSION(child)) and "expression" in expression:
            found.append(expression)
    return found


def _dependency(element: Element) -> Json | None:
    """References are attributes in XML and lists of text in JSON."""
    if not (ref := element.attrib.get("ref")):
        return None
    found: Json = {"ref": ref}
    for tag, key in (("dependency", "dependsOn"), ("provides", "provides")):
        others = [child.attrib["ref"] for child in element if child.tag == tag and child.attrib.get("ref")]
        if others:
            found[key] = list(dict.fromkeys(others))
    return found


def _component(element: Element) -> Json | None:
    """A component, with those within it."""
    found: Json | None = _COMPONENT(element)
    return found


def _tools(element: Element) -> Any:
    """A list of tools until 1.4, components and services since."""
    return _OLD_TOOLS(element) or _TOOLS(element)


_HASHES = each("hash", part(attributes=("alg",), own="content"))
_REFERENCES = each("reference", part({"url": text, "comment": text, "hashes": _HASHES}, attributes=("type",)))
_PROPERTIES = each("property", part(attributes=("name",), own="value"))
_LICENSE = part({"id": text, "name": text, "text": _attached, "url": text}, attributes=("bom-ref", "acknowledgement"))
_EXPRESSION = part(attributes=("bom-ref", "acknowledgement"), own="expression")
_CONTACT = part({"name": text, "email": text, "phone": text}, attributes=("bom-ref",))
_ORGANIZATION = part({"name": text}, attributes=("bom-ref",), repeated={"url": text, "contact": _CONTACT})
_OCCURRENCE = part(
    {"location": text, "line": integer, "offset": integer, "symbol": text, "additionalContext": text},
    attributes=("bom-ref",),
)
_METHOD = part({"technique": text, "confidence": number, "value": text})
_IDENTITY = part({"field": text, "confidence": number, "concludedValue": text, "methods": each("method", _METHOD)})
_EVIDENCE = part(
    {
        "occurrences": each("occurrence", _OCCURRENCE),
        "licenses": _licenses,
        "copyright": each("text", part(own="text")),
    },
    repeated={"identity": _IDENTITY},
)
_SWID = part({"text": _attached, "url": text}, attributes=("tagId", "name", "version"))
_COMMIT = part({"uid": text, "url": text, "message": text})
_PATCH = part({"diff": part({"text": _attached, "url": text})}, attributes=("type",))
_PEDIGREE = part(
    {
        **dict.fromkeys(("ancestors", "descendants", "variants"), each("component", _component)),
        "commits": each("commit", _COMMIT),
        "patches": each("patch", _PATCH),
        "notes": text,
    }
)
_COMPONENT = part(
    {
        **dict.fromkeys(("author", "publisher", "group", "name", "version", "description", "scope"), text),
        **dict.fromkeys(("copyright", "cpe", "purl"), text),
        "supplier": _ORGANIZATION,
        "manufacturer": _ORGANIZATION,
        "authors": each("author", _CONTACT),
        "hashes": _HASHES,
        "licenses": _licenses,
        "swid": _SWID,
        "modified": flag,
        "pedigree": _PEDIGREE,
        "externalReferences": _REFERENCES,
        "components": each("component", _component),
        "properties": _PROPERTIES,
        "evidence": _EVIDENCE,
        "tags": each("tag", text),
        KEY: VULNERABILITIES,
    },
    attributes=("type", "bom-ref", "mime-type"),
    repeated={"omniborId": text, "swhid": text},
)
_SERVICE = part(
    {"provider": _ORGANIZATION, **dict.fromkeys(("group", "name", "version", "description"), text)},
    attributes=("bom-ref",),
)
_OLD_TOOL = part({"vendor": text, "name": text, "version": text, "hashes": _HASHES, "externalReferences": _REFERENCES})
_OLD_TOOLS = each("tool", _OLD_TOOL)
_TOOLS = part({"components": each("component", _component), "services": each("service", _SERVICE)})
_METADATA = part(
    {
        "timestamp": text,
        "tools": _tools,
        "authors": each("author", _CONTACT),
        "component": _component,
        "manufacturer": _ORGANIZATION,
        "supplier": _ORGANIZATION,
        "licenses": _licenses,
        "properties": _PROPERTIES,
    }
)
_SOURCE = part({"name": text, "url": text})
_RATING = part({"source": _SOURCE, "score": number, **dict.fromkeys(("severity", "method", "vector"), text)})
_ANALYSIS = part(
    {
        **dict.fromkeys(("state", "justification", "detail", "firstIssued", "lastUpdated"), text),
        "responses": each("response", text),
    }
)
_AFFECTED = part({"ref": text, "versions": each("version", part({"version": text, "range": text, "status": text}))})
_TEXTS = ("id", "description", "detail", "recommendation", "workaround", "created", "published", "updated", "rejected")
_VULNERABILITY = part(
    {
        **dict.fromkeys(_TEXTS, text),
        "source": _SOURCE,
        "references": each("reference", part({"id": text, "source": _SOURCE})),
        "ratings": each("rating", _RATING),
        "cwes": each("cwe", integer),
        "advisories": each("advisory", part({"title": text, "url": text})),
        "analysis": renamed(_ANALYSIS, {"responses": "response"}),
        "affects": each("target", _AFFECTED),
        "properties": _PROPERTIES,
    },
    attributes=("bom-ref",),
)
_DOCUMENT = part(
    {
        "metadata": lambda element: _METADATA(element) or {},
        "components": each("component", _component),
        "services": each("service", _SERVICE),
        "dependencies": each("dependency", _dependency),
        "vulnerabilities": each("vulnerability", _VULNERABILITY),
        "externalReferences": _REFERENCES,
        "properties": _PROPERTIES,
        KEY: VULNERABILITIES,
    },
    attributes=("serialNumber", "version"),
)
