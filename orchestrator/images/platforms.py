"""Platforms of images: their spelling made one, and which of them answers what is wanted."""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from orchestrator.errors import UsageError
from orchestrator.model import Platform
from orchestrator.net.errors import Unsupported

_PART = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armhf": "arm",
    "armel": "arm",
    "i386": "386",
}
_SYSTEMS = {"": "linux", "macos": "darwin"}
# The variant that a bare architecture means, so that it is left out (amd64, arm64) or put in (arm).
_DEFAULT_VARIANTS = {"amd64": "v1", "arm64": "v8"}
_IMPLIED_VARIANTS = {"arm": "v7", "armel": "v6"}
# podman and buildah write two of one platform, packed in two ways.
_MOST_EQUALS = 8

T = TypeVar("T")


def parse_platform(text: str) -> Platform:
    """Read `os/architecture[/variant]`, as `docker --platform` takes it.

    Raises:
        UsageError: it is not of that form.
    """
    parts = text.lower().split("/")
    if len(parts) not in {2, 3} or not all(_PART.fullmatch(part) for part in parts):
        raise UsageError(f"{text!r} is not a platform; write os/architecture[/variant], for example linux/arm64")
    return normalise(Platform(os=parts[0], architecture=parts[1], variant=parts[2] if parts[2:] else ""))


def normalise(platform: Platform) -> Platform:
    """One spelling for one platform: `arm64/v8` is `arm64`, `x86_64` is `amd64`, `arm` is `arm/v7`.

    As containerd's `platforms.Normalize` has it, for which no system at all is that of the machine.
    """
    system = platform.os.lower()
    said = platform.architecture.lower()
    architecture = _ARCHITECTURES.get(said, said)
    variant = platform.variant.lower() or _IMPLIED_VARIANTS.get(said, _IMPLIED_VARIANTS.get(architecture, ""))
    if variant and not variant.startswith("v") and variant[0].isdigit():
        variant = f"v{variant}"
    if variant == _DEFAULT_VARIANTS.get(architecture):
        variant = ""
    return Platform(os=_SYSTEMS.get(system, system), architecture=architecture, variant=variant)


def completed(platform: Platform, wanted: Sequence[Platform]) -> Platform:
    """A platform that says nothing of the architecture, with that of the first machine wanted.

    containerd, podman and Docker start an image whose config names none wherever they are. One that names an
    architecture stays as it is.
    """
    if platform.architecture:
        return platform
    machines = [normalise(each) for each in wanted]
    like = next((each for each in machines if each.os == platform.os), machines[0] if machines else Platform())
    return Platform(os=platform.os, architecture=like.architecture, variant=like.variant)


def runnable(machine: Platform) -> tuple[Platform, ...]:
    """The platforms whose images a machine runs, the best first.

    As `platforms.Only` of containerd has it, by which the kubelet's images are chosen: 64-bit x86 also runs 386, 64-bit
    ARM also 32-bit ARM, and 32-bit ARM the older variants. A machine that does not say its variant is taken for ARMv7.
    """
    best = normalise(machine)
    if best.architecture == "amd64":
        return best, Platform(os=best.os, architecture="386")
    if best.architecture == "arm64":
        return best, *(Platform(os=best.os, architecture="arm", variant=f"v{version}") for version in (8, 7, 6, 5))
    if best.architecture == "arm":
        older = (f"v{version}" for version in (8, 7, 6, 5))
        return best, *(Platform(os=best.os, architecture="arm", variant=one) for one in older if one < best.variant)
    return (best,)


def choose(wanted: Iterable[Platform], offered: Sequence[tuple[Platform, T]]) -> list[T]:
    """Of what is offered, the best for each wanted platform, each at most once.

    The same platform is best. A platform wanted without variant also takes one with a variant when there is no other
    (`linux/amd64` takes `linux/amd64/v2`). Where several are of the platform, all are taken: containerd runs the first
    of them, podman the one packed by zstd, and what runs must be scanned. On Windows only the first is, because there
    the version of the system decides, of which images of one index commonly have several.

    Raises:
        Unsupported: more of one platform than any real index has.
    """
    chosen: list[T] = []
    for platform in map(normalise, wanted):
        exact = [item for have, item in offered if normalise(have) == platform]
        loose = [(have, item) for have, item in offered if not platform.variant and _family(have) == _family(platform)]
        equals = exact or [item for have, item in loose if normalise(have) == normalise(loose[0][0])]
        best = list(dict.fromkeys(equals[:1] if platform.os == "windows" else equals))
        if len(best) > _MOST_EQUALS:
            raise Unsupported(
                f"{len(best)} images of one index are for {platform}; it is unclear which of them will run"
            )
        chosen += [item for item in best if item not in chosen]
    return chosen


def _family(platform: Platform) -> tuple[str, str]:
    same = normalise(platform)
    return same.os, same.architecture
