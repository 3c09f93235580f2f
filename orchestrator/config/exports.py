"""The section `exports` of the configuration: where results go."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import Duration, PathText, Size, Text, plain
from orchestrator.config.section import CelRule, Section, WrongKey
from orchestrator.kit.placeholders import fill, judge_known, spell_all
from orchestrator.kit.urls import judge_web_url

#: The placeholders in the names that an export gives to targets; see `docs/configuration.md`.
NAME_FIELDS = ("reference", "repository", "tag", "digest", "platform", "owner", "target", "run")

_MIB = 1024 * 1024
#: Least size of a part of a multipart upload (Amazon S3, "Multipart upload limits"); the last may be smaller.
_LEAST_PART = 5 * _MIB
_MOST_PART = 5 * 1024 * _MIB


def _name_format(value: str) -> str:
    """Text with placeholders of `NAME_FIELDS`, and no other braces."""
    if wrong := judge_known(value, NAME_FIELDS):
        raise ValueError(wrong)
    if set(fill(value, dict.fromkeys(NAME_FIELDS, ""))) & set("{}"):
        raise ValueError(f"a brace stands alone; placeholders are written {spell_all(NAME_FIELDS)}")
    return value


def _base_url(value: str) -> str:
    """Where a service answers: http or https, maybe below a path; credentials have keys of their own."""
    if mistake := judge_web_url(value):
        raise ValueError(f"{mistake}; credentials have a key or a variable of their own")
    parts = urlsplit(value)
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
    "junit",
    "markdown",
    "openvex",
    "parquet",
    "s3",
    "sarif",
    "spdx",
]
NameFormat = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_name_format),
    ValueKind("text with placeholders", plural="texts with placeholders"),
]
BaseUrl = Annotated[
    str,
    AfterValidator(_base_url),
    ValueKind("URL", {"type": "string", "pattern": r"^https?://[^/?#@\s]+(/[^?#\s]*)?$"}),
]
Name = Annotated[str, Field(min_length=1), ValueKind("name")]
Timeout = Annotated[Duration, Field(ge=1, le=3600)]
Attempts = Annotated[int, Field(ge=1, le=20)]


class ServiceSection(Section):
    """What every HTTP service that results are sent to has.

    Attributes:
        url: without `/api/…`
        timeout: maximum wait for a connection, and for each next byte
        attempts: of each request, the first one included; by default the first one and `limits.retries` further ones
        ca_bundle: certificates to trust instead of the system's
        insecure: do not verify its certificate
    """

    url: BaseUrl
    timeout: Timeout = 60
    attempts: Attempts | None = None
    ca_bundle: PathText | None = None
    insecure: bool = False


class S3Section(Section):
    """A bucket of an S3-speaking server; credentials come from boto3's usual places, never from here.

    Attributes:
        bucket: it must exist
        prefix: files are `<prefix>/<run>/…`; `""` for none
        endpoint: of a server that is not Amazon's
        region: without it what `AWS_REGION`, `AWS_DEFAULT_REGION` or the profile say
        addressing: whether the bucket is in the URL's path or in its host; most servers that are not Amazon's want
            `path`
        storage_class: such as `STANDARD_IA`; without it the server's default
        encryption: on the server's side; without it the bucket's default
        kms_key: id or ARN of the key, with `aws:kms`
        profile: of the credentials in `~/.aws`
        ca_bundle: certificates to trust instead of the system's
        insecure: do not verify the server's certificate
        part_size: a file of at least so much is sent in parts; `5Mi` to `5Gi`
        concurrency: requests at the same time
        timeout: maximum wait for a connection, and for each next byte
        attempts: of each request, the first one included; by default the first one and `limits.retries` further ones
        deadline: for the whole export
    """

    bucket: Name
    prefix: Annotated[str, AfterValidator(plain)] = "scanmatrix"
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
    attempts: Attempts | None = None
    deadline: Annotated[Duration, Field(ge=1)] = 3600

    across = (
        CelRule(
            "!has(self.kmsKey) || (has(self.encryption) && self.encryption == 'aws:kms')",
            "kmsKey is for encryption: aws:kms; set that, or leave the key out",
        ),
    )

    @model_validator(mode="after")
    def _key_needs_kms(self) -> S3Section:
        if self.kms_key and self.encryption != "aws:kms":
            raise WrongKey(("kmsKey",), "is for `encryption: aws:kms`; set that, or leave the key out")
        return self


class DefectDojoSection(ServiceSection):
    """A DefectDojo; targets whose four names are the same share a test there.

    Attributes:
        token: API v2 key; better in `SCANMATRIX_EXPORTS__DEFECTDOJO__TOKEN`, masked wherever it is shown
        product_type: it and the next three are made where they are not there
        product: the product
        engagement: the engagement
        test: targets whose four names are the same share a test
        environment: one of DefectDojo's environments
        minimum_severity: what is below is not sent
        suppressed: as what suppressed findings are sent
        close_old_findings: close what is no longer found, where all scans of the target ended ok
        verified: mark findings as verified
        tags: of the import
    """

    token: SecretStr | None = None
    product_type: NameFormat = "scanmatrix"
    product: NameFormat = "{repository}"
    engagement: NameFormat = "scanmatrix"
    test: NameFormat = "{reference}"
    environment: Name = "Production"
    minimum_severity: Literal["info", "low", "medium", "high", "critical"] = "info"
    suppressed: Literal["risk-accepted", "false-positive", "out-of-scope", "leave-out"] = "risk-accepted"
    close_old_findings: bool = True
    verified: bool = False
    tags: tuple[NameFormat, ...] = ()


class DependencyTrackSection(ServiceSection):
    """A Dependency-Track (its API server); each target is a project there.

    Attributes:
        api_key: of a team with `BOM_UPLOAD`, and `PROJECT_CREATION_UPLOAD` to make projects; better in
            `SCANMATRIX_EXPORTS__DEPENDENCY_TRACK__API_KEY`, masked
        project: the project's name
        version: its version
        parent: name of its parent, which must be there; with `parentVersion`
        parent_version: version of its parent
        auto_create: create missing projects
        tags: of created projects; from version 4.12 on
        wait: maximum wait until all BOMs are processed; `0s` for none
    """

    api_key: SecretStr | None = None
    project: NameFormat = "{repository}"
    version: NameFormat = "{tag}"
    parent: NameFormat | None = None
    parent_version: NameFormat | None = None
    auto_create: bool = True
    tags: tuple[NameFormat, ...] = ()
    wait: Duration = 0

    across = (
        CelRule("has(self.parent) == has(self.parentVersion)", "a parent is named by both, parent and parentVersion"),
    )

    @model_validator(mode="after")
    def _both_of_the_parent(self) -> DependencyTrackSection:
        if (self.parent is None) != (self.parent_version is None):
            missing = "parent" if self.parent is None else "parentVersion"
            raise WrongKey((missing,), "a parent is named by both, `parent` and `parentVersion`")
        return self


class ExportsSection(Section):
    """Destinations of results.

    Attributes:
        always: exports that are made by themselves at the end of every run
        s3: a bucket of an S3-speaking server; credentials come from boto3's usual places, never from here
        defectdojo: a DefectDojo 2
        dependency_track: a Dependency-Track 4
    """

    always: tuple[ExportName, ...] = ()
    s3: S3Section | None = None
    defectdojo: DefectDojoSection | None = None
    dependency_track: DependencyTrackSection | None = None

    across = tuple(
        CelRule(
            f"!('{name}' in self.always) || has(self.{key})",
            f"always has {name}, but there is no exports.{key} that says where to",
        )
        for name, key in (("s3", "s3"), ("defectdojo", "defectdojo"), ("dependency-track", "dependencyTrack"))
    )

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
