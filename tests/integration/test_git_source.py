"""Targets out of real git repositories: by file, by HTTP with basic auth, by SSH."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.config.environment import GIT_VARIABLES
from orchestrator.config.loading import load_config
from orchestrator.errors import UsageError
from orchestrator.git import command as git_command
from orchestrator.git import tokens as git_tokens
from orchestrator.git.checkout import check_out_yaml, read_file
from orchestrator.inventory import SourceBrokenError, SourceUnavailableError, collect
from orchestrator.planning.repositories import GitResolver
from orchestrator.repositories.resolve import resolve
from tests.tools import require
from tests.tools.certificates import self_signed
from tests.tools.git_servers import GitHttp, git, start_sshd

TOKEN = "s3cr3t-t0ken"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A folder with one bare repository, `team/targets.git`."""
    require("git")
    root = tmp_path_factory.mktemp("git")
    work = root / "work"
    work.mkdir()
    git("init", "-q", "-b", "main", ".", cwd=work)
    (work / "lists").mkdir()
    (work / "lists" / "targets.csv").write_text("image,scans\nold:1,sbom\n")
    (work / "ignored.bin").write_bytes(os.urandom(300_000))
    git("add", ".", cwd=work)
    git("commit", "-qm", "first", cwd=work)
    git("tag", "v1", cwd=work)
    git("tag", "-a", "v1-annotated", "-m", "x", cwd=work)
    (work / "lists" / "targets.csv").write_text("image,scans\nnew:2,sbom\nnewer:3,*\n")
    (work / "lists" / "link.csv").symlink_to("/etc/passwd")
    (work / "lists" / "wrong.csv").write_text("image,scans\na,nope\n")
    (work / "lists" / "[odd] name*.csv").write_text("image\nodd:1\n")
    git("add", ".", cwd=work)
    git("commit", "-qm", "second", cwd=work)
    git("branch", "feature/x", "v1", cwd=work)
    (root / "team").mkdir()
    git("clone", "-q", "--bare", str(work), str(root / "team" / "targets.git"), cwd=root)
    return root


@pytest.fixture(scope="module")
def commits(root):
    """Full hashes of the first and the second commit."""
    bare = root / "team" / "targets.git"
    return git("rev-parse", "v1", cwd=bare), git("rev-parse", "main", cwd=bare)


@pytest.fixture
def url(root):
    return f"file://{root}/team/targets.git"


@pytest.fixture
def http(root):
    server = GitHttp(root, "bot", TOKEN)
    yield server
    server.close()


@pytest.fixture
def environment(tmp_path):
    """Git's own configuration out of the way, as on a fresh machine."""
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}


def login(server: GitHttp) -> dict[str, str]:
    """What the server wants, for it alone."""
    host = {"SCANMATRIX_GIT_HOST": f"127.0.0.1:{server.port}"}
    return host | {"SCANMATRIX_GIT_USERNAME": "bot", "SCANMATRIX_GIT_TOKEN": TOKEN}


@pytest.mark.parametrize(
    ("ref", "commit"),
    [
        ("HEAD", 1),
        ("main", 1),
        ("v1", 0),
        ("v1-annotated", 0),
        ("feature/x", 0),
        ("refs/heads/main", 1),
        ("{0}", 0),
        ("{1}", 1),
    ],
)
def test_branches_tags_and_commits(url, commits, environment, ref, commit):
    file = read_file(url, ref.format(*commits), "lists/targets.csv", environment=environment)
    assert file.commit == commits[commit]
    assert file.data.startswith((b"image,scans\nold", b"image,scans\nnew")[commit])


def test_a_name_with_glob_characters_is_that_file(url, environment):
    assert b"odd:1" in read_file(url, "main", "lists/[odd] name*.csv", environment=environment).data


def test_the_commit_stands_in_each_entrys_origin(url, commits, tmp_path):
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(f"targets:\n- csv: {{path: lists/targets.csv, git: {{url: '{url}', ref: v1}}}}\n")
    [entry] = collect(load_config(config, environment={}))
    assert (entry.reference, entry.scans) == ("old:1", ("sbom",))
    assert entry.origin == f"{url}@{commits[0]}:lists/targets.csv:2"


def test_mistakes_in_the_file_are_reported_with_its_commit(url, commits, tmp_path):
    config = tmp_path / "scanmatrix.yaml"
    config.write_text(f"targets:\n- csv: {{path: lists/wrong.csv, git: {{url: '{url}'}}}}\n")
    with pytest.raises(UsageError, match=rf"@{commits[1]}:lists/wrong\.csv:2: scans: unknown scan"):
        collect(load_config(config, environment={}))


