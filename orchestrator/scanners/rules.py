"""Where the rules about scanners come from: this package, the configuration, and the files it names."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from orchestrator.volume.layout import Volume

if TYPE_CHECKING:
    from orchestrator.config.loading import Config
    from orchestrator.config.scanners import DenyFile, DistrustFile
    from orchestrator.model import Distrust

_ListFile = TypeVar("_ListFile", "DenyFile", "DistrustFile")


@cache
def _packaged() -> dict[str, Any]:
    """The file of this package, read without pydantic: each cell's pod asks it for names."""
    from orchestrator.kit.yaml_source import read_yaml  # noqa: PLC0415 - only where a rule names an image

    return dict(read_yaml(Path(__file__).with_name("denied.yaml")).data)


@cache
def builtin_rules() -> tuple[Distrust, ...]:
    """What this version of scanmatrix knows of compromised scanners."""
    from orchestrator.config.scanners import DenySection  # noqa: PLC0415 - pydantic takes long to import

    return tuple(DenySection.model_validate(each, by_alias=True).document() for each in _packaged()["deny"])


@cache
def aliases_of(repository: str) -> frozenset[str]:
    """All names of an image's repository in well-known registries, its own among them."""
    return frozenset({repository}.union(*(names for names in _packaged()["aliases"] if repository in names)))


def rules_of(config: Config) -> tuple[Distrust, ...]:
    """What a configuration says of scanners, beside what is built in: denied versions first.

    Raises:
        SourceError: `scanners.denyFile`, or the file of `scanmatrix distrust`, is missing or has mistakes.
    """
    from orchestrator.config.scanners import DenyFile  # noqa: PLC0415 - as above

    section = config.scanners
    denied = list(section.deny)
    if (path := _deny_file(config)) is not None:
        denied += _read_list(path, DenyFile).deny
    distrusted = [*section.distrusted, *read_distrusted(config.base).distrusted]
    return (*(each.document() for each in denied), *(each.document() for each in distrusted))


def rule_files(config: Config) -> tuple[Path, ...]:
    """The files that `rules_of` reads beside the configuration, whether they are there or not."""
    from orchestrator.config.scanners import DISTRUSTED  # noqa: PLC0415 - as above

    denied = _deny_file(config)
    return (config.base / DISTRUSTED, *([denied] if denied is not None else ()))


def _deny_file(config: Config) -> Path | None:
    named = config.scanners.deny_file
    return None if named is None else config.base / Path(named).expanduser()


def read_distrusted(folder: Path) -> DistrustFile:
    """What `scanmatrix distrust` wrote beside a configuration; nothing where it never did.

    Raises:
        SourceError: the file has mistakes.
    """
    from orchestrator.config.scanners import DISTRUSTED, DistrustFile  # noqa: PLC0415 - as above

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
    from orchestrator.config.validation import validate  # noqa: PLC0415 - as above
    from orchestrator.kit.sources import SourceError  # noqa: PLC0415 - as above
    from orchestrator.kit.yaml_source import read_yaml  # noqa: PLC0415 - as above

    source = read_yaml(path)
    key = next(iter(kind.model_fields))
    found, problems = validate(kind, source.below(key))
    if found is None:
        raise SourceError(problems)
    return found
