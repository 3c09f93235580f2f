"""The first configuration: `scanmatrix.yaml` and `targets.csv`, from what somebody names, a registry or a cluster."""

from __future__ import annotations

import csv
import io
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.api.lint import lint_file
from orchestrator.config.file import CONFIG_FILE, CONFIG_FILES
from orchestrator.config.loading import Config, default_config
from orchestrator.config.targets import RegistrySource, TargetSource
from orchestrator.errors import PermanentError, UsageError
from orchestrator.images.reference import InvalidReference, parse
from orchestrator.inventory.interface import HEAD
from orchestrator.model import TargetKind
from orchestrator.model.image import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from orchestrator.inventory import Entry

TARGETS_FILE = "targets.csv"


class InitError(PermanentError):
    """What was written is not what `lint` accepts; it has been removed again."""


@dataclass(frozen=True)
class WrittenFiles:
    """What `init` wrote.

    Attributes:
        paths: the files.
        targets: in both of them.
        left_out: what the registry or the cluster has, but is not to be scanned, each with the reason.
    """

    paths: tuple[Path, ...]
    targets: int
    left_out: tuple[str, ...] = ()


def init(
    folder: Path | str = ".",
    *,
    references: Sequence[str] = (),
    registry: str | None = None,
    cluster: bool = False,
    contexts: Sequence[str] = (),
) -> WrittenFiles:
    """Write a first configuration with its list of targets; nothing is overwritten.

    Args:
        folder: where to.
        references: images, paths of local archives, or URLs of repositories, as for `load_config`.
        registry: its host, or host and repository (`registry.example/shop/*`), whose images are listed now.
        cluster: whether the images that run in a cluster now are listed.
        contexts: of the kubeconfig, instead of the current one.

    Raises:
        UsageError: one of the files exists, or a name is none.
        SourceUnavailableError: the registry or the cluster cannot be read.
        SourceBrokenError: it did not answer properly; trying again may help.
    """
    folder = Path(folder)
    paths = folder / TARGETS_FILE, folder / CONFIG_FILE
    if there := [name for name in (*CONFIG_FILES, TARGETS_FILE) if os.path.lexists(folder / name)]:
        raise UsageError(
            f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} there already, and nothing is overwritten:"
            " name another folder with --folder, or remove what you do not need"
        )
    named = _named(references)
    live = list(_live(registry, contexts, cluster=cluster))
    entries = _read([*named, *live])
    local = [place for entry in entries if any(place := _place(entry))]
    listed = [entry for entry in entries if not any(_place(entry)) and not _trouble(entry)]
    left_out = tuple(f"{entry.reference}: {why}" for entry in entries if (why := _trouble(entry)))
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    if live and not listed:
        raise UsageError(f"nothing was written, because there is no image: {'; '.join(left_out) or 'none was found'}")
    folder.mkdir(parents=True, exist_ok=True)
    texts = (
        _csv_text(listed, left_out, today),
        _yaml_text(folder, local, live, entries, today, use_list=bool(listed or not local)),
    )
    _write_all(dict(zip(paths, texts, strict=True)))
    return WrittenFiles(paths, len({(entry.reference, entry.ref) for entry in listed}) + len(local), left_out)


def _named(references: Sequence[str]) -> list[TargetSource]:
    """The targets that somebody names.

    Raises:
        UsageError: a name is none.
    """
    from orchestrator.config.named import named_source
    from orchestrator.config.targets import LOOKED_IN, REGISTRY, STDIN

    sources = list(map(named_source, references))
    for name, source in zip(references, sources, strict=True):
        if source.archive == STDIN or source.look_in not in {LOOKED_IN, (REGISTRY,)}:
            raise UsageError(
                f"{name!r} cannot be in a list of targets, which names images of registries: in scanmatrix.yaml, an"
                " `image` with `lookIn` is one of a tool on this machine"
            )
    for image in filter(None, (source.image for source in sources)):
        try:
            parse(image)
        except InvalidReference as error:
            raise UsageError(str(error)) from error
    return sources


def _live(registry: str | None, contexts: Sequence[str], *, cluster: bool) -> Iterator[TargetSource]:
    """What is listed now, and could be listed for every plan."""
    if registry is not None:
        host, _, repository = registry.partition("/")
        made = default_config(targets=[{"registry": {"host": host, "repositories": [repository or "*"]}}])
        yield from made.targets
    if cluster or contexts:
        yield from default_config(targets=[{"cluster": {"contexts": list(contexts)}}]).targets


def _read(sources: Sequence[TargetSource]) -> list[Entry]:
    """Every entry of the sources once."""
    from orchestrator.inventory import collect

    config = default_config().model_copy(update={"targets": tuple(sources)})
    entries = {(each.reference, each.ref, each.owner, each.scans): each for each in collect(config)}
    return list(entries.values())


def _place(entry: Entry) -> tuple[str, str]:
    """The key and the path of what is on this machine, which no list has; empty for what is not."""
    if entry.local:
        return "archive", entry.reference
    if entry.reference.startswith(FOLDER):
        return "dir", entry.reference.removeprefix(FOLDER)
    return "", ""


