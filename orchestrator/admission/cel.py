"""The rules as expressions (CEL) for the API server, which holds every pod to them, no matter who or what makes it.

What needs a registry cannot be said there: where an image must be signed, it must be named by its digest. An image that
is our own is exempt from the rules about images and room, as it is here.

| variable | is |
|---|---|
| `containers` | every container of the pod |
| `images` | of each: `image` as it is written, `name`, `short` and `shorter` without its tag, `tag`, `digest` |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.admission.fields import RULES, PodRule
from orchestrator.admission.policies import HTTPS_PORT
from orchestrator.kit.docker_hub import HUB, HUB_HOST, HUB_OLD
from orchestrator.kit.matching import re2_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.config.admission import AdmissionPolicy, AdmissionSection
    from orchestrator.config.loading import Config


class CelValidation(NamedTuple):
    """One rule.

    Attributes:
        expression: true where a pod fulfils it.
        message: what is wrong otherwise.
        shown: what of the pod the message ends with, as a list of text; empty for nothing.
    """

    expression: str
    message: str
    shown: str = ""


class OwnPods(NamedTuple):
    """What belongs to the installation itself.

    Attributes:
        images: exactly as its pods name them.
        repositories: of images of Argo's executor, with their registries.
        plain_accounts: accounts without rights, that anything may run as.
        accounts: with rights, for pods whose images are all our own.
        digests: that stand for the tag beside them, because they are locked.
    """

    images: tuple[str, ...]
    repositories: tuple[str, ...]
    plain_accounts: tuple[str, ...]
    accounts: tuple[str, ...]
    digests: tuple[str, ...]


_NAME = "r.base.lastIndexOf(':') > r.base.lastIndexOf('/') ? r.base.substring(0, r.base.lastIndexOf(':')) : r.base"
_TAG = "r.base.lastIndexOf(':') > r.base.lastIndexOf('/') ? r.base.substring(r.base.lastIndexOf(':') + 1) : ''"
_LISTS = ("initContainers", "ephemeralContainers")
#: Names and expressions of the variables, in order: each may use those before it.
VARIABLES: tuple[tuple[str, str], ...] = (
    (
        "containers",
        "object.spec.containers" + "".join(f" + object.spec.?{name}.orValue([])" for name in _LISTS),
    ),
    (
        "written",
        (
            "variables.containers.map(c, string(c.?image.orValue(''))).map(i, {'image': i, 'base': i.split('@')[0],"
            " 'digest': i.contains('@') ? i.split('@')[1] : ''})"
        ),
    ),
    (
        "named",
        (
            "variables.written.map(r, {'image': r.image, 'digest': r.digest,"
            f" 'path': {_NAME}, 'tag': {_TAG}, 'first': ({_NAME}).split('/')[0]}})"
        ),
    ),
    (
        "hosted",
        (
            "variables.named.map(r, {'image': r.image, 'digest': r.digest, 'path': r.path,"
            " 'tag': r.tag == '' && r.digest == '' ? 'latest' : r.tag,"
            " 'host': r.path.contains('/') && (r.first.contains('.') || r.first.contains(':') || r.first == 'localhost'"
            " || r.first != r.first.lowerAscii()) ? r.first : ''})"
        ),
    ),
    (
        "located",
        (
            "variables.hosted.map(r, {'image': r.image, 'digest': r.digest, 'tag': r.tag,"
            f" 'registry': r.host in ['', '{HUB_OLD}'] ? '{HUB}' : r.host,"
            " 'rest': r.host == '' ? r.path : r.path.substring(size(r.host) + 1)})"
        ),
    ),
    (
        "placed",
        (
            "variables.located.map(r, {'image': r.image, 'digest': r.digest, 'tag': r.tag, 'registry': r.registry,"
            f" 'repository': r.registry == '{HUB}' && !r.rest.contains('/') ? 'library/' + r.rest : r.rest}})"
        ),
    ),
    (
        "images",
        (
            "variables.placed.map(r, {'image': r.image, 'digest': r.digest, 'tag': r.tag,"
            " 'name': r.registry + '/' + r.repository,"
            # A short name that itself looks like a host would pass for that other registry.
            f" 'short': r.registry == '{HUB}' && !r.repository.split('/')[0].matches('[.:]|^localhost$')"
            " ? r.repository : ''})"
            ".map(r, {'image': r.image, 'digest': r.digest, 'tag': r.tag, 'name': r.name, 'short': r.short,"
            " 'shorter': r.short.startsWith('library/') ? r.short.substring(8) : r.short})"
        ),
    ),
)


def validations(config: Config, section: AdmissionSection, own: OwnPods) -> Iterator[CelValidation]:
    """Every rule that can be said of a pod alone.

    Args:
        config: has `allow`.
        section: the other rules.
        own: what belongs to the installation itself.
    """
    yield from _of_images(config, section, own)
    for name in section.forbidden:
        rule = RULES[name]
        inner = rule.cel if isinstance(rule, PodRule) else f"variables.containers.exists(c, {rule.cel})"
        yield CelValidation(f"[object.spec].all(p, !({inner}))", f"admission.forbidden: the pod asks for {name}")
    yield from _of_room(section, own)
    yield from _of_accounts(section, own)


def text(value: str) -> str:
    """A text of CEL."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"


def texts(values: Iterable[str]) -> str:
    """A list of texts of CEL."""
    return f"[{', '.join(map(text, values))}]"


