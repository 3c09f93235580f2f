"""The section `admission`: what may run at all, whether a scan, a task or a plugin asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field, model_validator

from orchestrator import model
from orchestrator.config.described import ValueKind
from orchestrator.config.kinds import Cpus, Glob, Memory, Name, Text
from orchestrator.config.section import CelRule, Section, WrongKey
from orchestrator.config.signers import SIGNER

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Fields of pods and containers that can be forbidden.
RiskyField: TypeAlias = Literal[
    "privileged",
    "privilegeEscalation",
    "addedCapabilities",
    "root",
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "hostPath",
    "hostPorts",
    "hostProcess",
    "unconfinedSeccomp",
    "unconfinedAppArmor",
    "procMount",
    "sysctls",
    "seLinux",
]
RISKY: tuple[RiskyField, ...] = get_args(RiskyField)


def _without_tag(value: str) -> str:
    if ":" in value.rpartition("/")[2] or "@" in value:
        raise ValueError(f"{value!r} has a tag or a digest: write the repository alone, and its tags under 'tags'")
    return value


RepositoryGlob = Annotated[
    str,
    AfterValidator(_without_tag),
    Field(min_length=1),
    ValueKind("glob", {"type": "string", "minLength": 1, "pattern": r"^([^@]*/)?[^@:/]*$"}),
]


class AttestationSection(Section):
    """An attestation that an image must have.

    Attributes:
        predicate_type: its type: `https://slsa.dev/provenance/v1`, `https://cyclonedx.org/bom`
    """

    predicate_type: Text


class AdmissionPolicy(Section):
    """What images of some repositories must fulfil; all that is given must hold.

    Attributes:
        name: of the policy, for messages
        images: repositories it is about, with their registry, such as `ghcr.io/example/*`; those of Docker Hub also by
            their short names. `*` matches any characters, slashes too
        tags: the image must have one of these tags. A tag beside a digest says nothing, unless `scanmatrix.lock` pins
            it
        digests_only: the image must be named by its digest
        authorities: one of these must have signed the image; without any, no signature is needed
        attestations: the image must have each of these, signed by one of the authorities
        refused: these images may not run; this is the reason
    """

    name: Text
    images: Annotated[tuple[RepositoryGlob, ...], Field(min_length=1)]
    tags: tuple[Glob, ...] = ()
    digests_only: bool = False
    authorities: tuple[Annotated[model.Signer, SIGNER], ...] = ()
    attestations: tuple[AttestationSection, ...] = ()
    refused: Text | None = None

    across = (
        CelRule(
            "!has(self.attestations) || size(self.attestations) == 0"
            " || (has(self.authorities) && size(self.authorities) > 0)",
            "attestations are worth as much as who signed them: name them in authorities",
        ),
    )

    @model_validator(mode="after")
    def _signed_by_somebody(self) -> AdmissionPolicy:
        if self.attestations and not self.authorities:
            raise WrongKey(
                ("attestations",), "they are worth as much as who signed them: name signers in 'authorities'"
            )
        return self


class MaximumSection(Section):
    """Most that one container may ask for; of a scan, what its last retry may get.

    Attributes:
        cpu: CPUs, requested or as a limit
        memory: memory, requested or as a limit; what has no limit is refused
        ephemeral_storage: temporary files on the disk of the node; what has no limit is refused
        empty_dir: size of one `emptyDir` volume; what has no limit is refused
    """

    cpu: Cpus | None = None
    memory: Memory | None = None
    ephemeral_storage: Memory | None = None
    empty_dir: Memory | None = None


def _each_once(policies: Sequence[AdmissionPolicy] | None) -> Sequence[AdmissionPolicy] | None:
    names = [policy.name for policy in policies or ()]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"more than one policy called {', '.join(twice)}")
    return policies


class AdmissionSection(Section):
    """What may run; `docs/admission.md` has the whole.

    Attributes:
        policies: which images may run: every policy about an image must be fulfilled, and an image that no policy is
            about is denied. Without this key, images are judged by `allow` alone
        digests_only: every image must be named by its digest
        plugins_only: tasks may name plugins only, no images of their own
        forbidden: fields of pods and containers that nothing may use; default: all of them
        service_accounts: that tasks may run as, beside the one without rights that they have by default; without this
            key, any
        namespaces: that tasks may run in, beside that of the installation; without this key, any
        maximum: most that a container may ask for
    """

    policies: Annotated[tuple[AdmissionPolicy, ...] | None, Field(min_length=1), AfterValidator(_each_once)] = None
    digests_only: bool = False
    plugins_only: bool = False
    forbidden: tuple[RiskyField, ...] = RISKY
    service_accounts: tuple[Name, ...] | None = None
    namespaces: tuple[Name, ...] | None = None
    maximum: MaximumSection = MaximumSection()

    across = (
        CelRule(
            "!has(self.policies) || self.policies.all(a, self.policies.exists_one(b, b.name == a.name))",
            "more than one policy has the same name; give each a name of its own",
        ),
    )
