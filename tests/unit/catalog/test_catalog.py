"""The shipped scans, the ones users add, and what can be wrong with them."""

import logging
import re

import pytest
import yaml

from orchestrator.catalog.loading import CatalogError, load_catalog, read_template
from orchestrator.config.loading import default_config, load_config
from orchestrator.databases import KINDS
from orchestrator.findings import formats
from orchestrator.kit.own import templates_folder

MINE = {
    "name": "mine",
    "description": "Mine",
    "image": "example.com/mine:1.0",
    "command": ["mine", "{tarball}", "--out={report}"],
    "format": "scanmatrix",
}


@pytest.fixture
def template(tmp_path):
    def _write(name="mine", folder="templates", **changes):
        file = tmp_path / folder / f"{name}.yaml"
        file.parent.mkdir(exist_ok=True)
        keys = {key: value for key, value in {**MINE, "name": name, **changes}.items() if value is not None}
        file.write_text(yaml.safe_dump(keys, sort_keys=False))
        return file

    return _write


@pytest.fixture
def config(tmp_path):
    def _config(text="scans: {templates: [templates]}\n"):
        file = tmp_path / "scanmatrix.yaml"
        file.write_text(text)
        return load_config(file, environment={})

    return _config


def told(file) -> list[tuple[int, str]]:
    with pytest.raises(CatalogError) as caught:
        read_template(file)
    assert {problem.file for problem in caught.value.problems} == {str(file)}
    return [(problem.line, problem.message) for problem in caught.value.problems]


def test_a_file_that_changed_is_read_again(template):
    found = [read_template(template(description=each))[1].description for each in ("First", "Second", "First")]
    assert found == ["First", "Second", "First"]


def test_the_shipped_scans():
    catalog = load_catalog()
    assert list(catalog) == sorted(catalog)
    assert set(catalog) == {
        "general", "dependency", "virus", "sbom", "secrets", "image-lifetime", "root-user", "distroless", "scorecard",
        "packages", "packages-trivy",
    }  # fmt: skip
    assert {path.stem for path in templates_folder().glob("*.yaml")} == set(catalog)


@pytest.mark.parametrize("name", sorted(path.stem for path in templates_folder().glob("*.yaml")))
def test_each_shipped_scan_is_pinned_described_and_bounded(name):
    scan = load_catalog()[name]
    assert re.fullmatch(r"[a-z./-]+:v?\d+\.\d+\.\d+(_base)?", scan.image)
    assert scan.description
    assert scan.format in formats()
    assert 0 < scan.timeout <= 7200
    assert scan.builtin or scan.install
    words = " ".join([*scan.command, *scan.environment.values(), *_words(scan.database)])
    assert "{parameter." not in words
    assert "{tarball}" in words or "{layers}" in words or not scan.command
    # Nothing may be written but in the cell's folder: a scanner's root filesystem is read-only.
    assert scan.builtin or (scan.environment["TMPDIR"] == scan.environment["HOME"] == "{workdir}")


def _words(database):
    if database is None:
        return []
    return [*database.load, *database.environment.values(), *database.fetch.settings.values()]


def test_no_shipped_scan_has_a_command_that_needs_a_network_for_its_database():
    databases = {name: scan.database for name, scan in load_catalog().items() if scan.database}
    assert databases.keys() == {"general", "dependency", "packages-trivy", "virus"}
    assert {database.fetch.kind for database in databases.values()} == KINDS.keys() - {"folder"}
    assert not any(database.refresh for database in databases.values())


def test_the_parameters_of_what_is_fetched(config, template):
    template(database={"fetch": {"grype": {"url": "{parameter.mirror}", "maxAge": "3d"}, "limit": "1Gi"}},
             parameters={"mirror": "https://mirror.example"})  # fmt: skip
    text = "scans: {templates: [templates], parameters: {mine: {mirror: 'https://inside.example'}}}\n"
    fetch = load_catalog(config(text))["mine"].database.fetch
    assert (fetch.kind, fetch.limit) == ("grype", 1024**3)
    assert fetch.settings == {"url": "https://inside.example", "max_age": "3d"}


def test_built_in_scans_run_in_the_orchestrators_own_image():
    catalog = load_catalog(default_config(environment={}, image="registry.local/own:3"))
    assert {scan.image for scan in catalog.values() if scan.builtin} == {"registry.local/own:3"}
    assert catalog["image-lifetime"].command[:3] == ("scanmatrix-step", "check", "image-lifetime")


