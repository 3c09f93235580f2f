"""The configuration: defaults, mistakes with their lines, the environment."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from orchestrator.config.environment import GIT_VARIABLES
from orchestrator.config.loading import ConfigError, default_config, load_config
from orchestrator.errors import UsageError
from orchestrator.model import Limits, Policy, Severity

EVERYTHING = """
targets:
  - csv: {path: targets.csv, git: {url: "https://git.example/t.git", ref: main}}
  - {image: "ubuntu:20.04", scans: general;virus, owner: me, labels: {tier: 1, live: true}}
  - archive: app.tar
scans:
  default: [general, "*"]
  templates: [more]
  parameters: {image-lifetime: {maxAge: 90d}}
  exclude: [{image: "*/legacy/*", reason: gone soon}]
platforms: [linux/amd64, linux/arm/v7]
cache: [{upstream: docker.io, url: "http://cache:5000/", path: hub}]
insecure: ["registry.local:5000"]
volume: {path: data, claim: pv, budget: 1.5Ti, overBudget: refuse, hostPath: /srv/scans, storageClass: fast,
         nfs: {server: nas, path: /exports/scans}}
limits: {imagesInFlight: 2, cellsInFlight: 3, cellsPerShard: 500, shardsInFlight: 3, deadline: 90m, retries: 0}
rescanAfter: {default: 14d, virus: 1d}
allow: {images: ["docker.io/anchore/*"]}
policy: {coverage: 99.5, severity: high, warnOnly: true}
store: {url: "postgresql://user:hunter2@db/scans"}
engine: argo
layout: image
image: registry.local:5000/scanmatrix:1
argo:
  {namespace: scans, serviceAccount: runner, schedule: "0 3 * * *", timezone: Europe/Berlin, registrySecret: pull,
   concurrency: Allow, startWithin: 2h, history: {succeeded: 0, failed: 9},
   apiServer: {cidrs: [10.0.0.1/32], ports: [1]},
   operators: [{group: security}], quota: {pods: 10, cpu: 500m, memory: 1Gi, memoryLimit: 2Gi}}