@pytest.mark.parametrize(
    ("ref", "path", "word"),
    [
        ("nothing", "lists/targets.csv", "no ref 'nothing'"),
        ("0" * 40, "lists/targets.csv", "no ref"),
        ("main", "lists/none.csv", "'lists/none.csv' is not there"),
        ("main", "lists", "'lists' is a folder"),
        ("main", "lists/link.csv", "symbolic link"),
    ],
)
def test_what_is_not_there_is_reported(url, environment, ref, path, word):
    with pytest.raises(SourceUnavailableError, match=word) as caught:
        read_file(url, ref, path, environment=environment)
    assert url in str(caught.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to another user")
def test_a_repository_of_another_user_is_said_to_be_so_and_the_advice_helps(root, environment, tmp_path):
    theirs = tmp_path / "theirs.git"
    git("clone", "-q", "--bare", str(root / "team" / "targets.git"), str(theirs), cwd=tmp_path)
    for path in (theirs, *theirs.rglob("*")):
        os.chown(path, 12345, 12345)
    url = theirs.as_uri()
    for ask in (lambda: read_file(url, "v1", "lists/targets.csv", environment=environment),
                lambda: resolve(url, "v1", environment=environment)):  # fmt: skip
        with pytest.raises(SourceUnavailableError, match=r"safe\.directory"):
            ask()
    git("config", "--global", "--add", "safe.directory", str(theirs), cwd=Path(environment["HOME"]))
    assert read_file(url, "v1", "lists/targets.csv", environment=environment).data


def test_no_such_repository(root, environment):
    with pytest.raises(SourceUnavailableError, match="no such repository"):
        read_file(f"file://{root}/team/none.git", "main", "a.csv", environment=environment)


@pytest.mark.parametrize(
    ("url", "ref", "path"),
    [
        ("--upload-pack=touch /tmp/x", "main", "a"),
        ("-x", "main", "a"),
        ("ext::sh -c id", "main", "a"),
        ("ext::id", "main", "a"),
        ("https://me:hunter2@host/x.git", "main", "a"),
        ("https://hunter2@host/x.git", "main", "a"),
        ("http://example.com/x.git", "main", "a"),
        ("ftp://example.com/x.git", "main", "a"),
        ("ssh://-oProxyCommand=id/x", "main", "a"),
        ("git@-oProxyCommand=id:x", "main", "a"),
        ("file://host/x.git", "main", "a"),
        ("https:///x.git", "main", "a"),
        ("../x.git", "main", "a"),
        ("https://host/x.git", "--upload-pack=id", "a"),
        ("https://host/x.git", "a:b", "a"),
        ("https://host/x.git", "+main", "/a"),
        ("https://host/x.git", "a..b", "a"),
        ("https://host/x.git", "a b", "a"),
        ("https://host/x.git", "main", "/etc/passwd"),
        ("https://host/x.git", "main", "a/../../b"),
        ("https://host/x.git", "main", "."),
    ],
)
def test_nothing_that_git_could_take_for_something_else(url, ref, path, environment):
    with pytest.raises(UsageError) as caught:
        read_file(url, ref, path, environment=environment, retries=0)
    assert "hunter2" not in str(caught.value)


def test_http_with_a_token(http, commits, environment):
    url = f"http://127.0.0.1:{http.port}/team/targets.git"
    credentials = login(http)
    file = read_file(url, "main", "lists/targets.csv", environment=environment | credentials)
    assert file.commit == commits[1]
    assert http.seen[0] == ""
    assert http.wanted in http.seen


def test_only_the_wanted_file_is_fetched_where_the_host_can_filter(root, http, environment):
    bare = root / "team" / "targets.git"
    credentials = login(http)
    url = f"http://127.0.0.1:{http.port}/team/targets.git"
    git("config", "uploadpack.allowFilter", "true", cwd=bare)
    try:
        file = read_file(url, "main", "lists/targets.csv", environment=environment | credentials)
    finally:
        git("config", "--unset", "uploadpack.allowFilter", cwd=bare)
    assert file.data.endswith(b"newer:3,*\n")


@pytest.mark.parametrize("token", ["", "wrong-t0ken"])
def test_http_without_the_right_token(http, environment, token):
    url = f"http://127.0.0.1:{http.port}/team/targets.git"
    given = environment | (login(http) | {"SCANMATRIX_GIT_TOKEN": token} if token else {})
    with pytest.raises(SourceUnavailableError, match="SCANMATRIX_GIT_TOKEN") as caught:
        read_file(url, "main", "lists/targets.csv", environment=given)
    assert "wrong-t0ken" not in str(caught.value)


def test_the_token_is_on_no_command_line(http, environment, tmp_path):
    """A `git` of ours in front of the real one writes down how it is called."""
    log = tmp_path / "calls"
    real = require("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    given = environment | {
        "PATH": f"{wrapper.parent}:{environment['PATH']}",
        **login(http),
    }
    read_file(f"http://127.0.0.1:{http.port}/team/targets.git", "main", "lists/targets.csv", environment=given)
    assert "fetch" in log.read_text()
    assert TOKEN not in log.read_text()


def test_a_host_that_is_redirected_to_never_gets_the_token(http, root, environment):
    other = GitHttp(root, "bot", TOKEN)
    http.redirect = f"http://localhost:{other.port}"
    given = environment | login(http)
    try:
        with pytest.raises(SourceUnavailableError):
            read_file(f"http://127.0.0.1:{http.port}/team/targets.git", "main", "lists/targets.csv", environment=given)
        assert other.seen
        assert set(other.seen) == {""}
    finally:
        other.close()


def test_a_host_that_redirects_once_it_has_the_token_takes_it_nowhere(http, root, environment):
    """To another port, too: what listens there is somebody else's."""
    other = GitHttp(root, "bot", TOKEN)
    http.redirect_known = f"http://127.0.0.1:{other.port}"
    try:
        with pytest.raises(SourceUnavailableError):
            read_file(
                f"http://127.0.0.1:{http.port}/team/targets.git", "main", "lists/targets.csv",
                environment=environment | login(http),
            )  # fmt: skip
        assert http.wanted in http.seen
        assert set(other.seen) <= {""}
    finally:
        other.close()


@pytest.mark.parametrize("host", ["git.example", "127.0.0.1", "127.0.0.1:1", "localhost:PORT", "xn--127-0"])
def test_a_token_for_one_host_and_port_is_not_offered_to_others(http, environment, host):
    given = environment | login(http) | {"SCANMATRIX_GIT_HOST": host.replace("PORT", str(http.port))}
    with pytest.raises(SourceUnavailableError):
        read_file(f"http://127.0.0.1:{http.port}/team/targets.git", "main", "lists/targets.csv", environment=given)
    assert set(http.seen) == {""}


def test_a_token_without_a_host_goes_nowhere(http, environment, tmp_path, monkeypatch):
    """A row of a CSV names the host: it would get the token of another."""
    for name, value in {"SCANMATRIX_GIT_USERNAME": "bot", "SCANMATRIX_GIT_TOKEN": TOKEN}.items():
        monkeypatch.setenv(name, value)
    url = f"http://127.0.0.1:{http.port}/team/targets.git"
    with pytest.raises(UsageError, match="SCANMATRIX_GIT_HOST") as caught:
        read_file(url, "main", "lists/targets.csv")
    assert TOKEN not in str(caught.value)
    found = GitResolver()(url, "main")
    assert "SCANMATRIX_GIT_HOST" in found.error
    assert TOKEN not in found.error
    assert http.seen == []


def test_each_of_several_hosts_gets_its_own_token(http, root, environment):
    other = GitHttp(root, "robot", "0ther-s3cret")
    hosts = {
        f"127.0.0.1:{http.port}": {"username": "bot", "token": TOKEN},
        f"127.0.0.1:{other.port}": {"username": "robot", "token": "0ther-s3cret"},
    }
    given = environment | {"SCANMATRIX_GIT_TOKENS": json.dumps(hosts)}
    try:
        for server in (http, other):
            url = f"http://127.0.0.1:{server.port}/team/targets.git"
            assert read_file(url, "main", "lists/targets.csv", environment=given).data
            assert set(server.seen) == {"", server.wanted}
    finally:
        other.close()


@pytest.mark.parametrize("scheme", ["http", "socks9"])
def test_the_password_of_a_proxy_is_not_shown(environment, scheme):
    """Of a scheme that it does not know, curl quotes the whole URL."""
    given = environment | {"https_proxy": f"{scheme}://me:hunter2-s3cret@127.0.0.1:9"}
    with pytest.raises((SourceBrokenError, SourceUnavailableError)) as caught:
        read_file("https://git.example/x.git", "main", "a", environment=given, retries=0)
    assert "hunter2" not in str(caught.value)


def test_a_trace_of_git_shows_no_token(http, environment, capfd):
    given = environment | login(http) | {"GIT_TRACE_CURL": "1", "GIT_TRACE_REDACT": "0", "GIT_CURL_VERBOSE": "1"}
    with pytest.raises(SourceUnavailableError) as caught:
        read_file(f"http://127.0.0.1:{http.port}/team/none.git", "main", "a.csv", environment=given)
    basic = http.wanted.removeprefix("Basic ")
    assert http.wanted in http.seen
    assert not any(secret in text for secret in (TOKEN, basic) for text in (str(caught.value), *capfd.readouterr()))


@pytest.mark.parametrize("retries", [0, 4])
def test_a_host_that_stays_busy_is_asked_as_often_as_configured(http, environment, retries):
    http.fail = 503
    before = len(http.seen)
    url = f"http://127.0.0.1:{http.port}/x.git"
    with pytest.raises(SourceBrokenError, match="again") as caught:
        read_file(url, "main", "a", environment=environment, retries=retries, backoff=0.01)
    assert len(http.seen) - before == retries + 1
    assert not caught.value.is_worth_retrying


def test_a_busy_host_that_recovers_is_read(http, environment):
    http.fail, http.failures = 503, 2
    given = environment | login(http)
    url = f"http://127.0.0.1:{http.port}/team/targets.git"
    assert read_file(url, "main", "lists/targets.csv", environment=given, retries=2, backoff=0.01).data


def test_a_host_that_is_not_there_is_a_temporary_failure(environment):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x.git"
        with pytest.raises(SourceBrokenError):
            read_file(url, "main", "a", environment=environment, retries=0)


def test_a_host_that_never_answers_is_given_up_with_all_its_processes(environment):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x.git"
        begin = time.monotonic()
        with pytest.raises(SourceBrokenError, match="no answer"):
            read_file(url, "main", "a", environment=environment, timeout=1, retries=0)
        assert time.monotonic() - begin < 30
        assert (
            url not in subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        )


@pytest.fixture(scope="module")
def ssh(tmp_path_factory):
    with start_sshd(require("sshd"), tmp_path_factory.mktemp("sshd")) as started:
        yield started


def test_ssh_with_a_key_that_is_readable_by_all(ssh, root, commits, environment, tmp_path):
    """As a Kubernetes Secret is mounted; ssh itself would refuse it."""
    host, key, known = ssh
    loose = tmp_path / "key"
    loose.write_text(key.read_text().strip())
    loose.chmod(0o644)
    given = environment | {"SCANMATRIX_GIT_SSH_KEY": str(loose), "SCANMATRIX_GIT_SSH_KNOWN_HOSTS": str(known)}
    file = read_file(f"ssh://{host}{root}/team/targets.git", "v1", "lists/targets.csv", environment=given)
    assert file.commit == commits[0]


def test_ssh_never_trusts_a_host_it_does_not_know(ssh, root, environment, tmp_path):
    host, key, _ = ssh
    (tmp_path / "empty").touch()
    given = environment | {
        "SCANMATRIX_GIT_SSH_KEY": str(key),
        "SCANMATRIX_GIT_SSH_KNOWN_HOSTS": str(tmp_path / "empty"),
    }
    with pytest.raises(SourceUnavailableError, match="SCANMATRIX_GIT_SSH_KNOWN_HOSTS"):
        read_file(f"ssh://{host}{root}/team/targets.git", "v1", "a", environment=given)


def test_ssh_with_a_key_the_host_refuses(ssh, root, environment, tmp_path):
    host, _, known = ssh
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    given = environment | {
        "SCANMATRIX_GIT_SSH_KEY": str(tmp_path / "other"),
        "SCANMATRIX_GIT_SSH_KNOWN_HOSTS": str(known),
    }
    with pytest.raises(SourceUnavailableError, match="SCANMATRIX_GIT_SSH_KEY"):
        read_file(f"ssh://{host}{root}/team/targets.git", "v1", "a", environment=given)


def test_a_key_that_is_not_there(environment):
    given = environment | {"SCANMATRIX_GIT_SSH_KEY": "/none"}
    with pytest.raises(UsageError, match="SCANMATRIX_GIT_SSH_KEY"):
        read_file("ssh://git@127.0.0.1/x.git", "main", "a", environment=given)


def test_no_git_at_all(url, environment, tmp_path):
    with pytest.raises(SourceUnavailableError, match="git is not installed"):
        read_file(url, "main", "a", environment=environment | {"PATH": str(tmp_path)})


def test_a_hooks_git_directory_is_not_ours(url, environment, tmp_path):
    """Started by a git hook, GIT_DIR and the like point at the repository that runs it."""
    given = environment | {"GIT_DIR": str(tmp_path / "none"), "GIT_INDEX_FILE": "x", "GIT_CONFIG_COUNT": "9"}
    assert read_file(url, "main", "lists/targets.csv", environment=given).data
    assert Path(sys.executable).exists()


def test_every_variable_that_git_reads_is_one_the_configuration_knows():
    """A misspelt one is refused by `load_config`; so what is read here must be in its list."""
    source = Path(git_command.__file__).read_text() + Path(git_tokens.__file__).read_text()
    assert set(re.findall(r"SCANMATRIX_GIT_\w+", source)) == GIT_VARIABLES


def test_a_mounted_secret_has_what_https_wants(root, tmp_path):
    """As Kubernetes mounts a Secret that has tokens of several hosts, with the authority of a host of one's own."""
    certificate = self_signed(tmp_path)
    secret = tmp_path / "secret"
    secret.mkdir()
    server = GitHttp(root, "bot", TOKEN, certificate=certificate)
    (secret / f"127.0.0.1_{server.port}.username").write_text("bot\n")
    (secret / f"127.0.0.1_{server.port}.password").write_text(f"{TOKEN}\n")
    (secret / "git.example.password").write_text("0ther-s3cret\n")
    url = f"https://127.0.0.1:{server.port}/team/targets.git"
    environment = {name: value for name, value in os.environ.items() if name != "GIT_SSL_CAINFO"}
    environment["SCANMATRIX_GIT_CREDENTIALS"] = str(secret)
    try:
        with pytest.raises(SourceUnavailableError, match="certificate"):
            read_file(url, "v1", "lists/targets.csv", environment=environment)
        (secret / "ca.crt").write_bytes(certificate.read_bytes())
        assert b"old:1" in read_file(url, "v1", "lists/targets.csv", environment=environment).data
        (secret / "password").write_text(TOKEN)
        with pytest.raises(UsageError, match=r"<host>\.password"):
            read_file(url, "v1", "lists/targets.csv", environment=environment)
    finally:
        server.close()


def test_a_mounted_secret_has_what_ssh_wants(root, tmp_path):
    folder = tmp_path / "sshd"
    folder.mkdir()
    with start_sshd(require("sshd"), folder) as (host, key, known):
        secret = tmp_path / "secret"
        secret.mkdir()
        (secret / "ssh-privatekey").write_bytes(key.read_bytes())
        (secret / "known_hosts").write_bytes(known.read_bytes())
        environment = {**os.environ, "SCANMATRIX_GIT_CREDENTIALS": str(secret)}
        url = f"ssh://{host}{root}/team/targets.git"
        assert b"old:1" in read_file(url, "v1", "lists/targets.csv", environment=environment).data


def test_a_secret_that_is_not_mounted_is_said_so(url, tmp_path):
    environment = {**os.environ, "SCANMATRIX_GIT_CREDENTIALS": str(tmp_path / "none")}
    with pytest.raises(UsageError, match="SCANMATRIX_GIT_CREDENTIALS"):
        read_file(url, "v1", "lists/targets.csv", environment=environment)


def test_the_yaml_files_of_a_commit_are_checked_out_and_nothing_else(root, tmp_path):
    work = root / "configured"
    work.mkdir()
    git("init", "-q", "-b", "main", ".", cwd=work)
    (work / "scans").mkdir()
    (work / "scanmatrix.yaml").write_text("one")
    (work / "scans" / "own.yml").write_text("two")
    (work / "big.bin").write_bytes(b"x")
    (work / "secret.yaml").symlink_to("/etc/hostname")
    git("add", ".", cwd=work)
    git("commit", "-qm", "first", cwd=work)
    folder = tmp_path / "out"
    folder.mkdir()
    commit = check_out_yaml((work / ".git").as_uri(), "main", folder)
    assert commit == git("rev-parse", "main", cwd=work)
    found = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert found == {"scanmatrix.yaml": "one", "scans/own.yml": "two", "secret.yaml": "/etc/hostname"}
    assert not (folder / "secret.yaml").is_symlink()
    (work / "vex.json").write_text("three")
    git("add", ".", cwd=work)
    git("commit", "-qm", "second", cwd=work)
    check_out_yaml((work / ".git").as_uri(), git("rev-parse", "main", cwd=work), folder, suffixes=(".json",))
    assert (folder / "vex.json").read_text() == "three"
    assert (folder / "scanmatrix.yaml").read_text() == "one"
