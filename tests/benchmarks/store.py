"""The store with 1,000,000 findings of 20,000 targets: how fast runs come in, and how long its answers take.

    python -m tests.benchmarks.store [--targets 20000] [--on sqlite postgresql mariadb]

Each target has 50 findings of `dependency`, out of 50,000 different ones of 5,000 CVEs; one more CVE is in every tenth
target. The first run is of this scan only, the second of four clean scans more, the third of all five a day later: of
one target in twenty the report differs, by one finding gone and one new.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from orchestrator.model import Finding
from orchestrator.queries import Store
from orchestrator.store.connection import make_engine, parse_url
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run
from tests.tools import find
from tests.tools.mariadb import start_mariadb
from tests.tools.postgres import start_postgres

EACH = 50
POPULAR = finding(0, id="CVE-2021-44228", aliases=("GHSA-jfh8-c2jp-5v3q",), package="log4j-core", version="2.14.1")
CLEAN = ("general", "root-user", "sbom", "virus")
AGES = {"default": 7 * 86400}
REPEATS = 200
DATABASES = ("sqlite", "postgresql", "mariadb")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", type=int, default=20_000)
    parser.add_argument("--on", nargs="+", choices=DATABASES, default=list(DATABASES))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="store-") as folder:
        volume = Volume(Path(folder) / "volume")
        write_runs(volume, options.targets)
        for name in options.on:
            if name != "sqlite" and find("postgres" if name == "postgresql" else "mariadbd") is None:
                print(f"skipped: {name} is not there\n")
                continue
            with database(name, Path(folder)) as url, Store(url) as store:
                _measure(name, url, store, volume, options.targets)
    return 0


@contextmanager
def database(name: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'store.sqlite3'}"
        return
    with (start_postgres if name == "postgresql" else start_mariadb)("127.0.0.1") as server:
        yield server.create("store")


def write_runs(volume: Volume, targets: int) -> None:
    """The three runs."""
    chance = random.Random(1)
    pool = [_fact(number) for number in range(50_000)]
    found = [chance.sample(pool, EACH) for _ in range(targets)]
    for number in range(0, targets, 10):
        found[number][0] = POPULAR
    write_run(volume, "run-1", day(0), {f"t{number}/dependency": facts for number, facts in enumerate(found)})
    write_run(volume, "run-2", day(0), {f"t{number}/{scan}": () for number in range(targets) for scan in CLEAN})
    for number in range(0, targets, 20):
        found[number] = [*found[number][:-1], chance.choice(pool)]
    everything = {f"t{number}/dependency": facts for number, facts in enumerate(found)}
    everything |= {f"t{number}/{scan}": () for number in range(targets) for scan in CLEAN}
    write_run(volume, "run-3", day(1), everything)


def _fact(number: int) -> Finding:
    return finding(
        number % 5000,
        aliases=(f"GHSA-{number % 5000:04}-xxxx-yyyy",),
        package=f"package-{number % 700}",
        version=f"1.{number // 5000}.0",
        purl=f"pkg:deb/debian/package-{number % 700}@1.{number // 5000}.0?arch=amd64&distro=debian-12",
        location="/var/lib/dpkg/status",
        title="a sentence about as long as what a scanner says of such a thing, in one line",
        fixed_version=f"1.{number // 5000}.1",
    )


def _measure(name: str, url: str, store: Store, volume: Volume, targets: int) -> None:
    store.migrate()
    print(f"### {name}\n")
    print("| import | cells | findings read | seconds | of our CPU | cells/s | findings/s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for run, what in (("run-1", "findings"), ("run-2", "clean cells"), ("run-3", "a day later"), ("run-3", "again")):
        begin, busy = time.perf_counter(), time.process_time()
        taken = store.take_in(volume, run)
        seconds, busy = time.perf_counter() - begin, time.process_time() - busy
        rates = f"{taken.cells / seconds:,.0f} | {taken.findings / seconds:,.0f}"
        print(f"| {what} | {taken.cells:,} | {taken.findings:,} | {seconds:.2f} | {busy:.2f} | {rates} |")
    gather_statistics(url)
    chance = random.Random(2)
    questions: dict[str, Callable[[], object]] = {
        "stale: 1,000 oldest, half are stale": lambda: store.stale(AGES, day(7.5)),
        "stale: none is, by age and versions": lambda: store.stale(AGES, day(2), versions=store.versions()),
        "who has a CVE": lambda: store.who_has(f"CVE-2025-{chance.randrange(5000)}"),
        f"who has the one of {targets // 10:,} targets (1,000 shown)": lambda: store.who_has("CVE-2021-44228"),
        "one target's rows": lambda: store.target(f"t{chance.randrange(targets)}"),
        "states of the whole matrix": lambda: store.states(AGES, day(7.5)),
        "what changed in a day": lambda: store.changes(day(0.5)),
    }
    print("\n| question | median ms | of our CPU | 95th percentile ms | most ms |")
    print("|---|---:|---:|---:|---:|")
    for question, ask in questions.items():
        count = REPEATS // 10 if question.startswith("what changed") else REPEATS
        took = [_milliseconds(ask) for _ in range(count)]
        times, busy = (sorted(of_all) for of_all in zip(*took, strict=True))
        medians = f"{times[count // 2]:.1f} | {busy[count // 2]:.1f}"
        print(f"| {question} | {medians} | {times[int(count * 0.95)]:.1f} | {times[-1]:.1f} |")
    print(flush=True)


def gather_statistics(url: str) -> None:
    """What a server does by itself a minute later."""
    engine = make_engine(parse_url(url)).execution_options(isolation_level="AUTOCOMMIT")
    statements = {"postgresql": ["VACUUM ANALYZE"], "sqlite": []}
    default = ["ANALYZE TABLE targets, states, findings, facts, fact_ids, names, cells"]
    with engine.connect() as connection:
        for statement in statements.get(engine.dialect.name, default):
            connection.execute(text(statement))
    engine.dispose()


def _milliseconds(ask: Callable[[], object]) -> tuple[float, float]:
    """How long an answer takes, and how much of our CPU."""
    begin, busy = time.perf_counter(), time.process_time()
    ask()
    return 1000 * (time.perf_counter() - begin), 1000 * (time.process_time() - busy)


if __name__ == "__main__":
    sys.exit(main())
