"""An event that was damaged in the inbox: the service ends it with its reason, and counts it."""

import json
import sqlite3
import time

from orchestrator.config.loading import load_config
from orchestrator.store.inbox.messages import InboxOutcome
from orchestrator.store.inbox.store import InboxStore
from tests.inbox_suite import event
from tests.served import served, volume_in


def test_it_is_refused_with_its_reason_and_counted(tmp_path):
    volume_in(tmp_path)
    text = {"volume": {"path": "volume"}, "events": {"rules": [{"name": "all", "images": ["registry.example/*"]}]}}
    (tmp_path / "scanmatrix.yaml").write_text(json.dumps(text))
    config = load_config(tmp_path / "scanmatrix.yaml", environment={})
    with InboxStore.of(config) as inbox:
        inbox.migrate()
        inbox.accept([event("a")], settle=0, most=9)
        with sqlite3.connect(inbox.file) as connection:
            connection.execute("UPDATE inbox SET push = '{'")
        with served(config) as client:
            counted = 'scanmatrix_events_total{outcome="refused",sender="harbor"} 1.0'
            until = time.monotonic() + 30
            while counted not in client.get("/metrics").text:
                assert time.monotonic() < until
                time.sleep(0.02)
        [(outcome, reason)] = connection.execute("SELECT outcome, reason FROM inbox").fetchall()
    assert outcome == InboxOutcome.REFUSED
    assert "what the inbox keeps of this event is damaged" in reason
