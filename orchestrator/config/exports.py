"""The section `exports` of the configuration: where results go."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from orchestrator.config.kinds import Duration, Kind, PathText, Size, Text
from orchestrator.config.section import Section, WrongKey

#: What may stand in braces in the names that an export gives to targets; see `docs/exports.md`.
NAME_FIELDS = ("reference", "repository", "tag", "digest", "platform", "owner", "target", "run")

_FIELD = re.compile(r"\{(\w*)\}")
_MIB = 1024 * 1024
#: Least size of a part of a multipart upload (Amazon S3, "Multipart upload limits"); the last may be smaller.
_LEAST_PART = 5 * _MIB
_MOST_PART = 5 * 1024 * _MIB


def fill_in(template: str, values: dict[str, str]) -> str:
    """A template with its fields replaced.

    Args:
        template: checked text with `{field}`s.
        values: text by field.
    """
    return _FIELD.sub(lambda found: values[found[1]], template)


def _template(value: str) -> str:
    """Text with fields of `NAME_FIELDS` in braces, and no other braces."""
    known = ", ".join(f"{{{field}}}" for field in NAME_FIELDS)
    for name in _FIELD.findall(value):
        if name not in NAME_FIELDS:
            raise ValueError(f"{{{name}}} is not known; there are {known}")
    if set(_FIELD.sub("", value)) & set("{}"):
        raise ValueError(f"a brace stands alone; fields are written {known}")
    return value


def _base_url(value: str) -> str:
    """Where a service answers: http or https, maybe below a path; credentials have keys of their own."""
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write it as https://host, https://host:port or https://host/path")
    if parts.username or parts.password:
        raise ValueError("it must not hold a password; credentials have a key or a variable of their own")
    if parts.query or parts.fragment:
        raise ValueError("it must end with its path, without ? and #")
    return value.rstrip("/")


#: Every export of `orchestrator.exports`, which is a room above this one.
ExportName = Literal[
    "csv",
    "cyclonedx",
    "cyclonedx-vex",
    "defectdojo",
    "dependency-track",
    "html",
    "openvex",
    "parquet",
    "s3",
    "sarif",
]
Template = Annotated[
    str, Field(min_length=1), AfterValidator(_template), Kind("text with fields", plural="texts with fields")
]
BaseUrl = Annotated[str, AfterValidator(_base_url), Kind("URL")]
Name = Annotated[str, Field(min_length=1), Kind("name")]
Timeout = Annotated[Duration, Field(ge=1, le=3600)]
Attempts = Annotated[int, Field(ge=1, le=20)]


class ServiceSection(Section):
    """What every HTTP service that results are sent to has.

    Attributes:
        url: where it answers.
        timeout: seconds to wait for a connection, and for any next byte.
        attempts: of each request, the first one included.
        ca_bundle: file with the certificates to trust instead of the system's; None for these.
        insecure: do not verify its certificate.
    """

    url: BaseUrl
    timeout: Timeout = 60
    attempts: Attempts = 5
    ca_bundle: PathText | None = None
    insecure: bool = False


class S3Section(Section):
    """A bucket of an S3-speaking server; credentials come from boto3's usual places, never from here.

    Attributes:
        prefix: before `<run>/<file>`; empty for none.
        endpoint: where it answers; None for Amazon's own of the region.
        addressing: `path` for most servers that are not Amazon's.
        encryption: on the server's side; None for the bucket's default.
        kms_key: id of the key, with `aws:kms`; None for the account's default.
        profile: of the credentials' file.
        part_size: bytes; a file of at least so many is sent in parts.
        concurrency: requests at the same time.
        deadline: seconds that the whole export may take.
    """

    bucket: Name
    prefix: str = "scanmatrix"
    endpoint: BaseUrl | None = None
    region: Name | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    storage_class: Name | None = None
    encryption: Literal["AES256", "aws:kms"] | None = None
    kms_key: Text | None = None
    profile: Name | None = None
    ca_bundle: PathText | None = None
    insecure: bool = False
    part_size: Annotated[Size, Field(ge=_LEAST_PART, le=_MOST_PART)] = 16 * _MIB
    concurrency: Annotated[int, Field(ge=1, le=64)] = 4
    timeout: Timeout = 60
    attempts: Attempts = 5
    deadline: Annotated[Duration, Field(ge=1)] = 3600

    @model_validator(mode="after")
    def _key_needs_kms(self) -> S3Section:
        if self.kms_key and self.encryption != "aws:kms":
            raise WrongKey(("kmsKey",), "is for `encryption: aws:kms`; set that, or leave the key out")
        return self


class DefectDojoSection(ServiceSection):
    """A DefectDojo; targets whose four names are the same share a test there.

    Attributes:
        token: API v2 key of a user who may import; masked wherever it is shown.
        product_type, product, engagement, test: templates of names; what is not there is made.
        environment: one of DefectDojo's environments.
        minimum_severity: what is below is not sent.
        suppressed: as what suppressed findings are sent, or whether they are left out.
        close_old_findings: close what is no longer found, where every scan of the target ended ok.
        verified: mark findings as verified.
        tags: of the import.
    """

    token: SecretStr | None = None
    product_type: Template = "scanmatrix"
    product: Template = "{repository}"
    engagement: Template = "scanmatrix"
    test: Template = "{reference}"
    environment: Name = "Production"
    minimum_severity: Literal["info", "low", "medium", "high", "critical"] = "info"
    suppressed: Literal["risk-accepted", "false-positive", "out-of-scope", "leave-out"] = "risk-accepted"
    close_old_findings: bool = True
    verified: bool = False
    tags: tuple[Template, ...] = ()


class DependencyTrackSection(ServiceSection):
    """A Dependency-Track (its API server); each target is a project there.

    Attributes:
        api_key: of a team with BOM_UPLOAD, and PROJECT_CREATION_UPLOAD where projects are to be made; masked.
        project, version: templates of the project's name and version.
        parent, parent_version: of a project that is there and shall be the parent; None for none.
        auto_create: make a project that is not there.
        tags: of a project that is made.
        wait: seconds to wait until it has processed a BOM; 0 for not at all.
    """

    api_key: SecretStr | None = None
    project: Template = "{repository}"
    version: Template = "{tag}"
    parent: Template | None = None
    parent_version: Template | None = None
    auto_create: bool = True
    tags: tuple[Template, ...] = ()
    wait: Duration = 0

    @model_validator(mode="after")
    def _both_of_the_parent(self) -> DependencyTrackSection:
        if (self.parent is None) != (self.parent_version is None):
            raise ValueError("a parent is named by both `parent` and `parentVersion`")
        return self


class ExportsSection(Section):
    """Destinations of results.

    Attributes:
        always: names of the exports that are made by themselves at the end of every run.
        s3, defectdojo, dependency_track: what these exports need; None where they are not used.
    """

    always: tuple[ExportName, ...] = ()
    s3: S3Section | None = None
    defectdojo: DefectDojoSection | None = None
    dependency_track: DependencyTrackSection | None = None

    @model_validator(mode="after")
    def _destinations_are_known(self) -> ExportsSection:
        for name, section in (
            ("s3", self.s3),
            ("defectdojo", self.defectdojo),
            ("dependency-track", self.dependency_track),
        ):
            if name in self.always and section is None:
                key = {"dependency-track": "dependencyTrack"}.get(name, name)
                raise WrongKey(("always",), f"has {name}, but there is no exports.{key} that says where to")
        return self