"""


@pytest.fixture
def write(tmp_path):
    def _write(text: str) -> Path:
        file = tmp_path / "scanmatrix.yaml"
        file.write_text(text)
        return file

    return _write


def told(path: Path, environment: dict[str, str] | None = None) -> list[tuple[str, int, str]]:
    """File, line and message of each mistake."""
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment=environment or {})
    assert isinstance(caught.value, UsageError)
    return [(Path(one.file).name, one.line, one.message) for one in caught.value.problems]


def test_the_smallest_configuration(write):
    path = write("targets: [{csv: {path: targets.csv}}]\n")
    config = load_config(path, environment={})
    assert config.targets[0].csv.path == "targets.csv"
    assert config.base == path.parent
    assert config.file == str(path)
    assert config.volume.path == path.parent / "scanmatrix-data"
    assert config.model_copy(update={"targets": ()}).model_dump() == {
        **default_config(environment={}).model_dump(),
        "volume": config.volume.model_dump(),
    }


def test_the_defaults():
    config = default_config(environment={})
    assert config.limits.document(7) == Limits(volume_bytes=7)
    assert config.policy == Policy()
    assert config.platforms == ("linux/amd64",)
    assert config.allow is None
    assert config.fresh_for("virus") is None
    assert config.volume.budget == 100 * 1024**3
    assert config.volume.path == Path.cwd() / "scanmatrix-data"
    assert re.fullmatch(r"localhost/scanmatrix:\d.*", config.image)
    assert (config.engine, config.layout) == ("local", "cell")


def test_every_key(write):
    config = load_config(write(EVERYTHING), environment={})
    assert config.targets[0].csv.git.ref == "main"
    assert config.targets[1].scans == ("general", "virus")
    assert config.targets[1].labels == {"tier": "1", "live": "true"}
    assert config.scans.parameters == {"image-lifetime": {"maxAge": "90d"}}
    assert config.scans.exclude[0].scans == ("*",)
    assert config.cache[0].url == "http://cache:5000"
    assert config.volume.budget == int(1.5 * 1024**4)
    assert config.limits.document(10**9) == Limits(
        images_in_flight=2, cells_in_flight=3, cells_per_shard=500, shards_in_flight=3, deadline=5400, retries=0,
        volume_bytes=10**9,
    )  # fmt: skip
    assert (config.fresh_for("virus"), config.fresh_for("sbom")) == (86400, 14 * 86400)
    assert config.policy == Policy(coverage=99.5, severity=Severity.HIGH, warn_only=True)
    assert config.argo.registry_secret == "pull"
    assert (config.argo.concurrency, config.argo.start_within, config.argo.history.failed) == ("Allow", 7200, 9)
    assert config.argo.quota.memory_limit == "2Gi"
    assert config.volume.nfs.path == "/exports/scans"


def test_it_cannot_be_changed(write):
    config = load_config(write(EVERYTHING), environment={})
    with pytest.raises(ValidationError):
        config.engine = "local"
    changed = config.model_copy(update={"engine": "local"})
    assert (changed.engine, changed.base, changed.file) == ("local", config.base, config.file)


def test_the_store_password_is_masked_everywhere(write):
    config = load_config(write(EVERYTHING), environment={})
    assert "hunter2" not in repr(config)
    assert "hunter2" not in str(config)
    assert "hunter2" not in config.model_dump_json()
    assert config.store.url.get_secret_value() == "postgresql://user:hunter2@db/scans"


def test_no_value_of_a_wrong_secret_is_shown(write):
    [(_, _, message)] = told(write("store: {url: [hunter2, hunter3]}\n"))
    assert "hunter" not in message


def test_an_unknown_key_is_refused_with_file_line_and_a_suggestion(write):
    path = write("targets:\n- csv:\n    path: targets.csv\n\n\n\nlimts: {}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, environment={})
    assert str(caught.value) == f"{path}:7: unknown key 'limts', did you mean 'limits'?"


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("limits:\n  imagesInFligt: 3\n", 2, "'imagesInFlight'"),
        ("targets:\n- csv:\n    path: a.csv\n    git:\n      url: x\n      branch: y\n", 6, "'branch'"),
        ("targets:\n- csv: {}\n", 2, "'path' is missing"),
        ("targets:\n- {csv: {path: a.csv}}\n- {image: a, archive: b}\n", 3, "exactly one"),
        ("targets:\n- {owner: me}\n", 2, "exactly one"),
        ("targets:\n- {csv: {path: a.csv}, owner: me}\n", 2, "columns"),
        ("targets: targets.csv\n", 1, "list"),
        ("limits:\n", 1, "mapping"),
        ("limits: {deadline: 3600}\n", 1, "3600s"),
        ("limits: {deadline: soon}\n", 1, "duration"),
        ("limits: {imagesInFlight: 0}\n", 1, "imagesInFlight"),
        ("limits: {retries: many}\n", 1, "retries"),
        ("volume:\n  budget: 10 cows\n", 2, "size"),
        ("volume: {overBudget: maybe}\n", 1, "'split' or 'refuse'"),
        ("rescanAfter: 14\n", 1, "14s"),
        ("rescanAfter: {virus: x}\n", 1, "virus"),
        ("policy: {severity: hgh}\n", 1, "'high'"),
        ("policy: {coverage: 101}\n", 1, "coverage"),
        ("cache:\n- {upstream: docker.io, url: cache:5000}\n", 2, "http://"),
        ("cache:\n- {upstream: docker.io, url: 'http://cache/prefix'}\n", 2, "'path'"),
        ("cache: [{upstream: a.io, url: 'http://a'}, {upstream: a.io, url: 'http://b'}]\n", 1, "more than one"),
        ("insecure: ['https://a.io']\n", 1, "host:port"),
        ("allow: {}\n", 1, "allows nothing"),
        ("allow: {digests: ['sha256:abc']}\n", 1, "digest"),
        ("platforms: []\n", 1, "platforms"),
        ("platforms: [amd64]\n", 1, "os/architecture"),
        ("image: 1.0\n", 1, "quotes"),
        ("image: [a]\n", 1, "must be text"),
        ("volume: {path: null}\n", 1, "path: must be text"),
        ("engine: local\nengine: argo\n", 2, "twice"),
        ("targets: [\n", 2, "not YAML"),
        ("engine: !!python/object:os.system {}\n", 1, "not supported"),
        ("argo: {schedule: hourly}\n", 1, "schedule"),
        ("argo: {namespace: A_B}\n", 1, "namespace"),
        ("- a\n- b\n", 1, "mapping"),
        ("", 1, "targets"),
        ("a:\n\t- b\n", 2, "tab"),
    ],
)
def test_each_mistake_at_its_line(write, text, line, word):
    [(file, found, message)] = told(write(text))
    assert (file, found) == ("scanmatrix.yaml", line)
    assert word in message


def test_a_password_in_a_cache_url_is_refused_and_not_shown(write):
    [(_, _, message)] = told(write("cache: [{upstream: docker.io, url: 'http://me:hunter2@cache'}]\n"))
    assert "hunter2" not in message


def test_all_mistakes_at_once_in_the_order_of_the_file(write):
    found = told(write("a: 1\nlimits: {b: 2}\npolicy:\n  c: 3\nlayout: x\n"))
    assert [line for _, line, _ in found] == [1, 2, 4, 5]


def test_the_environment_overrides_the_file(write):
    path = write("limits: {imagesInFlight: 2, retries: 1}\nplatforms: [linux/amd64]\n")
    config = load_config(
        path,
        environment={
            "SCANMATRIX_LIMITS__IMAGES_IN_FLIGHT": "8",
            "SCANMATRIX_STORE__URL": "sqlite:///x: y",
            "SCANMATRIX_PLATFORMS": "[linux/arm64, linux/amd64]",
            "SCANMATRIX_RESCAN_AFTER": '{"default": "14d"}',
            "SCANMATRIX_POLICY__WARN_ONLY": "true",
            "SCANMATRIX_VOLUME__OVER_BUDGET": "refuse",
            "SCANMATRIX_TARGETS": "- image: a\n- image: b\n",
            "SCANMATRIX_SCANS": "{default: [sbom]}",
            "SCANMATRIX_SCANS__TEMPLATES": "[t]",
            "SCANMATRIX_IMAGE": "",
            "OTHER": "x",
        },
    )
    assert (config.limits.images_in_flight, config.limits.retries) == (8, 1)
    assert config.store.url.get_secret_value() == "sqlite:///x: y"
    assert config.platforms == ("linux/arm64", "linux/amd64")
    assert config.fresh_for("any") == 14 * 86400
    assert config.policy.warn_only
    assert config.volume.over_budget == "refuse"
    assert [target.image for target in config.targets] == ["a", "b"]
    assert (config.scans.default, config.scans.templates) == (("sbom",), ("t",))
    assert config.image == default_config(environment={}).image


def test_a_wrong_value_from_the_environment_names_its_variable(write):
    path = write("limits: {imagesInFlight: 2}\ntargets: [{csv: {path: x}}]\n")
    environment = {
        "SCANMATRIX_LIMITS__IMAGES_IN_FLIGHT": "lots",
        "SCANMATRIX_TARGETS": "[{csv: {pth: x}}]",
        "SCANMATRIX_RESCAN_AFTER": "{default: 1d",
    }
    assert {file for file, _, _ in told(path, environment)} == set(environment)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("SCANMATRIX_LIMITS__DEADLIN", "SCANMATRIX_LIMITS__DEADLINE"),
        ("SCANMATRIX_LIMIT__DEADLINE", "named so"),
        ("SCANMATRIX_RESCAN_AFTER__VIRUS", "SCANMATRIX_RESCAN_AFTER "),
        ("SCANMATRIX_LIMITS__RETRIES__MORE", "SCANMATRIX_LIMITS__RETRIES "),
        ("SCANMATRIX_GIT_TOKN", "'SCANMATRIX_GIT_TOKEN'"),
        ("SCANMATRIX_GIT_SSH_KNOWN_HOST", "'SCANMATRIX_GIT_SSH_KNOWN_HOSTS'"),
        ("SCANMATRIX_GIT", "named so"),
        ("SCANMATRIX_CONFIG", "named so"),
    ],
)
def test_an_unknown_variable_is_refused(write, name, word):
    [(file, line, message)] = told(write("engine: local\n"), {name: "1"})
    assert (file, line) == (name, 0)
    assert word in message


def test_variables_of_others_are_left_alone(write):
    environment = {
        **dict.fromkeys(GIT_VARIABLES, "x"),
        "SCANMATRIX_REQUIRE_TOOLS": "1",
        # What Kubernetes sets beside Services named scanmatrix and scanmatrix-cache.
        "SCANMATRIX_SERVICE_HOST": "10.0.0.1",
        "SCANMATRIX_SERVICE_PORT_HTTP": "80",
        "SCANMATRIX_PORT": "tcp://10.0.0.1:80",
        "SCANMATRIX_PORT_80_TCP_ADDR": "10.0.0.1",
        "SCANMATRIX_CACHE_PORT_5000_TCP": "tcp://10.0.0.2:5000",
    }
    assert load_config(write("engine: local\n"), environment=environment).engine == "local"


def test_overrides_come_last():
    config = default_config(
        environment={"SCANMATRIX_ENGINE": "argo", "SCANMATRIX_LAYOUT": "image"},
        engine="local",
        rescan_after="1d",
        targets=[{"image": "a"}],
    )
    assert (config.engine, config.layout, config.fresh_for("x")) == ("local", "image", 86400)
    with pytest.raises(ConfigError, match="engin"):
        default_config(environment={}, engin="local")


def test_a_problem_found_later_is_reported_at_its_place(write):
    path = write("scans:\n  default:\n  - sbom\n  - generl\n")
    config = load_config(path, environment={})
    assert str(config.problem(("scans", "default", 1), "unknown")) == f"{path}:4: unknown"
