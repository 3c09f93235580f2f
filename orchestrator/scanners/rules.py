"""Where the rules about scanners come from: this package, the configuration, and the files it names."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from orchestrator.config.scanners import DISTRUSTED, DenyFile, DenySection, DistrustFile
from orchestrator.config.section import Section
from orchestrator.config.validation import validate
from orchestrator.kit.yaml_source import SourceError, read_yaml
from orchestrator.volume.layout import Volume

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.model import Distrust

_ListFile = TypeVar("_ListFile", DenyFile, DistrustFile)


class _Denied(Section):
    """The file of this package."""

    aliases: tuple[tuple[str, ...], ...]
    deny: tuple[DenySection, ...]


@cache
def _packaged() -> _Denied:
    source = read_yaml(Path(__file__).with_name("denied.yaml"))
    return _Denied.model_validate(source.data, by_alias=True)


@cache
def builtin_rules() -> tuple[Distrust, ...]:
    """What this version of scanmatrix knows of compromised scanners."""
    return tuple(section.document() for section in _packaged().deny)


@cache
def aliases_of(repository: str) -> frozenset[str]:
    """All names of an image's repository in well-known registries, its own among them."""
    return frozenset({repository}.union(*(names for names in _packaged().aliases if repository in names)))


def rules_of(config: Config) -> tuple[Distrust, ...]:
    """What a configuration says of scanners, beside what is built in: denied versions first.

    Raises:
        SourceError: `scanners.denyFile`, or the file of `scanmatrix distrust`, is missing or has mistakes.
    """
    section = config.scanners
    denied = list(section.deny)
    if section.deny_file is not None:
        denied += _read_list(config.base / Path(section.deny_file).expanduser(), DenyFile).deny
    distrusted = [*section.distrusted, *read_distrusted(config.base).distrusted]
    return (*(each.document() for each in denied), *(each.document() for each in distrusted))


def read_distrusted(folder: Path) -> DistrustFile:
    """What `scanmatrix distrust` wrote beside a configuration; nothing where it never did.

    Raises:
        SourceError: the file has mistakes.
    """
    path = folder / DISTRUSTED
    return _read_list(path, DistrustFile) if path.exists() else DistrustFile()


def volume_of(config: Config) -> Volume:
    """The volume of a configuration, which knows whose results on it are not believed.

    Raises:
        SourceError: as for `rules_of`.
    """
    return Volume(config.volume.path, distrusted=rules_of(config))


def _read_list(path: Path, kind: type[_ListFile]) -> _ListFile:
    """A file that is a list, read as the one key of a section, so that each mistake has its line."""
    source = read_yaml(path)
    key = next(iter(kind.model_fields))
    found, problems = validate(kind, source.below(key))
    if found is None:
        raise SourceError(problems)
    return found
