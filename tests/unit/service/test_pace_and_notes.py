"""How long a loop waits, and what it has to say."""

from orchestrator.kit.retrying import Backoff
from orchestrator.service.notes import Notes


def test_pauses_grow_to_the_longest_and_begin_again():
    pace = Backoff(1, 8)
    pauses = [pace.pause() for _ in range(6)]
    for pause, whole in zip(pauses, (1, 2, 4, 8, 8, 8), strict=True):
        assert 0.8 * whole <= pause <= whole
    pace.reset()
    assert pace.pause() <= 1


def test_trouble_is_reported_once_until_it_is_fixed():
    said = []
    notes = Notes(said.append)
    for _ in range(3):
        notes.trouble("store", "away", 1)
    assert [each.what for each in notes.troubles] == ["store"]
    notes.trouble("store", "busy", 1)
    notes.mend("store")
    notes.mend("store")
    assert said == ["store: away", "store: busy", "store: works again"]
    assert notes.troubles == ()
    assert notes.lines == tuple(said)