def _trouble(entry: Entry) -> str:
    return entry.error or entry.skip


def _csv_text(entries: Sequence[Entry], left_out: Sequence[str], today: str) -> str:
    kinds = {entry.kind for entry in entries} or {TargetKind.IMAGE}
    columns = ["image"] if TargetKind.IMAGE in kinds else []
    columns += ["repository", "ref"] if TargetKind.REPOSITORY in kinds else []
    text = io.StringIO()
    text.write(f"# What is scanned, a row each; written by `scanmatrix init` on {today}.\n")
    text.write("# scans: names with ; between them, empty for scans.default, * for all that can read the target.\n")
    text.write("# owner: who answers for it. Every further column is a label.\n")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*columns, "scans", "owner"])
    for entry in entries:
        is_image = entry.kind is TargetKind.IMAGE
        cells = {"scans": ";".join(entry.scans), "owner": entry.owner, "ref": "" if entry.ref == HEAD else entry.ref}
        cells["image" if is_image else "repository"] = entry.reference
        rows.writerow([cells.get(column, "") for column in (*columns, "scans", "owner")])
    if not entries:
        text.write("# registry.example/shop/web:1.0,,shop@example.com\n")
    for each in left_out:
        text.write(f"# left out: {' '.join(each.split())}\n")
    return text.getvalue()


def _yaml_text(
    folder: Path,
    local: Sequence[tuple[str, str]],
    live: Sequence[TargetSource],
    entries: Iterable[Entry],
    today: str,
    *,
    use_list: bool,
) -> str:
    source = f"- csv: {{path: {TARGETS_FILE}}}"
    lines = [
        f"# What scanmatrix scans, and how; written by `scanmatrix init` on {today}.",
        "# Every key is optional; `scanmatrix schema configuration` describes all of them. Check what you change:",
        f"#   scanmatrix lint {CONFIG_FILE} {TARGETS_FILE}",
        "",
        "# What is scanned. Owners, and scans of single targets, are columns of the list.",
        "targets:",
        *([f"  {source}"] if use_list else ["  # Once the list names an image or a repository:", f"  # {source}"]),
        *(f"  - {key}: {_spell(_relative(path, folder))}" for key, path in local),
    ]
    if live:
        lines += [
            "  # The list is what was there on that day. To follow what is there when a run is planned, use instead:"
        ]
        lines += [f"  # - {_source(each)}" for each in live]
    platforms = sorted({str(entry.platform) for entry in entries if entry.platform})
    if platforms and platforms != list(Config.model_fields["platforms"].default):
        lines += ["", "# Of an image for several platforms, those that run here.", f"platforms: {_spell(platforms)}"]
    usual = Config().scans.default_for(TargetKind.IMAGE)
    lines += [
        "",
        "# Scans of an image for which the list names none; `scanmatrix templates` shows what there is. Until it is",
        "# set here, those for vulnerabilities whose scanners are installed on this machine run as well.",
        "# scans:",
        f"#   default: {_spell(list(usual))}",
        "",
        "# When a run is good enough; otherwise the exit status is 1. Without `severity` no finding fails a run.",
        "# policy:",
        "#   severity: high",
        "",
        "# A result younger than this is not made again.",
        "# rescanAfter: 1d",
        "",
        "# Where tarballs, reports and results are kept, and how much all tarballs together may take.",
        "# volume:",
        "#   path: scanmatrix-data",
        "#   budget: 100Gi",
        "",
        "# Files that every run writes beside its results; `scanmatrix results export` lists all kinds.",
        "# exports:",
        "#   always: [html, sarif]",
        "",
    ]
    return "\n".join(lines)


def _source(source: TargetSource) -> str:
    """A source as it is written in the configuration."""
    if isinstance(source.registry, RegistrySource):
        host, repositories = source.registry.host, list(source.registry.repositories)
        return f"registry: {{host: {_spell(host)}, repositories: {_spell(repositories)}}}"
    contexts = list(source.cluster.contexts) if source.cluster else []
    return f"cluster: {{contexts: {_spell(contexts)}}}" if contexts else "cluster: {}"


def _spell(value: object) -> str:
    """As JSON, which YAML reads as text whatever is in it."""
    return json.dumps(value, ensure_ascii=False)


def _relative(path: str, folder: Path) -> str:
    """A path as it is written in the configuration: from its folder, where that contains it."""
    here = folder.absolute()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def _write_all(files: Mapping[Path, str]) -> None:
    """Write files that are not there and that `lint` accepts; all of them or none."""
    written: list[Path] = []
    try:
        for path, text in files.items():
            with path.open("x", encoding="utf-8", newline="\n") as file:
                written.append(path)
                file.write(text)
        _check(written)
    except BaseException as error:
        for path in written:
            path.unlink()
        if isinstance(error, FileExistsError):
            raise UsageError(f"{error.filename} is there already, and nothing is overwritten") from error
        raise


def _check(written: Iterable[Path]) -> None:
    if problems := [problem for path in written for problem in lint_file(path)]:
        raise InitError("nothing was written: " + "; ".join(map(str, problems)))
