"""`scanmatrix cache drop` in a cluster whose caches are not all well."""

import pytest

from orchestrator.api.caches import CacheDropError, drop
from orchestrator.argo import commands
from orchestrator.argo.commands import DropStep
from orchestrator.config.loading import default_config
from orchestrator.steps import entry
from tests.integration.kube_api import KubeApi


def pod_of(cache: str) -> dict:
    metadata = {"name": f"{cache}-1", "namespace": "scanmatrix", "labels": {"scanmatrix/cache": cache}}
    return {"metadata": metadata, "status": {"phase": "Running"}}


def test_a_cache_without_a_pod_costs_no_other(api: KubeApi) -> None:
    upstreams = ("docker.io", "ghcr.io", "quay.io")
    config = default_config(environment={}, cache=[{"upstream": each} for each in upstreams])
    api.pods = [pod_of("cache-ghcr-io")]
    lines = drop(config, everything=True)
    assert next(lines).startswith("cache-ghcr-io: pod cache-ghcr-io-1 deleted")
    with pytest.raises(CacheDropError) as error:
        list(lines)
    assert [each in str(error.value) for each in ("cache-docker-io", "cache-ghcr-io", "cache-quay-io")] == [1, 0, 1]
    assert "get pods" in str(error.value)


def test_what_is_not_listed_is_counted(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(entry, "MOST_DROPS", 2)
    assert commands.MOST_DROPS * 1000 <= 10 * 2**20, "longest line × lines; the kubelet rotates a longer log away"
    for number in range(5):
        digest = f"{number:064x}"
        path = tmp_path / f"docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
        path.parent.mkdir(parents=True)
        path.write_text("not that")
    entry.run(DropStep(folder=tmp_path))
    *said, last = capsys.readouterr().out.splitlines()
    assert len(said) == 2
    assert last == "dropped 3 more, which are not listed"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