def test_parameters_are_filled_in(config):
    catalog = load_catalog(config("scans: {parameters: {image-lifetime: {maxAge: 90d}}}\n"))
    assert "--max-age=90d" in catalog["image-lifetime"].command
    assert catalog["image-lifetime"].parameters == {"maxAge": "90d"}
    assert "--max-age=180d" in load_catalog()["image-lifetime"].command


@pytest.mark.parametrize("value", ["{parameter.b}", "x{report}", "{tarball}", "{database}"])
def test_a_parameters_value_is_never_read_as_a_placeholder(config, template, value):
    """The paths are filled in later on, by the engine, which could not tell it from the command's own."""
    file = template(command=["mine", "{tarball}", "{report}", "{parameter.a}"], parameters={"a": "x", "b": "y"})
    text = f"scans: {{templates: [templates], parameters: {{mine: {{a: '{value}'}}}}}}\n"
    with pytest.raises(CatalogError, match=r"scanmatrix\.yaml:1: scans\.parameters\.mine\.a: .*placeholder"):
        load_catalog(config(text))
    template(command=["mine", "{tarball}", "{report}", "{parameter.a}"], parameters={"a": value})
    [(line, message)] = told(file)
    assert (line, "placeholder" in message) == (11, True)


def test_other_braces_in_a_parameters_value_stay(config, template):
    template(command=["mine", "{tarball}", "{report}", "{parameter.a}"], parameters={"a": "x"})
    text = "scans: {templates: [templates], parameters: {mine: {a: '{{.Name}} {x}'}}}\n"
    assert load_catalog(config(text))["mine"].command[-1] == "{{.Name}} {x}"


def test_every_key_of_a_template(template):
    file = template(
        report="out.json",
        reportFromStdout=True,
        environment={"A": "{workdir}/a"},
        database={"refresh": ["mine", "update", "{database}"], "environment": {"B": "b"}, "timeout": "5m"},
        resources={"cpu": 2, "memory": "1Gi", "memoryLimit": "3Gi"},
        successCodes=[0, 3],
        timeout="90s",
        retries=0,
        platforms=["linux/amd64"],
        compressions=["gzip"],
        reportLimit="5Mi",
        parameters={"level": "high"},
        install="pip install mine",
    )
    _, read = read_template(file)
    assert (read.timeout, read.report_limit, read.resources.cpu) == (90, 5 * 1024**2, "2")
    assert read.database.timeout == 300


def test_added_files_and_folders(config, template):
    template("one")
    two = template("two", folder="elsewhere")
    assert {"one", "two", "sbom"} <= set(load_catalog(config(f"scans: {{templates: [templates, '{two}']}}\n")))


def test_an_added_scan_replaces_the_shipped_one_and_says_so(config, template, caplog):
    template("sbom", image="registry.local/syft:9")
    with caplog.at_level(logging.WARNING):
        catalog = load_catalog(config())
    assert catalog["sbom"].image == "registry.local/syft:9"
    assert "sbom" in caplog.text


def test_two_added_scans_of_one_name_are_refused(config, template):
    template("one")
    template("one", folder="more")
    with pytest.raises(CatalogError, match=r"more/one.yaml:1: .*'one'.*templates/one.yaml"):
        load_catalog(config("scans: {templates: [templates, more]}\n"))


