"""The outbox: nothing told twice, nothing lost, nothing secret."""

import pytest
from msgspec.structs import replace

from orchestrator.notifications.interface import Changes, DeliveryState, Message
from orchestrator.notifications.outbox import OUTBOX, Outbox, delivery_id


def message(total=1, **changes):
    fields = {"run": "run-1", "finished": "", "passed": True, "route": "one", "channel": "slack"}
    return Message(**(fields | changes), new=Changes(total=total))


def sent(delivery):
    return replace(delivery, state=DeliveryState.SENT, message=None, attempts=1)


def test_the_id_is_that_of_run_receiver_and_content():
    found = [message(), message(2), message(run="run-2"), message(route="two"), message(recipient="#a")]
    assert len({delivery_id(each) for each in found}) == len(found)
    assert delivery_id(message()) == delivery_id(message(correction=True))


def test_what_was_sent_is_known_again(tmp_path):
    first, second = Outbox(tmp_path).add([message(), message(recipient="#a")])
    Outbox(tmp_path).put(sent(first))
    again = Outbox(tmp_path).add([message(), message(recipient="#a"), message(recipient="#b")])
    assert [each.state for each in again] == [DeliveryState.SENT, DeliveryState.WAITING, DeliveryState.WAITING]
    assert again[1] == second


def test_what_was_not_sent_is_replaced_by_what_is_true_now(tmp_path):
    Outbox(tmp_path).add([message(1)])
    [now] = Outbox(tmp_path).add([message(2)])
    assert Outbox(tmp_path).deliveries() == (now,)
    assert not now.message.correction


def test_another_content_after_one_that_was_sent_is_a_correction(tmp_path):
    box = Outbox(tmp_path)
    box.put(sent(box.add([message(1)])[0]))
    [now] = Outbox(tmp_path).add([message(2)])
    assert now.message.correction
    Outbox(tmp_path).put(sent(now))
    assert [each.state for each in Outbox(tmp_path).add([message(2)])] == [DeliveryState.SENT]


def test_a_damaged_file_costs_one_delivery_only(tmp_path, caplog):
    first, second = Outbox(tmp_path).add([message(), message(recipient="#a")])
    (tmp_path / OUTBOX / f"{first.id}.json").write_bytes(b'{"id": "')
    assert Outbox(tmp_path).deliveries() == (second,)
    assert first.id in caplog.text


def test_a_folder_that_cannot_be_written_is_only_logged(tmp_path, caplog):
    (tmp_path / OUTBOX).write_text("not a folder")
    [delivery] = Outbox(tmp_path).add([message()])
    assert delivery.state is DeliveryState.WAITING
    assert "cannot be written" in caplog.text


@pytest.mark.parametrize("left", [".x.json.abc.tmp", "readme.txt"])
def test_other_files_are_left_alone(tmp_path, left):
    Outbox(tmp_path).add([message()])
    (tmp_path / OUTBOX / left).write_text("x")
    assert len(Outbox(tmp_path).deliveries()) == 1
