"""The login for a repository: that of the longest key, never one for another path, out of the user's own files."""

import base64
import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.images.registry.keychain import Keychain
from orchestrator.net.errors import Denied

Write = Callable[..., None]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def docker(home: Path) -> Write:
    """Write Docker's config.json: its text, or a user for each key, with other members."""

    def write(text: str = "", /, auths: dict[str, str] | None = None, **more: object) -> None:
        put(home / ".docker" / "config.json", text or json.dumps({"auths": entries(auths or {})} | more))

    return write


@pytest.fixture
def helper(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def write(name: str, script: str) -> None:
        path = home / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{home}:/usr/bin:/bin")

    return write


def entries(users: dict[str, str]) -> dict[str, dict[str, str]]:
    return {key: {"auth": base64.b64encode(f"{user}:pass".encode()).decode()} for key, user in users.items()}


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def user(place: str) -> str | None:
    """Whose login is found for `host/repository`."""
    host, _, repository = place.partition("/")
    login = Keychain().find(host, repository)
    return None if login is None else base64.b64decode(login.basic).decode().partition(":")[0]


TEAMS = {"h.example/lab": "lab", "h.example/other": "other", "h.example/lab/deep/er": "deeper"}


@pytest.mark.parametrize(
    ("keys", "place", "found"),
    [
        (TEAMS, "h.example/lab/app", "lab"),
        (TEAMS, "h.example/other/app", "other"),
        (TEAMS, "h.example/lab", "lab"),
        (TEAMS, "h.example/lab/deep/app", "lab"),
        (TEAMS, "h.example/lab/deep/er/app", "deeper"),
        (TEAMS, "h.example/third/app", None),
        (TEAMS, "h.example/laboratory/app", None),  # whole names of a path, not their beginnings
        (TEAMS, "h.example/", None),
        (TEAMS, "h.example:5000/lab/app", None),
        ({"h.example/lab": "lab"}, "h.example/other/app", None),  # where docker itself shows lab's
        (TEAMS | {"h.example": "all"}, "h.example/third/app", "all"),
        (TEAMS | {"h.example": "all"}, "h.example/lab/app", "lab"),
        (TEAMS | {"h.example": "all"}, "h.example/", "all"),
        ({"https://h.example/lab": "lab", "https://h.example/other": "other"}, "h.example/lab/app", "lab"),
        ({"https://h.example/lab": "lab", "https://h.example/other": "other"}, "h.example/third/app", None),
        ({"https://h.example/artifactory/": "all"}, "h.example/docker/app", "all"),  # of an old docker, and alone
        ({"h.example:5000": "five", "h.example:5001": "one", "h.example": "none"}, "h.example:5000/app", "five"),
        ({"h.example:5000": "five", "h.example:5001": "one", "h.example": "none"}, "h.example:5001/app", "one"),
        ({"h.example:5000": "five", "h.example:5001": "one", "h.example": "none"}, "h.example/app", "none"),
        ({"h.example:5000": "five"}, "h.example/app", None),
        ({"h.example": "none"}, "h.example:5000/app", None),
        ({"h.example": "short"}, "other.h.example/app", None),
        ({"https://h.example/v1/": "v1"}, "h.example/app", "v1"),
        ({"http://h.example/v2": "v2"}, "h.example/app", "v2"),
        ({"h.example/v2/": "v2"}, "h.example/app", "v2"),
        ({"https://h.example/v2/lab": "lab", "h.example": "all"}, "h.example/lab/app", "lab"),
        ({"https://h.example/v2/lab": "lab", "h.example": "all"}, "h.example/app", "all"),
        ({"https://h.example/v1/": "old", "h.example": "new"}, "h.example/app", "new"),
        ({"h.example": "new", "https://h.example/v1/": "old"}, "h.example/app", "new"),
        ({"H.Example/lab": "lab"}, "h.example/lab/app", "lab"),
        ({"h.example/Lab": "lab"}, "h.example/lab/app", None),
        ({"https://index.docker.io/v1/": "hub"}, "registry-1.docker.io/library/nginx", "hub"),
        ({"docker.io": "hub"}, "registry-1.docker.io/library/nginx", "hub"),
        ({"docker.io": "old", "https://index.docker.io/v1/": "hub"}, "registry-1.docker.io/library/nginx", "hub"),
        ({"docker.io/team": "team", "https://index.docker.io/v1/": "hub"}, "registry-1.docker.io/team/app", "team"),
        ({"docker.io/team": "team"}, "registry-1.docker.io/library/nginx", None),
        # patterns of hosts, as image pull Secrets have them
        ({"*.example": "any"}, "h.example/app", "any"),
        ({"*.example": "any", "h.example": "one"}, "h.example/app", "one"),
        ({"*.example": "any", "*.example/lab": "lab"}, "h.example/lab/app", "lab"),
        ({"*.example/lab": "lab"}, "h.example/other/app", None),
        ({"*.example": "any"}, "example/app", None),
        ({"*.example": "any"}, "a.h.example/app", None),
        ({"*.example": "any"}, "h.example.evil/app", None),
        ({"*.example": "any"}, "h.example:5000/app", None),
        ({"*": "any"}, "h.example/app", None),
    ],
)
def test_the_longest_key_that_the_repository_lies_in(
    docker: Write, keys: dict[str, str], place: str, found: str | None
) -> None:
    docker(auths=keys)
    assert user(place) == found


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_keys_says_nothing(docker: Write, order: int) -> None:
    docker(auths=dict(list(TEAMS.items())[::order]))
    assert [user("h.example/lab/app"), user("h.example/other/app")] == ["lab", "other"]


def test_a_broken_entry_is_no_matter_of_others(docker: Write) -> None:
    docker(json.dumps({"auths": {"h.example/lab": {"auth": "???"}, "x": 1} | entries({"h.example/other": "other"})}))
    assert user("h.example/other/app") == "other"
    with pytest.raises(Denied, match=r'"h\.example/lab".*config\.json'):
        user("h.example/lab/app")


def test_an_entry_without_a_login_hides_no_other(docker: Write) -> None:
    docker(json.dumps({"auths": {"h.example/lab": {}} | entries({"h.example": "all"})}))
    assert user("h.example/lab/app") == "all"


def test_helpers_by_host_and_for_all(docker: Write, helper: Callable[[str, str], None]) -> None:
    answer = 'read s; echo "{\\"Username\\": \\"%s\\", \\"Secret\\": \\"x\\"}"'
    helper("one", answer % "one")
    helper("all", answer % "all")
    helper("none", "exit 1")
    auths = {"h.example": "file", "h.example/lab": "lab", "n.example": "file"}
    docker(auths=auths, credHelpers={"h.example": "one", "n.example": "none", "gone.example": "gone"}, credsStore="all")
    assert user("h.example/app") == "one"  # before the file's own, as for docker
    assert user("h.example/lab/app") == "lab"  # the longer path all the same
    assert user("n.example/app") == "all"
    assert user("elsewhere.example/app") == "all"
    assert user("registry-1.docker.io/app") == "all"
    docker(auths={"h.example": "file"}, credsStore="gone")
    assert user("h.example/app") == "file"


def test_a_helper_that_fails_matters_only_where_the_file_has_no_login(
    docker: Write, helper: Callable[[str, str], None]
) -> None:
    helper("bad", "echo nonsense")
    docker(auths={"h.example": "file", "b.example/lab": "lab"}, credHelpers={"b.example": "bad"}, credsStore="bad")
    assert user("h.example/app") == "file"
    assert user("b.example/lab/app") == "lab"
    with pytest.raises(Denied, match=r"docker-credential-bad.*config\.json"):
        user("b.example/app")


def test_a_helper_is_asked_once_for_many_repositories(
    docker: Write, helper: Callable[[str, str], None], home: Path
) -> None:
    helper("slow", f"echo x >> {home}/asked; exit 1")
    helper("bad", f"echo x >> {home}/asked; echo nonsense")
    docker(credHelpers={"h.example": "slow", "b.example": "bad"})
    keychain = Keychain()
    for number in range(5):
        assert keychain.find("h.example", f"app{number}") is None
        with pytest.raises(Denied):
            keychain.find("b.example", f"app{number}")
    assert (home / "asked").read_text().split() == ["x", "x"]
    assert "docker-credential-slow" in keychain.missing("h.example")


def test_files_of_podman_after_docker_s(docker: Write, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def auth(path: str, **users: str) -> None:
        hosts = {f"{name}.example": user for name, user in users.items()}
        put(home / path, json.dumps({"auths": entries(hosts | {f"{path.partition('/')[0]}.only": path})}))

    docker(auths={"a.example": "docker"})
    auth("named/auth.json", a="named", b="named")
    auth("run/containers/auth.json", b="run", c="run")
    auth(".config/containers/auth.json", c="config", d="config")
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "named" / "auth.json"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    found = {name: user(f"{name}.example/app") for name in "abcde"}
    assert found == {"a": "docker", "b": "named", "c": "run", "d": "config", "e": None}
    (home / ".docker" / "config.json").unlink()
    assert user("a.example/app") == "named"
    monkeypatch.setenv("DOCKER_CONFIG", str(home / "none"))
    assert user("d.example/app") == "config"


def test_without_a_home_there_is_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")  # as pathlib does in containers without a passwd

    monkeypatch.setattr(Path, "home", nobody)
    assert user("h.example/app") is None
    assert "no login" in Keychain().missing("h.example")


def test_what_is_missing_is_said_with_what_there_is(docker: Write, home: Path) -> None:
    docker(auths=TEAMS | {"elsewhere.example": "x"})
    said = Keychain().missing("h.example")
    assert str(home / ".docker" / "config.json") in said
    assert "h.example/lab" in said
    assert "elsewhere" not in said


def test_namespaced_keys_of_podman(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home / "auth.json", json.dumps({"auths": entries(TEAMS)}))
    monkeypatch.setenv("REGISTRY_AUTH_FILE", str(home / "auth.json"))
    assert user("h.example/lab/deep/app") == "lab"
    assert user("h.example/third/app") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"auths": {"h.example": {"auth":\n "Ym9iOnBh\nc3M="}}}', ["line 2", "line break within quotes"]),
        ('{"auths": {"h.example": {"auth": "Ym9i",}}}', ["line 1", "column"]),
        ("{", ["line 1"]),
        ("[]", ["mappings"]),
        ('{"auths": ["h.example"]}', ["mappings"]),
        ('{"auths": {}, "credHelpers": "x"}', ["mappings"]),
    ],
)
def test_a_file_that_cannot_be_read_is_said_with_the_place(
    docker: Write, home: Path, text: str, said: list[str]
) -> None:
    docker(text)
    with pytest.raises(Denied) as error:
        user("h.example/app")
    for words in [str(home / ".docker" / "config.json"), *said]:
        assert words in str(error.value)
    assert "Ym9i" not in str(error.value)


@pytest.mark.parametrize("text", ["", " \n", "{}", '{"auths": null, "credHelpers": null, "credsStore": null}'])
def test_a_file_without_logins_is_no_mistake(home: Path, text: str) -> None:
    put(home / ".docker" / "config.json", text)
    assert user("h.example/app") is None


def test_what_is_not_utf_8(home: Path) -> None:
    put(home / ".docker" / "config.json", "")
    (home / ".docker" / "config.json").write_bytes(b'{"auths": {"\xff": {}}}')
    with pytest.raises(Denied, match="UTF-8"):
        user("h.example/app")


def test_a_key_with_a_password_in_it_is_not_repeated(docker: Write) -> None:
    docker(json.dumps({"auths": {"https://bob:hunter2@h.example": {"auth": "???"}}}))
    with pytest.raises(Denied) as error:
        user("h.example/app")
    assert "hunter2" not in str(error.value)