def _of_images(config: Config, section: AdmissionSection, own: OwnPods) -> Iterator[CelValidation]:
    ours = _is_own(own)
    if config.allow is not None:
        listed = [f"i.digest in {texts(config.allow.digests)}"] if config.allow.digests else []
        listed += [_means_with_tag(pattern, own) for pattern in config.allow.images]
        yield _each_image(f"{ours} || {' || '.join(listed)}", "allow: not in the list")
    if section.digests_only:
        yield _each_image(f"{ours} || i.digest != ''", "admission.digestsOnly: named by a tag")
    if section.policies is None:
        return
    usual = f"r == r.lowerAscii() && !r.endsWith({text(HTTPS_PORT)}) && !r.endsWith('.') && r != {text(HUB_HOST)}"
    spelt = f"[i.name.split('/')[0]].all(r, {usual})"
    yield _each_image(f"{ours} || {spelt}", "admission.policies: another spelling of a registry")
    about = [_about(policy) for policy in section.policies]
    yield _each_image(f"{ours} || {' || '.join(about)}", "admission.policies: no policy is about")
    for number, policy in enumerate(section.policies):
        for key, wanted, wrong in _of_policy(policy, own):
            name = f"admission.policies[{number}].{key} ({policy.name})"
            yield _each_image(f"{ours} || !({about[number]}) || {wanted}", f"{name}: {wrong}")


def _each_image(expression: str, message: str) -> CelValidation:
    return CelValidation(
        f"variables.images.all(i, {expression})",
        message,
        f"variables.images.filter(i, !({expression})).map(i, i.image)",
    )


def _of_policy(policy: AdmissionPolicy, own: OwnPods) -> Iterator[tuple[str, str, str]]:
    """Key, what must hold of an image that the policy is about, and what is wrong otherwise."""
    if policy.refused is not None:
        yield "refused", "false", f"refused: {policy.refused}, which is about"
        return
    if policy.tags:
        tags = " || ".join(f"i.tag.matches({text(re2_of(tag))})" for tag in policy.tags)
        yield "tags", f"({_has_proven_tag(own)} && ({tags}))", f"the tag is not one of {', '.join(policy.tags)}:"
    if policy.digests_only:
        yield "digestsOnly", "i.digest != ''", "named by a tag"
    if policy.authorities:
        yield "authorities", "i.digest != ''", "what must be signed is named by its digest, not by the tag of"


def _is_own(own: OwnPods) -> str:
    return f"i.image in {texts(own.images)} || i.name in {texts(own.repositories)}"


def _about(policy: AdmissionPolicy) -> str:
    return f"({' || '.join(map(_means, policy.images))})"


def _means(pattern: str) -> str:
    """Whether a pattern without a tag means an image, by one of its names."""
    expression = text(re2_of(pattern))
    return f"[i.name, i.short, i.shorter].exists(n, n != '' && n.matches({expression}))"


def _means_with_tag(pattern: str, own: OwnPods) -> str:
    """The same of a pattern that may have a tag, which a digest beside it does not prove."""
    if ":" not in pattern.rpartition("/")[2]:
        return _means(pattern)
    expression = text(re2_of(pattern))
    names = f"[i.name, i.short, i.shorter].exists(n, n != '' && (n + ':' + i.tag).matches({expression}))"
    return f"({_has_proven_tag(own)} && {names})"


def _has_proven_tag(own: OwnPods) -> str:
    return f"i.tag != '' && (i.digest == '' || i.digest in {texts(own.digests)})"


def _of_room(section: AdmissionSection, own: OwnPods) -> Iterator[CelValidation]:
    """Limits of containers that are not ours; `emptyDir` volumes of scans have limits of their own."""
    ours = " || ".join(
        [f"c.?image.orValue('') in {texts(own.images)}"]
        + [f"c.?image.orValue('').startsWith({text(one)})" for one in _written(own.repositories)]
    )
    most = section.maximum
    for key, name, value, bounded in (
        ("cpu", "cpu", most.cpu, False),
        ("memory", "memory", most.memory, True),
        ("ephemeralStorage", "ephemeral-storage", most.ephemeral_storage, True),
    ):
        if value is None:
            continue
        within = f"quantity(string(c.resources.{{}}[{text(name)}])).compareTo(quantity({text(value)})) <= 0"
        kinds = ("limits",) if bounded else ("limits", "requests")
        tests = [f"c.?resources.?{kind}[?{text(name)}].hasValue()" for kind in kinds]
        parts = [
            f"({test} && {within.format(kind)})" if bounded else f"(!{test} || {within.format(kind)})"
            for test, kind in zip(tests, kinds, strict=True)
        ]
        message = f"admission.maximum.{key}: a container has more than {value}{', or no limit' if bounded else ''}:"
        wanted = f"{ours} || ({' && '.join(parts)})"
        yield CelValidation(
            f"variables.containers.all(c, {wanted})",
            message,
            f"variables.containers.filter(c, !({wanted})).map(c, c.name)",
        )


def _written(repositories: Iterable[str]) -> Iterator[str]:
    """How images of repositories begin where they are written in full."""
    for one in repositories:
        yield from (f"{one}:", f"{one}@")


def _of_accounts(section: AdmissionSection, own: OwnPods) -> Iterator[CelValidation]:
    if section.service_accounts is None:
        return
    free = texts((*own.plain_accounts, *section.service_accounts))
    account = "object.spec.?serviceAccountName.orValue('default')"
    expression = (
        f"{account} in {free} || ({account} in {texts(own.accounts)} && variables.images.all(i, {_is_own(own)}))"
    )
    yield CelValidation(expression, "admission.serviceAccounts: not in the list:", f"[{account}]")
