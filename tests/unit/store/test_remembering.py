"""A store that has answered before answers as one that never has, whatever was written meanwhile, and by whom."""

import random

import pytest

from orchestrator.model import Distrust, Name
from orchestrator.queries import Store
from orchestrator.volume.layout import Volume
from tests.stored_runs import day, finding, write_run

TARGETS, SCANS, IDS = ("a", "b", "c"), ("dependency", "general"), range(4)
ODD = Distrust(reason="odd", scan="dependency", versions=("2",))


def answers(store: Store) -> list[object]:
    """Everything that rests on what was remembered."""
    found: list[object] = []
    for name in ("CVE-2025-0", "CVE-2025-1", "CVE-2025-*"):
        found += [store.who_has(name), store.who_has(name, 2), store.only(["team"]).who_has(name)]
    found += [store.target(target) for target in TARGETS]
    return [*found, store.coverage(), store.changes(day(2))]


@pytest.mark.parametrize("seed", range(4))
def test_after_every_change(tmp_path, seed):
    chance = random.Random(seed)
    volume, url = Volume(tmp_path / "volume"), f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with Store(url) as old, Store(url) as writer:
        writer.migrate()
        for number in range(8):
            distrusted = chance.choice([(), (ODD,)])
            cells = {
                f"{target}/{scan}": [finding(each) for each in IDS if chance.random() < 0.5]
                for target in TARGETS
                for scan in SCANS
                if chance.random() < 0.7
            }
            believing = Volume(volume.root, distrusted=distrusted)
            match chance.randrange(4):
                case 0 if number:
                    chance.choice([old, writer]).forget([f"run-{chance.randrange(number)}"])
                case 1 if number:
                    chance.choice([old, writer]).forget_results([chance.choice(TARGETS)])
                case _:
                    versions, names = (chance.choice("12"), "db"), {"a": [Name(reference="a:1", owner="team")]}
                    write_run(volume, f"run-{number}", day(number), cells, versions=versions, names=names)
            chance.choice([old, writer]).take_in_all(believing)
            for store in (old, writer):
                with Store(url) as fresh:
                    fresh._distrusted = store._distrusted
                    assert answers(store) == answers(fresh), (seed, number)
