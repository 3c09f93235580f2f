"""The vulnerability extension of CycloneDX XML 1.1 to 1.3, turned into vulnerabilities as they are since 1.4.

`http://cyclonedx.org/schema/ext/vulnerability/1.0` (`schema/ext/vulnerability-1.0.xsd` of the specification) puts
`vulnerabilities` into the document, each with the reference of what it affects, or into the component that they affect.
Grype before 0.44 and others wrote it.
"""

from xml.etree.ElementTree import Element

from orchestrator.findings.xml_shapes import Json, Shape, each, integer, number, part, renamed, text

#: The key under which a converted document, or a component in it, holds them until they are moved.
KEY = "v:vulnerabilities"

_METHODS = {"CVSSv2": "CVSSv2", "CVSSv3": "CVSSv3", "OWASP Risk": "OWASP"}

_RATING = part(
    {"v:score": part({"v:base": number}), "v:severity": text, "v:method": text, "v:vector": text},
)
_SOURCE = renamed(part({"v:url": text}, attributes=("name",)), {"v:url": "url"})


def _rating(element: Element) -> Json | None:
    """Severities were capitalised, a score had parts, and the methods had other names."""
    found: Json = _RATING(element) or {}
    rating: Json = {}
    if "v:score" in found:
        rating["score"] = found["v:score"]["v:base"]
    if "v:severity" in found:
        rating["severity"] = found["v:severity"].lower()
    if "v:method" in found:
        rating["method"] = _METHODS.get(found["v:method"], "other")
    if "v:vector" in found:
        rating["vector"] = found["v:vector"]
    return rating or None


_VULNERABILITY = renamed(
    part(
        {
            "v:id": text,
            "v:source": _SOURCE,
            "v:ratings": each("v:rating", _rating),
            "v:cwes": each("v:cwe", integer),
            "v:description": text,
            "v:recommendations": each("v:recommendation", text),
            "v:advisories": each("v:advisory", part(own="url")),
        },
        attributes=("ref",),
    ),
    {
        "v:id": "id",
        "v:source": "source",
        "v:ratings": "ratings",
        "v:cwes": "cwes",
        "v:description": "description",
        "v:recommendations": "recommendation",
        "v:advisories": "advisories",
    },
)


def _vulnerability(element: Element) -> Json | None:
    found: Json | None = _VULNERABILITY(element)
    if found and (recommendations := found.pop("recommendation", None)):
        found["recommendation"] = "; ".join(recommendations)
    return found


#: The shape of the extension's list.
VULNERABILITIES: Shape = each("v:vulnerability", _vulnerability)


def move_vulnerabilities(document: Json) -> None:
    """Move them, in place, to the document's own `vulnerabilities`; a component without a reference is given one."""
    found = []
    for each_one in document.pop(KEY, ()):
        ref = each_one.pop("ref", None)
        found.append({**each_one, "affects": [{"ref": ref}]} if ref else each_one)
    subject = (document.get("metadata") or {}).get("component")
    waiting = [*reversed(document.get("components", ())), *([subject] if subject else ())]
    nameless = 0
    while waiting:
        component = waiting.pop()
        for each_one in component.pop(KEY, ()):
            # Within a component the reference names the vulnerability: it is the component that is affected.
            each_one.pop("ref", None)
            if "bom-ref" not in component:
                nameless += 1
                component["bom-ref"] = f"scanmatrix:component:{nameless}"
            found.append({**each_one, "affects": [{"ref": component["bom-ref"]}]})
        waiting += reversed(component.get("components", ()))
    if found:
        document.setdefault("vulnerabilities", []).extend(found)
