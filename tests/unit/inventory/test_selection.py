"""Some of the configured targets: what a person names keeps what is said of it, and a glob takes those it matches."""

import logging
import time

import pytest
import yaml

from orchestrator.api.plan import load_config
from orchestrator.config.targets import GitSection, TargetSelection, TargetSource
from orchestrator.errors import UsageError
from orchestrator.inventory import collect

DIGEST = f"sha256:{'b' * 64}"
TARGETS = [
    {"csv": {"path": "targets.csv"}},
    {"image": "registry.example/shop/web:1.0", "owner": "shop", "labels": {"tier": "1"}, "scans": ["virus"]},
    {"image": "a.example/twice:1", "owner": "a"},
    {"image": "b.example/twice:1", "owner": "b"},
    {"repository": {"url": "https://github.com/org/shop", "ref": "main"}, "owner": "source"},
    {"registry": {"host": "hub.example", "repositories": ["team/*"], "excludeTags": ["*-debug"]}, "owner": "team"},
    {"registry": {"host": "hub.example", "repositories": ["team/app"], "versions": ">=2"}, "owner": "newest"},
]
CSV = "image,owner,scans,city\nnginx:1.27,web,sbom,Bonn\nnginx:1.27,edge,,\nunknown:1,,,\n"


@pytest.fixture
def said(tmp_path, monkeypatch):
    """What is said of the targets that are named: reference, owner, labels and scans."""
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump({"targets": TARGETS}))
    (tmp_path / "targets.csv").write_text(CSV)
    monkeypatch.chdir(tmp_path)

    def of(*references, targets=()):
        config = load_config(references=references, targets=targets)
        return [(each.reference, each.owner, each.labels, each.scans) for each in collect(config)]

    return of


def test_a_named_image_keeps_what_the_configuration_says(said):
    full = ("registry.example/shop/web:1.0", "shop", {"tier": "1"}, ("virus",))
    assert said("registry.example/shop/web:1.0") == [full]
    assert said("docker.io/nginx:1.27") == said("nginx:1.27") == [
        ("nginx:1.27", "web", {"city": "Bonn"}, ("sbom",)),
        ("nginx:1.27", "edge", {}, ()),
    ]  # fmt: skip
    assert said("https://github.com/org/shop#main") == [("https://github.com/org/shop", "source", {}, ())]


def test_what_the_configuration_does_not_name_is_scanned_as_it_is_written(said):
    assert said("alpine:3", f"app@{DIGEST}") == [("alpine:3", "", {}, ()), (f"app@{DIGEST}", "", {}, ())]
    assert said("nginx") == [("nginx", "", {}, ())], "that is nginx:latest"
    assert said("https://github.com/org/shop") == [("https://github.com/org/shop", "", {}, ())]


def test_a_name_without_registry_is_the_configured_one_and_that_is_said(said, caplog):
    with caplog.at_level(logging.WARNING):
        assert [reference for reference, *_ in said("shop/web:1.0")] == ["registry.example/shop/web:1.0"]
    assert "shop/web:1.0 is the configured registry.example/shop/web:1.0" in caplog.text
    assert "write docker.io/shop/web:1.0" in caplog.text


def test_a_name_of_two_configured_targets_is_refused(said):
    with pytest.raises(UsageError, match=r"'twice:1' may be a.example/twice:1, b.example/twice:1"):
        said("twice:1")
    assert [owner for _, owner, *_ in said("b.example/twice:1")] == ["b"]


def test_a_registry_says_whose_an_image_is_without_being_listed(said):
    owners = {
        name: [owner for _, owner, *_ in said(f"hub.example/team/{name}")] for name in ("x:1", "app:2.1", "app:1")
    }
    assert owners == {"x:1": ["team"], "app:2.1": ["team", "newest"], "app:1": ["team"]}
    assert said("hub.example/team/x:1-debug") == [("hub.example/team/x:1-debug", "", {}, ())]


def test_globs_take_some_of_the_configured_targets(said, tmp_path):
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump({"targets": TARGETS[:5]}))
    assert {owner for _, owner, *_ in said(targets=["shop/*", "nginx:*"])} == {"shop", "web", "edge"}
    assert {owner for _, owner, *_ in said(targets=["*twice*"])} == {"a", "b"}
    with pytest.raises(UsageError, match=r"no configured target matches 'shop/wbe', did you mean 'shop/web'\?"):
        said(targets=["nginx*", "shop/wbe"])
    (tmp_path / "scanmatrix.yaml").write_text("engine: local\n")
    with pytest.raises(UsageError, match="no targets are configured"):
        said(targets=["*"])


def test_a_source_that_cannot_be_reached_keeps_nobody_from_scanning_what_he_names(said, tmp_path, caplog):
    gone = {"csv": {"path": "t.csv", "git": {"url": f"file://{tmp_path}/no-such-repository"}}}
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump({"targets": [gone, *TARGETS]}))
    assert [owner for _, owner, *_ in said("a.example/twice:1")] == ["a"]
    assert "owner, labels and scans from there are not known" in caplog.text


def test_a_mistake_in_the_list_of_targets_is_one_for_named_images_too(said, tmp_path):
    (tmp_path / "targets.csv").write_text("image,scans\nnginx:1.27,sbmo\n")
    with pytest.raises(UsageError, match=r"targets.csv:2: .*'sbmo'"):
        said("alpine:3")


def test_a_selection_is_empty_or_of_some():
    assert not TargetSelection()
    assert TargetSelection(globs=("*",))
    assert TargetSelection(named=(TargetSource(repository=GitSection(url="https://h.example/a")),))


def test_a_tool_of_this_machine_is_named_with_the_image_and_the_rest_is_as_configured(said):
    assert said("docker:registry.example/shop/web:1.0") == said("registry.example/shop/web:1.0")
    for name, looked_in in (
        ("docker:registry.example/shop/web:1.0", ("docker",)),
        ("registry.example/shop/web:1.0", ()),  # a configured image is its registry's
        ("podman:shop/web:1.0", ("podman",)),  # of a tool the whole name is meant
        ("other/web:1.0", ("docker", "podman", "containerd", "registry")),
    ):
        (entry,) = collect(load_config(references=[name]))
        assert entry.look_in == looked_in
    assert said("podman:shop/web:1.0")[0][1] == ""


def test_a_cluster_that_does_not_answer_is_not_waited_for(said, tmp_path, monkeypatch, caplog):
    cluster = {"clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}], "current-context": "a"}
    cluster |= {"contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}]}
    cluster |= {"users": [{"name": "a", "user": {"token": "t"}}], "apiVersion": "v1", "kind": "Config"}
    (tmp_path / "kube").write_text(yaml.safe_dump(cluster))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kube"))
    (tmp_path / "scanmatrix.yaml").write_text(yaml.safe_dump({"targets": [{"cluster": {}}, *TARGETS]}))
    begun = time.monotonic()
    assert [owner for _, owner, *_ in said("a.example/twice:1")] == ["a"]
    assert time.monotonic() - begun < 30, "a listing for a run waits a minute"
    assert "does not answer" in caplog.text
    assert "owner, labels and scans from there are not known" in caplog.text
