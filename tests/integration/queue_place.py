"""A folder in which the engine `queue` runs: a configuration, images as archives, scanners that are scripts."""

import subprocess
import threading
from collections.abc import Collection, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import yaml

from orchestrator import engines, queues
from orchestrator.catalog.loading import load_catalog
from orchestrator.config.loading import load_config
from orchestrator.engines.interface import Silent
from orchestrator.engines.queue.worker import Worker, WorkerShare
from orchestrator.inventory import Entry
from orchestrator.kit.own import templates_folder
from orchestrator.model import Ledger, Plan
from orchestrator.volume.layout import Volume
from tests.integration.command import COMMAND, scanmatrix
from tests.integration.engine import REPORT
from tests.planned import plan_here
from tests.tools import layouts
from tests.tools.images import Image, layer

#: Notes in the log that it was begun, then does what its parameter says.
SCANNER = f"""
import os, sys, time, signal, pathlib
report, log, tarball, workdir, action = sys.argv[1:]
good = {REPORT!r}
with open(log, 'a') as file: file.write(tarball.split(os.sep)[-3] + ' ' + tarball.split(os.sep)[-2] + '\\n')
exec(action)
pathlib.Path(report).write_bytes(good)
"""


class QueuePlace:
    """See the module.

    Attributes:
        log: a line for each time that a scanner was begun: target and scan.
    """

    def __init__(
        self, folder: Path, *, images: int = 2, url: str = "", scans=None, retries: int = 0, **settings
    ) -> None:
        self.folder, self.log = folder, folder / "log"
        self.archives = [
            layouts.write_archive(folder / f"image-{number}.tar", Image.build([layer({"n": str(number)})]))
            for number in range(images)
        ]
        self.scans, self.retries = {}, retries
        for name, action in ({"first": "pass", "second": "pass"} if scans is None else scans).items():
            self.write_template(name, action)
        config = {
            "engine": "queue",
            "targets": [{"archive": str(archive)} for archive in self.archives],
            "scans": {"default": list(self.scans), "templates": [f"{name}.yaml" for name in self.scans]},
            "volume": {"path": str(folder / "volume")},
            "local": {"runner": "process", "sandbox": "off"},  # the log lies outside of a scanner's own folders
            "store": {"url": url or f"sqlite:///{folder / 'store.sqlite3'}"},
            "queue": {"lease": "2s"},
        }
        self.path = folder / "scanmatrix.yaml"
        self.path.write_text(yaml.safe_dump(config | settings))
        self.volume = Volume(folder / "volume")

    def use(self, template) -> None:
        """Run this scan alone, of the archives that there are by now."""
        name = template["name"]
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(template))
        written = yaml.safe_load(self.path.read_text())
        written["scans"] = {"default": [name], "templates": [f"{name}.yaml"]}
        written["targets"] = [{"archive": str(archive)} for archive in self.archives]
        self.path.write_text(yaml.safe_dump(written))
        self.scans = {name: ""}

    def write_template(self, name: str, action: str, **more) -> None:
        self.scans[name] = action
        template = {
            "name": name,
            "description": "For tests",
            "image": "localhost/fake:1",
            "command": [
                "python3", "-c", SCANNER,
                "{report}", "{parameter.log}", "{tarball}", "{workdir}", "{parameter.action}",
            ],
            "format": "scanmatrix",
            "retries": self.retries,
            "parameters": {"log": str(self.log), "action": action},
        }  # fmt: skip
        (self.folder / f"{name}.yaml").write_text(yaml.safe_dump(template | more))

    @property
    def config(self):
        return load_config(self.path, environment={})

    def plan(self, run: str = "r1", scans: Collection[str] = ()) -> Plan:
        wanted = scans or self.scans
        catalog = {name: scan for name, scan in load_catalog(self.config).items() if name in wanted}
        entries = [
            Entry(reference=str(archive), scans=tuple(catalog), origin=f"test:{number}", local=True)
            for number, archive in enumerate(self.archives)
        ]
        return plan_here(self.config, entries, catalog, run=run, now=datetime.now(UTC))

    def engine(self):
        return engines.make(self.config)

    @contextmanager
    def worker(self, *scans: str, share=None, **more):
        config, catalog = self.config, load_catalog(self.config)
        self.told = []
        with queues.make(config) as queue:
            queue.migrate()
            yield Worker(
                config, queue, self.volume, catalog,
                scans=scans or tuple(self.scans), share=share, tell=self.told.append, **more,
            )  # fmt: skip

    @contextmanager
    def workers(self, count: int = 1, *, first: int = 0):
        """Workers in threads, until the block ends."""
        with ExitStack() as stack:
            made = [stack.enter_context(self.worker(name=f"w{number}")) for number in range(first, first + count)]
            for each in made:
                thread = threading.Thread(target=each.run, daemon=True)
                thread.start()
                stack.callback(thread.join, 30)
                stack.callback(each.stop)
            yield made

    def work_off(self, *scans: str, share=WorkerShare(once=True), **more) -> int:  # noqa: B008
        """One worker, until no cell is left for it."""
        with self.worker(*scans, share=share, **more) as worker:
            return worker.run()

    def run(self, plan: Plan, observer=None) -> Ledger:
        return self.engine().run(plan, observer or Silent())

    def start_worker(self, *words: str) -> "subprocess.Popen[str]":
        command = [COMMAND, "worker", "--config", str(self.path), *words]
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True, start_new_session=True)

    def call(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return scanmatrix(words[0], "--config", str(self.path), *words[1:], cwd=self.folder)

    def begun(self) -> list[str]:
        """Target and scan of each time that a scanner was begun."""
        return self.log.read_text().splitlines() if self.log.exists() else []


def virus_place(folder: Path, archives: Sequence[Path], signatures: Path, *, warm: bool) -> QueuePlace:
    """The shipped `virus`, with signatures of the tests."""
    folder.mkdir()
    place = QueuePlace(folder, images=0, scans={}, local={"runner": "process", "sandbox": "required"})
    place.archives = list(archives)
    virus = yaml.safe_load((templates_folder() / "virus.yaml").read_text())
    virus["database"] = {"refresh": ["cp", *map(str, sorted(signatures.iterdir())), "{database}"]}
    del virus["parameters"]
    if not warm:
        del virus["warm"]
    place.use(virus)
    return place
