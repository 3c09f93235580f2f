"""What probes and Prometheus see of the controller: alive while it turns, ready while the API server answers."""

from types import SimpleNamespace
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from orchestrator.errors import UsageError
from orchestrator.service.controller.vitals import Vitals, serve_vitals


def test_it_is_ready_once_the_api_server_has_answered_and_lives_also_when_that_is_away() -> None:
    clock = SimpleNamespace(now=100.0)
    vitals = Vitals(lambda: clock.now)
    assert (vitals.is_alive, vitals.is_ready) == (True, False)
    vitals.answered()
    assert vitals.is_ready
    for _ in range(10):  # it asks in vain
        clock.now += 30
        vitals.beat()
    assert (vitals.is_alive, vitals.is_ready) == (True, False)
    vitals.answered()
    assert vitals.is_ready
    clock.now += 121  # it hangs
    assert (vitals.is_alive, vitals.is_ready) == (False, False)


def test_probes_and_metrics_are_answered() -> None:
    vitals = Vitals()
    server = serve_vitals(vitals, 0, "127.0.0.1")
    url = f"http://127.0.0.1:{server.server_address[1]}"

    def status(path: str) -> int:
        try:
            with urlopen(f"{url}{path}", timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code

    try:
        assert [status(path) for path in ("/healthz", "/readyz", "/")] == [200, 503, 404]
        vitals.answered()
        assert status("/readyz") == 200
        vitals.looks.labels("ok").inc()
        vitals.resources.labels("Failed").inc(2)
        with urlopen(f"{url}/metrics", timeout=30) as answer:
            told = answer.read().decode()
        assert 'scanmatrix_controller_looks_total{outcome="ok"} 1.0' in told
        assert 'scanmatrix_controller_resources{reason="Failed"} 2.0' in told
        with pytest.raises(UsageError, match="cannot listen"):
            serve_vitals(vitals, server.server_address[1], "127.0.0.1")
    finally:
        server.shutdown()
        server.server_close()
