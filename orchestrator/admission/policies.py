"""Which images may run, by name: `allow`, and what the policies of `admission` say without asking a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.admission.rulings import Ruling
from orchestrator.images.patterns import matches, matches_strictly
from orchestrator.images.reference import Reference, parse
from orchestrator.kit.docker_hub import HUB, HUB_HOST, HUB_OLD
from orchestrator.kit.matching import any_glob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.admission.request import AdmissionRequest
    from orchestrator.config.admission import AdmissionPolicy, AdmissionSection
    from orchestrator.config.loading import Config
    from orchestrator.kit.sources import Location

#: The port of a registry that names none.
HTTPS_PORT = ":443"


class ImageName:
    """An image as it is judged: its own name, and the one that stood for it when it was locked.

    Args:
        request: names both.

    Raises:
        InvalidReference: one of them is none.
    """

    def __init__(self, request: AdmissionRequest) -> None:
        self.own: Reference = parse(request.image)
        self.named: Reference = parse(request.named or request.image)

    @property
    def usual_registry(self) -> str:
        """Its registry as patterns name it: other spellings lead there as well, past policies that are about it."""
        host = self.own.registry.lower().removesuffix(HTTPS_PORT)
        return HUB if host in {HUB_OLD, HUB_HOST} else host

    @property
    def proven_tag(self) -> str:
        """Its tag; empty where a digest stands beside it that need not be the tag's."""
        return "" if self.named.digest else self.named.tag


def ruling(config: Config, location: Location, name: str, wrong: str) -> Ruling:
    """What a rule says, with its place in the configuration.

    Args:
        config: has the rule.
        location: of it.
        name: its key.
        wrong: why it is not fulfilled; empty if it is.
    """
    problem = config.problem(location, "")
    where = f"{problem.file}:{problem.line}" if problem.line else problem.file
    return Ruling(rule=name, passed=not wrong, where=where, reason=wrong)


def by_allow(config: Config, image: ImageName) -> Iterator[Ruling]:
    """What `allow` says, the list of images that may run at all."""
    if config.allow is None:
        return
    listed = bool(image.own.digest and image.own.digest in config.allow.digests)
    # The tag of a locked image stood for its digest when it was locked; beside a digest that somebody wrote, it is
    # just a word.
    listed = listed or any(matches_strictly(pattern, image.named) for pattern in config.allow.images)
    wrong = "" if listed else f"{image.own} is not in the list: add it to allow.images or allow.digests"
    yield ruling(config, ("allow",), "allow", wrong)


def by_digest(config: Config, section: AdmissionSection, image: ImageName) -> Iterator[Ruling]:
    """What `admission.digestsOnly` says."""
    if section.digests_only:
        yield ruling(config, ("admission", "digestsOnly"), "admission.digestsOnly", _by_tag(image))


def about(section: AdmissionSection, image: ImageName) -> list[tuple[int, AdmissionPolicy]]:
    """The policies about an image, with their numbers."""
    return [
        (number, policy)
        for number, policy in enumerate(section.policies or ())
        if any(matches(pattern, image.own) for pattern in policy.images)
    ]


def unmentioned(config: Config, image: ImageName) -> Ruling:
    """What becomes of an image that no policy is about."""
    wrong = f"no policy is about {image.own.registry}/{image.own.repository}, and what none is about is denied"
    return ruling(config, ("admission", "policies"), "admission.policies", wrong)


def by_spelling(config: Config, image: ImageName) -> Iterator[Ruling]:
    """That the registry is spelt as policies spell it."""
    if (usual := image.usual_registry) != image.own.registry:
        wrong = f"{image.own.registry} is another spelling of {usual}, past which policies would not look; write that"
        yield ruling(config, ("admission", "policies"), "admission.policies", wrong)


def by_name(config: Config, number: int, policy: AdmissionPolicy, image: ImageName) -> Iterator[Ruling]:
    """What a policy about an image says of its name."""
    if policy.refused is not None:
        yield of_policy(config, number, policy, "refused", f"refused: {policy.refused}")
        return
    if policy.tags:
        yield of_policy(config, number, policy, "tags", _other_tag(policy, image))
    if policy.digests_only:
        yield of_policy(config, number, policy, "digestsOnly", _by_tag(image))
    if not (policy.tags or policy.digests_only or policy.authorities):
        yield of_policy(config, number, policy, "images", "")


def of_policy(config: Config, number: int, policy: AdmissionPolicy, key: str, wrong: str) -> Ruling:
    """What one key of a policy says."""
    location = ("admission", "policies", number)
    return ruling(config, (*location, key), f"admission.policies[{number}].{key} ({policy.name})", wrong)


def _by_tag(image: ImageName) -> str:
    return "" if image.own.digest else f"{image.own} is named by a tag; name it by its digest"


def _other_tag(policy: AdmissionPolicy, image: ImageName) -> str:
    if not image.proven_tag:
        return f"the tag of {image.own} says nothing beside a digest; name it by one of them, or lock it"
    if any_glob([image.proven_tag], policy.tags):
        return ""
    return f"the tag {image.proven_tag} is not one of {', '.join(policy.tags)}"
