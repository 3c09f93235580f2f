"""What may be asked of the cluster: fields, room, accounts, namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.admission.policies import ruling
from orchestrator.kit.quantities import parse_cpus, parse_size, spell_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.admission.request import AdmissionRequest
    from orchestrator.admission.rulings import Ruling
    from orchestrator.config.admission import AdmissionSection
    from orchestrator.config.loading import Config


class _Kind(NamedTuple):
    """A kind of room.

    Attributes:
        key: of `admission.maximum`.
        most: there may be.
        asked: for, by each container or volume; empty for no limit.
        read: makes a number of a quantity.
        bounded: whether what has no limit is refused.
    """

    key: str
    most: str | None
    asked: tuple[str, ...]
    read: Callable[[str], float]
    bounded: bool = True


def of_cluster(config: Config, section: AdmissionSection, request: AdmissionRequest) -> Iterator[Ruling]:
    """What the rules say about everything but the image."""
    if request.risky:
        forbidden = [name for name in request.risky if name in section.forbidden]
        wrong = f"it asks for {', '.join(forbidden)}" if forbidden else ""
        yield ruling(config, ("admission", "forbidden"), "admission.forbidden", wrong)
    for kind in _kinds(section, request):
        if kind.most is not None and kind.asked:
            location = ("admission", "maximum", kind.key)
            wrong = next(filter(None, (_too_much(kind, asked) for asked in kind.asked)), "")
            yield ruling(config, location, f"admission.maximum.{kind.key}", wrong)
    yield from _of_places(config, section, request)


def _of_places(config: Config, section: AdmissionSection, request: AdmissionRequest) -> Iterator[Ruling]:
    """Accounts and namespaces, which only tasks choose."""
    if request.kind == "scan":
        return
    for key, listed, asked, always in (
        ("serviceAccounts", section.service_accounts, request.service_account, config.argo.service_account),
        ("namespaces", section.namespaces, request.namespace, config.argo.namespace),
    ):
        if listed is not None and asked not in {"", always}:
            wrong = "" if asked in listed else f"{asked} is not in the list"
            yield ruling(config, ("admission", key), f"admission.{key}", wrong)


def _kinds(section: AdmissionSection, request: AdmissionRequest) -> tuple[_Kind, ...]:
    most, rooms = section.maximum, request.rooms
    return (
        _Kind("cpu", most.cpu, tuple(room.cpu for room in rooms), parse_cpus, bounded=False),
        _Kind("memory", most.memory, tuple(room.memory for room in rooms), parse_size),
        _Kind("ephemeralStorage", most.ephemeral_storage, tuple(room.ephemeral_storage for room in rooms), parse_size),
        _Kind("emptyDir", most.empty_dir, request.empty_dirs, parse_size),
    )


def _too_much(kind: _Kind, asked: str) -> str:
    if not asked:
        return f"it has no limit, where {kind.most} is the most" if kind.bounded else ""
    try:
        over = kind.read(asked) > kind.read(kind.most or "")
    except ValueError:
        return f"{asked[:40]!r} is no quantity"
    shown = spell_size(parse_size(asked)) if asked.isdigit() and kind.read is parse_size else asked
    return f"it asks for {shown}, where {kind.most} is the most" if over else ""
