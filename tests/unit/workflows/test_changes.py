"""Installing again: every key may change, or it is said before what must be done; nothing is left behind unsaid."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api import install as install_api
from orchestrator.config.loading import Config, load_config
from orchestrator.config.validation import validate
from orchestrator.errors import UsageError
from orchestrator.kit.sources import SourceError, spell_location
from orchestrator.kit.yaml_source import parse_yaml
from orchestrator.workflows.install import Overlay, tree
from orchestrator.workflows.install.changes import applied, gone, key, refusals
from orchestrator.workflows.install.storage import kind_of, volumes
from tests.keys import walk_keys

#: Keys that decide which volume a claim has: another one needs another claim.
VOLUME = {"volume.hostPath", "volume.storageClass", "volume.nfs", "volume.nfs.server", "volume.nfs.path", "volume.size"}
#: What some key or other takes, the first that is not its default.
VALUES = ["true", "false", "7", "61", "2", "/srv/x", "10.1.0.0/16", "Europe/Zurich", "5 4 * * *", "3Gi", "2h", "a.io",
          "https://b.io/y", "abc", "a/b", "ns/name", "split", "refuse", "Allow", "Replace", "image", "high", "[abc]",
          "[linux/arm64]", "[sarif]", "[new]", "[vulnerability]", "AES256", "path", "auto", "s3", "off", "1d", "30d",
          '["/mnt"]', "openvex", "aws:kms", "2024-01-01", "tls", "process", "linux/arm64"]  # fmt: skip


@cache
def keys() -> dict[str, str]:
    """Each key, and a document in which it has a value that it may have."""
    return dict(_keys())


def _keys() -> Iterator[tuple[str, str]]:
    for path, _, write in walk_keys(Config):
        for value in VALUES:
            try:
                source = parse_yaml(write(value), "x")
            except SourceError:
                continue
            if not validate(Config, source)[1]:
                yield spell_location(path), write(value)
                break


@cache
def installed(text: str, overlay: Overlay) -> list[dict[str, Any]]:
    """All but Argo's own kinds, of which every field may change."""
    config = Config.model_validate(parse_yaml(text, "x").data) if text else Config()
    groups = tree._base(config, {"scanmatrix.yaml": text})
    return [*(one for group in groups.values() for one in group), *volumes(config)[kind_of(config, overlay)]]


@pytest.mark.parametrize("overlay", list(Overlay))
def test_every_key_may_change_there_and_back_or_needs_another_volume(overlay: Overlay) -> None:
    assert len(keys()) > 180
    refused: dict[str, list[str]] = {}
    before = installed("", overlay)
    for name, text in keys().items():
        try:
            after = installed(text, overlay)
        except UsageError:
            continue  # of a file that is not there
        if found := [*refusals(before, after), *refusals(after, before)]:
            refused[name] = found
    assert set(refused) <= VOLUME | ({"volume.budget"} if overlay is Overlay.PRODUCTION else set())
    assert refused.keys() & {"volume.hostPath", "volume.storageClass"}
    for found in refused.values():
        assert all("volume.claim" in each or "volume.size" in each for each in found), found


def configured(folder: Path, text: str) -> Config:
    (folder / "scanmatrix.yaml").write_text(text)
    return load_config(folder / "scanmatrix.yaml", environment={})


def test_a_folder_is_not_written_for_what_its_cluster_could_not_become(tmp_path: Path, caplog: Any) -> None:
    out = tmp_path / "deploy"
    first = configured(
        tmp_path, "{volume: {hostPath: /srv/a}, cache: [{upstream: ghcr.io}], argo: {schedule: 5 4 * * *}}"
    )
    install_api.write_install(first, out)
    volume = (out / "pv/single-node/volume.yaml").read_text()
    with pytest.raises(UsageError, match=r"/srv/a.* cannot become .*/srv/b.*volume\.claim"):
        install_api.write_install(configured(tmp_path, "volume: {hostPath: /srv/b}"), out)
    assert (out / "pv/single-node/volume.yaml").read_text() == volume
    caplog.clear()
    for text in ("volume: {hostPath: /srv/a, budget: 9Ti}\nimage: other:2", "volume: {hostPath: /srv/b, claim: new}"):
        install_api.write_install(configured(tmp_path, text), out)
    said = "\n".join(record.getMessage() for record in caplog.records)
    for left in ("CronWorkflow scanmatrix in", "Deployment cache-ghcr-io", "PersistentVolumeClaim scanmatrix"):
        assert left in said


