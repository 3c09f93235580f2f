"""The elements of SPDX documents, made of CycloneDX components; imports the library of the extra `spdx`.

Where a component says what SPDX has no place for, or spells it otherwise than SPDX does, that is left out of its field
and said in a comment, or as `NOASSERTION`: the document stays valid whatever scanners wrote.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from license_expression import ExpressionError, get_spdx_licensing
from spdx_tools.spdx.jsonschema.creation_info_converter import CreationInfoConverter
from spdx_tools.spdx.jsonschema.package_converter import PackageConverter
from spdx_tools.spdx.jsonschema.relationship_converter import RelationshipConverter
from spdx_tools.spdx.model import (
    Actor,
    ActorType,
    Checksum,
    ChecksumAlgorithm,
    CreationInfo,
    Document,
    ExternalPackageRef,
    ExternalPackageRefCategory,
    Package,
    PackagePurpose,
    Relationship,
    RelationshipType,
    SpdxNoAssertion,
)
from spdx_tools.spdx.validation.external_package_ref_validator import validate_external_package_ref

from orchestrator.kit.own import own_version
from orchestrator.kit.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from license_expression import LicenseExpression

Json = dict[str, Any]

VERSION = "SPDX-2.3"
_ROOT = "SPDXRef-DOCUMENT"
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){4,64}")
#: An expression of more is no honest one, and the grammar is read recursively.
_LONGEST = 2000
_DEEPEST = 50
#: What the grammar's library raises besides its own errors, over text such as `()`.
_STUMBLES = (RecursionError, LookupError, AssertionError, ValueError, TypeError, AttributeError)
_PURPOSES = {purpose.name.replace("_", "-").lower(): purpose for purpose in PackagePurpose}
_ALGORITHMS = {algorithm.name.replace("_", "-").lower(): algorithm for algorithm in ChecksumAlgorithm}
_LICENSES = get_spdx_licensing()


def creation(name: str, namespace: str, created: str) -> Json:
    """The head of a document: everything but its packages and relationships.

    Args:
        name: of the document.
        namespace: URI that no other document has.
        created: RFC 3339.
    """
    moment = datetime.fromisoformat(created).astimezone(UTC).replace(tzinfo=None)
    tool = Actor(ActorType.TOOL, f"scanmatrix-{own_version()}")
    info = CreationInfo(VERSION, _ROOT, name, namespace, [tool], moment)
    return {
        "spdxVersion": VERSION,
        "SPDXID": _ROOT,
        "name": name,
        "dataLicense": info.data_license,
        "documentNamespace": namespace,
        "creationInfo": CreationInfoConverter().convert(info),
    }


class Elements:
    """Makes packages and relationships of targets."""

    def __init__(self) -> None:
        self._package = PackageConverter()
        self._relationship = RelationshipConverter()
        empty = CreationInfo(VERSION, _ROOT, "", "", [], datetime(1970, 1, 1))  # noqa: DTZ001 - SPDX has no zones
        self._document = Document(empty)  # the converter of packages wants one, for packages with files

    def of(self, bom: Json, doubts: Sequence[str] = ()) -> tuple[Iterator[Json], Iterator[Json]]:
        """The packages of one target's BOM, and their relationships.

        Args:
            bom: CycloneDX 1.6.
            doubts: results of the target that are not believed, and why.
        """
        subject: Json = bom["metadata"]["component"]
        subject = subject | {"components": bom.get("components", [])}
        note = "; ".join(f"suspect: {doubt}" for doubt in doubts)
        packages = (self._made(each, note if each is subject else "") for each, _ in _nested(subject))
        return packages, map(self._relationship.convert, _related(subject, bom))

    def _made(self, component: Json, note: str) -> Json:
        known = _references(component)
        purpose = _PURPOSES.get(component.get("type", ""), PackagePurpose.OTHER)
        declared, comment = _licenses(component.get("licenses", ()))
        supplier = visible((component.get("supplier") or {}).get("name") or "")
        return self._package.convert(
            Package(
                _id(component["bom-ref"]),
                visible("/".join(filter(None, (component.get("group"), component["name"])))) or "NOASSERTION",
                SpdxNoAssertion(),
                version=component.get("version") or None,
                supplier=Actor(ActorType.ORGANIZATION, supplier) if supplier else None,
                files_analyzed=False,
                checksums=_checksums(component.get("hashes", ())),
                license_declared=declared,
                license_comment=comment or None,
                comment=note or None,
                external_references=known,
                primary_package_purpose=purpose,
            ),
            self._document,
        )


def _nested(subject: Json) -> Iterator[tuple[Json, Json | None]]:
    """A component and all in it, each with what it is in."""
    waiting: list[tuple[Json, Json | None]] = [(subject, None)]
    while waiting:
        component, holder = waiting.pop()
        yield component, holder
        waiting += ((each, component) for each in reversed(component.get("components") or ()))


def _related(subject: Json, bom: Json) -> Iterator[Relationship]:
    target = _id(subject["bom-ref"])
    yield Relationship(_ROOT, RelationshipType.DESCRIBES, target)
    known = {target}
    for component, holder in _nested(subject):
        if holder is not None:
            known.add(_id(component["bom-ref"]))
            yield Relationship(_id(holder["bom-ref"]), RelationshipType.CONTAINS, _id(component["bom-ref"]))
    if any(each.get("aggregate") == "unknown" for each in bom.get("compositions", ())):
        yield Relationship(target, RelationshipType.CONTAINS, SpdxNoAssertion(), "no scan catalogued it")
    for item in bom.get("dependencies", ()):
        ends = ((_id(item["ref"]), _id(other)) for other in item.get("dependsOn", ()))
        yield from (Relationship(a, RelationshipType.DEPENDS_ON, b) for a, b in ends if {a, b} <= known)


def _id(reference: str) -> str:
    """The id of what has this reference, the same in every document."""
    return f"SPDXRef-{hashlib.sha256(reference.encode(errors='surrogatepass')).hexdigest()[:32]}"


def _references(component: Json) -> list[ExternalPackageRef]:
    """Package URL and CPE, where they are well-formed."""
    cpe, purl = component.get("cpe", ""), component.get("purl", "")
    said = [
        (ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", purl),
        (ExternalPackageRefCategory.SECURITY, "cpe23Type" if cpe.startswith("cpe:2.3:") else "cpe22Type", cpe),
    ]
    found = [ExternalPackageRef(category, kind, locator) for category, kind, locator in said if locator]
    return [each for each in found if not validate_external_package_ref(each, "SPDXRef-Package", VERSION)]


def _checksums(hashes: Iterable[Mapping[str, str]]) -> list[Checksum]:
    """Those whose algorithm SPDX has; CycloneDX spells `SHA-256` what is `SHA256` there."""
    found = ((_ALGORITHMS.get(each.get("alg", "").lower().replace("sha-", "sha")), each) for each in hashes)
    return [
        Checksum(algorithm, each["content"].lower())
        for algorithm, each in found
        if algorithm is not None and _HEX.fullmatch(each.get("content", ""))
    ]


def _licenses(choices: Iterable[Json]) -> tuple[LicenseExpression | SpdxNoAssertion, str]:
    """The declared licenses as one expression; and in words those that SPDX has no id for."""
    said = [
        choice.get("expression") or (choice.get("license") or {}).get("id") or (choice.get("license") or {}).get("name")
        for choice in choices
    ]
    words = list(dict.fromkeys(filter(None, said)))
    if not words:
        return SpdxNoAssertion(), ""
    together = " AND ".join(f"({word})" for word in words) if len(words) > 1 else words[0]
    expression = _expression(together)
    return (expression, "") if expression is not None else (SpdxNoAssertion(), visible("; ".join(words)))


@lru_cache(maxsize=4096)
def _expression(text: str) -> LicenseExpression | None:
    """An expression of ids that SPDX lists; None where it is none."""
    if len(text) > _LONGEST or text.count("(") > _DEEPEST:
        return None
    try:
        return _LICENSES.parse(text, validate=True, strict=True)
    except (ExpressionError, *_STUMBLES):
        return None