@pytest.mark.parametrize(
    ("changes", "line", "word"),
    [
        ({"comand": ["x"]}, 9, "'command'"),
        ({"name": "other"}, 1, "'mine'"),
        ({"name": "Mine"}, 1, "name"),
        ({"image": None}, 1, "'image' is missing"),
        ({"image": "mine"}, 3, "not pinned"),
        ({"report": "image.tar"}, 9, "name of ours"),
        ({"report": "checkout"}, 9, "name of ours"),
        ({"report": "max-age"}, 9, "name of ours"),
        ({"image": "mine:latest"}, 3, "not pinned"),
        ({"image": "mine@sha256:abc"}, 3, "not pinned"),
        ({"builtin": True}, 3, "orchestrator's own"),
        ({"format": "cyclondx"}, 8, "'cyclonedx'"),
        ({"command": []}, 4, "command"),
        ({"command": ["x", "{tarbal}", "{report}", "{tarball}"]}, 6, "{tarball}"),
        ({"command": ["x", "{report}"]}, 4, "scan nothing"),
        ({"command": ["x", "{tarball}"]}, 4, "reportFromStdout"),
        ({"command": ["x", "{tarball}", "{report}", "{database}"]}, 8, "'database'"),
        ({"command": ["x", "{tarball}", "{report}", "{parameter.a}"]}, 8, "{parameter.a}"),
        ({"environment": {"A": "{reprot}"}}, 10, "'report'"),
        ({"environment": {"A B": "x"}}, 10, "A B"),
        ({"environment": {"A": 1}}, 10, "quotes"),
        ({"database": {"refresh": ["x", "{report}", "{database}"]}}, 12, "{report}"),
        ({"database": {"refresh": ["x"]}}, 10, "{database}"),
        ({"database": {"timeout": "5m"}}, 9, "'fetch'"),
        ({"database": {"refresh": ["x", "{database}"], "fetch": {"grype": {"url": "u"}}}}, 9, "'refresh'"),
        ({"database": {"fetch": {"limit": "1Gi"}}}, 10, "grype"),
        ({"database": {"fetch": {"grype": {"url": "u"}, "clamav": {"mirror": "m"}}}}, 10, "one of"),
        ({"database": {"fetch": {"grpye": {"url": "u"}}}}, 11, "'grype'"),
        ({"database": {"fetch": {"grype": {"url": "{workdir}"}}}}, 12, "{workdir}"),
        ({"database": {"fetch": {"trivy": {"repository": "r", "javaRepository": "{database}"}}}}, 13, "{database}"),
        ({"database": {"fetch": {"grype": {}}}}, 11, "'url'"),
        ({"database": {"fetch": {"grype": {"url": "u"}}, "load": ["x", "{database}"]}}, 13, "{fetched}"),
        ({"database": {"fetch": {"grype": {"url": "u"}}, "load": ["x", "{fetched}"]}}, 13, "{database}"),
        ({"database": {"refresh": ["x", "{database}"], "load": ["x", "{fetched}", "{database}"]}}, 13, "load"),
        ({"database": {"refresh": ["x", "{database}", "{fetched}"]}}, 13, "{fetched}"),
        ({"command": ["x", "{tarball}", "{report}", "{fetched}"]}, 8, "{fetched}"),
        ({"report": "../x"}, 9, "report"),
        ({"timeout": 30}, 9, "30s"),
        ({"successCodes": [256]}, 10, "255"),
        ({"compressions": ["bzip2"]}, 10, "bzip2"),
        ({"resources": {"memory": "lots"}}, 10, "memory"),
    ],
)
def test_each_mistake_at_its_line(template, changes, line, word):
    [(found, message)] = told(template(**changes) if "name" not in changes else _named(template, changes["name"]))
    assert (found, word in message) == (line, True), message


def _named(template, name):
    """A file whose name is not the scan's."""
    file = template()
    file.write_text(file.read_text().replace("name: mine", f"name: {name}"))
    return file


def test_other_braces_are_the_commands_own(template):
    command = ["x", "{tarball}", "{report}", '{"a": {}}', "{{ .Name }}", "${HOME}", "{}", "{1}"]
    told_or_not = template(command=command)
    with pytest.raises(CatalogError, match="HOME"):  # the only one that looks like one of ours
        read_template(told_or_not)
    _, read = read_template(template(command=[word for word in command if "HOME" not in word]))
    assert "{{ .Name }}" in read.command


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("scans:\n  default: [sbom, generl]\n", 2, "'general'"),
        ("scans:\n  exclude:\n  - {image: x, scans: [viruss], reason: y}\n", 3, "'virus'"),
        ("targets:\n- image: a\n- image: b\n  scans: [nope]\n", 4, "unknown scan 'nope'"),
        ("rescanAfter:\n  default: 1d\n  virs: 1d\n", 3, "'virus'"),
        ("scans:\n  parameters:\n    nope: {}\n", 3, "nope"),
        ("scans:\n  parameters:\n    image-lifetime: {maxage: 1d}\n", 3, "'maxAge'"),
        ("scans:\n  parameters:\n    image-lifetime: {maxAge: old}\n", 3, "duration"),
        ("scans:\n  parameters:\n    root-user: {a: b}\n", 3, "it has none"),
        ("scans:\n  templates: [nowhere]\n", 2, "nowhere"),
        ("scans:\n  templates: [.]\n", 2, "no *.yaml"),
    ],
)
def test_what_the_configuration_gets_wrong(config, tmp_path, text, line, word):
    read = config(text)
    if "[.]" in text:  # an empty folder
        (tmp_path / "sub").mkdir()
        read = config("scans:\n  templates: [sub]\n")
    with pytest.raises(CatalogError) as caught:
        load_catalog(read)
    [problem] = caught.value.problems
    assert (problem.file, problem.line) == (read.file, line)
    assert word in problem.message


def test_mistakes_of_several_files_are_reported_together(config, template):
    template("one", timeout=1)
    template("two", retries=-1)
    with pytest.raises(CatalogError) as caught:
        load_catalog(config())
    assert len(caught.value.problems) == 2