def test_a_claim_of_a_class_may_grow_where_the_class_lets_it_and_never_shrinks() -> None:
    small, large = (installed(f"volume: {{budget: {size}}}", Overlay.PRODUCTION) for size in ("10Gi", "90Gi"))
    assert list(refusals(small, large)) == list(refusals(small, large, grows=True)) == []
    [grown] = refusals(small, large, grows=False)
    [shrunk] = refusals(large, small)
    assert "allowVolumeExpansion" in grown
    assert "set volume.size: 31Gi" in grown
    assert "cannot shrink to 31Gi" in shrunk
    kept = installed("volume: {budget: 10Gi, size: 119Gi}", Overlay.PRODUCTION)
    assert list(refusals(large, kept)) == []


def test_what_the_cluster_filled_in_is_no_change() -> None:
    [claim] = [one for one in installed("", Overlay.PRODUCTION) if one["kind"] == "PersistentVolumeClaim"]
    spec = claim["spec"] | {"storageClassName": "standard", "volumeName": "pvc-1", "volumeMode": "Filesystem"}
    live = claim | {"metadata": claim["metadata"] | {"uid": "1"}, "spec": spec}
    assert list(refusals([live], [claim])) == []
    [said] = refusals([live], [claim | {"spec": claim["spec"] | {"storageClassName": "fast"}}])
    assert '"standard" and cannot become "fast"' in said
    # Where kubectl has noted what was applied, also a name that was taken back is one that changes.
    noted = claim | {"spec": claim["spec"] | {"storageClassName": "fast"}}
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(noted)}
    live["metadata"]["annotations"] = annotations
    assert list(refusals([applied(live)], [claim]))


def test_of_what_only_the_name_is_known_nothing_is_said() -> None:
    after = installed("", Overlay.SINGLE_NODE)
    noted = [{"kind": one["kind"], "metadata": one["metadata"] | {"uid": "1"}} for one in after]
    assert list(refusals(noted, after)) == []


def test_what_belongs_to_a_run_is_not_left_over() -> None:
    there = {"kind": "WorkflowTemplate", "metadata": {"name": "w-shards", "namespace": "n", "ownerReferences": [{}]}}
    assert gone([there], []) == []
    alone = {"kind": "CronWorkflow", "metadata": {"name": "scanmatrix", "namespace": "n"}}
    assert [str(key(one)) for one in gone([alone, there], [])] == ["CronWorkflow scanmatrix in n"]


def noted(one: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """An object that kubectl applied, as a cluster has it, where others changed it since."""
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(one)}
    metadata = one["metadata"] | {"uid": "1", "annotations": annotations} | changed.pop("metadata", {})
    return one | {"metadata": metadata} | changed


def test_a_claim_that_somebody_let_grow_cannot_shrink_to_what_was_applied() -> None:
    [claim] = [one for one in installed("", Overlay.PRODUCTION) if one["kind"] == "PersistentVolumeClaim"]
    grown = noted(claim, spec=claim["spec"] | {"resources": {"requests": {"storage": "900Gi"}}})
    [said] = refusals([applied(grown)], [claim])
    assert "it has 900Gi and cannot shrink" in said
    assert said.endswith("volume.size: 900Gi")


@pytest.mark.parametrize("note", ["{}", "[]", "{", '{"kind": "Secret", "metadata": {"name": "of which it is a copy"}}'])
def test_a_note_of_something_else_is_none_of_this_object(note: str) -> None:
    metadata = {"name": "a", "annotations": {"kubectl.kubernetes.io/last-applied-configuration": note}}
    live = {"kind": "Secret", "metadata": metadata}
    assert applied(live) == live


def test_check_lists_just_what_prune_removes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    place = {"namespace": "scanmatrix"}
    owned = noted(
        {"kind": "ConfigMap", "metadata": place | {"name": "of-a-run"}}, metadata={"ownerReferences": [{"uid": "2"}]}
    )
    there = [noted({"kind": "ConfigMap", "metadata": place | {"name": "alone"}}), owned]
    deleted = []

    class Installed:
        def __init__(self, _namespace: str) -> None: ...
        def __enter__(self) -> "Installed":
            return self

        def __exit__(self, *_: object) -> None: ...
        def grows(self, _claim: str) -> None: ...
        def every(self) -> list[dict[str, Any]]:
            return there

        def delete(self, one: dict[str, Any]) -> None:
            deleted.append(one["metadata"]["name"])

    monkeypatch.setattr("orchestrator.cluster.installed.InstalledObjects", Installed)
    config = configured(tmp_path, "argo: {namespace: scanmatrix}")
    assert install_api.check_install(config) == ("kubectl -n scanmatrix delete configmap alone",)
    with pytest.raises(UsageError, match=r"nothing was removed: .*--config"):
        install_api.prune_install(Config())
    assert deleted == []
    install_api.prune_install(config)
    assert deleted == ["alone"]
