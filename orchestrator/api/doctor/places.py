"""Where things are kept: the volume, the scanners' databases on it, and the store."""

from __future__ import annotations

import os
import secrets
import shutil
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.api.doctor.diagnosis import CheckState
from orchestrator.api.doctor.probes import Probe, Seen
from orchestrator.kit.advice import command_line, ours
from orchestrator.kit.quantities import spell_duration, spell_size
from orchestrator.scanners.rules import volume_of
from orchestrator.upkeep.databases import DatabaseError, current
from orchestrator.upkeep.reuse import usable
from orchestrator.upkeep.versions import damage
from orchestrator.volume.layout import version_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.api.doctor.wanted import Needs
    from orchestrator.config.loading import Config
    from orchestrator.model import Database, Scan
    from orchestrator.volume.layout import Volume


def probes(config: Config, needs: Needs) -> Iterator[Probe]:
    """A look at each; the databases of a cluster's volume are not within reach."""
    volume = volume_of(config)
    advice = "set volume.path in the configuration to a folder that you may write to"
    yield Probe("volume", str(volume.root), True, partial(_look_at_volume, config, volume.root), advice)
    if not needs.in_cluster:
        for name, scan in needs.catalog.items():
            if database := scan.database:
                fixed = not database.update or bool(database.fetch and database.fetch.folder)
                look = partial(_look_at_database, volume, scan, database)
                yield Probe("database", name, fixed and name in needs.scans, look)
    # The file on the volume is made, and brought up to date, by the first question.
    yield Probe(
        "store",
        "store",
        config.store.url is not None,
        partial(_look_at_store, config),
        "check store.url in the configuration",
    )
    if config.queue.kind == "kafka":
        advice = "check queue.kafka in the configuration, and that the broker runs"
        yield Probe("queue", "kafka", config.engine == "queue", partial(_look_at_broker, config), advice)


def _look_at_volume(config: Config, root: Path) -> Seen:
    """Whether it can be written to; what is written for that is removed again."""
    advice = "set volume.path in the configuration to a folder that you may write to"
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    if not there.is_dir():
        return Seen(CheckState.BROKEN, f"{there} is not a folder", advice)
    if there != root:
        if not os.access(there, os.W_OK | os.X_OK):
            return Seen(CheckState.BROKEN, f"it is not there, and {there} may not be written to", advice)
        return Seen(CheckState.OK, f"the first run makes it; {_room(there)}")
    trial = root / f".doctor-{secrets.token_hex(6)}.tmp"
    link = trial.with_name(f"{trial.name}.link")
    try:
        trial.write_bytes(b"")
        links = _links(trial, link)
    finally:
        for path in (trial, link):
            path.unlink(missing_ok=True)
    free, budget = shutil.disk_usage(root).free, config.volume.budget
    said = _room(root) + ("" if links else "; no hard links, so each cell gets a copy of its image")
    if budget > free:
        said += f", less than volume.budget ({spell_size(budget)})"
    return Seen(CheckState.OK, said)


def _room(folder: Path) -> str:
    return f"{spell_size(shutil.disk_usage(folder).free)} free"


def _links(trial: Path, link: Path) -> bool:
    try:
        os.link(trial, link)
    except OSError:
        return False
    return True


def _look_at_database(volume: Volume, scan: Scan, database: Database) -> Seen:
    """The version that the next run uses, or what it does about one that it does not use."""
    if database.fetch and (folder := database.fetch.folder):
        path = Path(folder)
        advice = f"put one there, or change databases.paths.{scan.name} in the configuration"
        return Seen(CheckState.OK if path.is_dir() else CheckState.MISSING, f"the folder {path}", advice)
    try:
        used = usable(scan, volume)
    except DatabaseError as error:
        return Seen(CheckState.MISSING, str(error), f"{ours('run', '--scan', scan.name)}, once, with downloads")
    version = current(volume, scan.name)
    made = version_time(version)
    if made is None:
        return Seen(CheckState.MISSING, "none yet", f"the next run of {scan.name} fetches it")
    age = spell_duration((datetime.now(UTC) - made).total_seconds())
    if wrong := damage(volume.databases(scan.name) / version):
        return Seen(CheckState.BROKEN, f"{version}: {wrong}", f"the next run of {scan.name} fetches another")
    return Seen(CheckState.OK, f"{age} old ({version})" + ("" if used else "; the next run asks for a newer one"))


def _look_at_broker(config: Config) -> Seen:
    """Whether it answers, and lets us in."""
    from orchestrator.queues import kafka

    return Seen(CheckState.OK, kafka.look(config))


def _look_at_store(config: Config) -> Seen:
    """Whether it answers, with the tables of this version. A file that is not there yet is not made."""
    from orchestrator.store import SchemaError, StoreDatabase

    with StoreDatabase.of(config) as store:
        if store.file is not None and not store.file.exists():
            return Seen(CheckState.OK, f"{store.place}: the first question makes it")
        try:
            store.check()
        except SchemaError as error:
            return Seen(CheckState.BROKEN, str(error).partition("; run")[0], command_line("store", "migrate"))
        return Seen(CheckState.OK, store.place)
