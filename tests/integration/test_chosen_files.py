"""Exactly the listed files of a real git repository: what is looked up where, and what is refused."""

import os
import stat

import pytest

from orchestrator.git.errors import SourceTooLargeError, SourceUnavailableError
from orchestrator.repositories import chosen
from orchestrator.repositories.chosen import ChosenFileError, WantedFiles, judge_listed, read_chosen, write_chosen
from orchestrator.repositories.history import ForeignCommitError, check_history
from tests.tools import repositories, require
from tests.tools.git_servers import GitHttp, git

FOLDERS = ("keptn-stages/dev/keptn-services/shop", "keptn-stages/dev", "")
FILES = {
    "job/config.yaml": "of: project\n",
    "keptn-stages/dev/job/config.yaml": "of: stage\n",
    "keptn-stages/dev/keptn-services/shop/locust/basic.py": "service",
    "keptn-stages/dev/locust/basic.py": "stage",
    "keptn-stages/dev/locust/only-of-stage.py": "stage",
    "helm/chart.tgz": b"\0" * 100,
    "helm/templates/{{ name }}.yaml": "x",
    "helm/deep/er/file": "y",
    "helmet": "not of the folder",
    "big.bin": os.urandom(3_000_000),
    "small.bin": os.urandom(1000),
}
LINKS = {"secret.txt": "/etc/passwd", "out": "..", "linked/inner": "../job/config.yaml"}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    require("git")
    root = tmp_path_factory.mktemp("git")
    repositories.make(root / "jobs.git", FILES, links=LINKS)
    git("config", "uploadpack.allowFilter", "true", cwd=root / "jobs.git")
    return root


@pytest.fixture(scope="module")
def commit(root):
    return git("rev-parse", "main", cwd=root / "jobs.git")


@pytest.fixture(params=["filters", "sends everything"])
def url(request, root):
    if request.param == "filters":
        server = GitHttp(root)
        yield f"http://127.0.0.1:{server.port}/jobs.git"
        server.close()
        return
    git("config", "uploadpack.allowFilter", "false", cwd=root / "jobs.git")
    yield f"file://{root}/jobs.git"
    git("config", "uploadpack.allowFilter", "true", cwd=root / "jobs.git")


def write(url, into, *files, ref="main", folders=FOLDERS, size=1_000_000):
    return write_chosen(WantedFiles(url, ref, folders, files, size), into, retries=0)


def there(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def test_each_file_is_that_of_the_first_folder_that_has_it(url, tmp_path):
    write(url, tmp_path, "locust/basic.py", "job/config.yaml", "small.bin")
    assert there(tmp_path) == {
        "job/config.yaml": b"of: stage\n",
        "locust/basic.py": b"service",
        "small.bin": FILES["small.bin"],
    }


def test_a_folder_is_written_whole_and_what_only_begins_like_it_is_not(url, commit, tmp_path):
    written = write(url, tmp_path, "helm/", ref=commit)
    expected = {"helm/chart.tgz", "helm/templates/{{ name }}.yaml", "helm/deep/er/file"}
    assert set(written) == expected
    assert there(tmp_path).keys() == expected
    for path in tmp_path.rglob("*"):
        mode = path.lstat().st_mode
        assert mode & stat.S_IROTH
        assert not stat.S_ISLNK(mode)


def test_the_files_are_those_of_the_commit_that_is_named(root, tmp_path):
    work = root / "jobs.git.work"
    first = git("rev-parse", "HEAD", cwd=work)
    repositories.commit(work, {"small.bin": b"later"})
    git("push", "-q", str(root / "jobs.git"), "HEAD:refs/heads/later", cwd=work)
    url = f"file://{root}/jobs.git"
    write(url, tmp_path / "a", "small.bin", ref="later")
    write(url, tmp_path / "b", "small.bin", ref=first)
    assert there(tmp_path / "a") == {"small.bin": b"later"}
    assert there(tmp_path / "b") == {"small.bin": FILES["small.bin"]}


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("../secret", "leads out of the folder"),
        ("helm/../../x", "leads out of the folder"),
        ("/etc/passwd", "is absolute"),
        (".git/config", "leads out of the folder"),
        ("", "leads out of the folder"),
        ("a\nb", "control character"),
        ("secret.txt", "is a symbolic link"),
        ("linked/", "'linked/inner' is a symbolic link"),
        ("out/job/config.yaml", "leads through 'out', which is a symbolic link"),
        ("nowhere.py", "there is no file or folder 'nowhere.py'"),
        ("big.bin", "3,001,000 bytes"),
    ],
)
def test_what_is_not_to_be_written_is_refused_and_nothing_is_written(url, tmp_path, listed, said):
    with pytest.raises(ChosenFileError) as caught:
        write(url, tmp_path, "small.bin", listed)
    assert said in str(caught.value)
    assert there(tmp_path) == {}


def test_nothing_beside_the_listed_files_is_fetched_of_a_host_that_can_filter(root, tmp_path, monkeypatch):
    server = GitHttp(root)
    try:
        monkeypatch.setattr(chosen, "_BESIDE", 200_000)
        write(f"http://127.0.0.1:{server.port}/jobs.git", tmp_path / "a", "small.bin", size=10_000)
        assert there(tmp_path / "a").keys() == {"small.bin"}
        # A large one is given up while it comes, not when it is here.
        with pytest.raises((SourceTooLargeError, ChosenFileError)):
            write(f"http://127.0.0.1:{server.port}/jobs.git", tmp_path / "b", "big.bin", size=10_000)
        assert not (tmp_path / "b").exists()
    finally:
        server.close()


def test_a_host_that_sends_too_much_is_given_up(root, tmp_path, monkeypatch):
    bare = root / "heavy.git"
    repositories.make(bare, {"a": "x"} | {f"{number}.bin": os.urandom(20_000_000) for number in range(4)})
    monkeypatch.setattr(chosen, "_BESIDE", 1_000_000)
    with pytest.raises(SourceTooLargeError, match="more than"):
        write(f"file://{bare}", tmp_path, "a", size=1000)


def test_the_configuration_is_read_from_the_first_folder_that_has_it(url, commit):
    found = read_chosen(WantedFiles(url, "main", FOLDERS, ("job/config.yaml",)), retries=0)
    assert found == (b"of: stage\n", commit, "keptn-stages/dev")
    found = read_chosen(WantedFiles(url, "main", ("keptn-stages/prod", ""), ("job/config.yaml",)), retries=0)
    assert found == (b"of: project\n", commit, "")
    with pytest.raises(ChosenFileError, match="'job' is a folder"):
        read_chosen(WantedFiles(url, "main", FOLDERS, ("job",)), retries=0)


def test_a_commit_that_is_not_there_is_said(url, tmp_path):
    with pytest.raises(SourceUnavailableError):
        write(url, tmp_path, "small.bin", ref="0" * 40)


def test_hooks_filters_and_attributes_of_the_repository_are_not_looked_at(root, tmp_path):
    bare = root / "trap.git"
    traps = {
        ".gitattributes": "* text eol=crlf filter=evil export-ignore\n",
        "plain.txt": "one\ntwo\n",
        "hooks/post-checkout": "#!/bin/sh\ntouch /tmp/ran\n",
    }
    repositories.make(bare, traps)
    write(f"file://{bare}", tmp_path, "plain.txt", "hooks")
    assert there(tmp_path)["plain.txt"] == b"one\ntwo\n"


def test_a_file_in_the_place_of_a_folder_is_refused(root, tmp_path):
    bare = root / "both.git"
    repositories.make(bare, {"stage/a/b": "x", "a": "y"})
    with pytest.raises(ChosenFileError, match="would be a file, and a folder"):
        write(f"file://{bare}", tmp_path, "a/b", "a", folders=("service", "", "stage"))


def test_more_files_than_allowed_are_refused(root, tmp_path, monkeypatch):
    monkeypatch.setattr(chosen, "MOST_FILES", 2)
    with pytest.raises(ChosenFileError, match="more than 2 files"):
        write(f"file://{root}/jobs.git", tmp_path, "helm")


def test_how_a_path_is_spelled_does_not_matter():
    assert judge_listed("./helm/") == judge_listed("helm") == "helm"


def test_only_commits_of_the_branch_are_accepted(root):
    work = root / "jobs.git.work"
    first = git("rev-list", "--max-parents=0", "HEAD", cwd=work)
    git("checkout", "-q", "-b", "proposal", first, cwd=work)
    foreign = repositories.commit(work, {"job/config.yaml": "of: a stranger\n"})
    git("push", "-q", str(root / "jobs.git"), "HEAD:refs/pull/1/head", cwd=work)
    git("checkout", "-q", first, cwd=work)
    later = repositories.commit(work, {"job/config.yaml": "of: the next\n"})
    git("push", "-q", str(root / "jobs.git"), "HEAD:refs/heads/trunk", cwd=work)
    server = GitHttp(root)
    try:
        url = f"http://127.0.0.1:{server.port}/jobs.git"
        check_history(url, "trunk", later, retries=0)
        check_history(url, "trunk", first, retries=0)
        # It is there, and the host gives it out by its hash.
        wanted = WantedFiles(url, foreign, ("",), ("job/config.yaml",))
        assert read_chosen(wanted, retries=0).data == b"of: a stranger\n"
        for commit in (foreign, "0" * 40, later[:12], "trunk"):
            with pytest.raises(ForeignCommitError):
                check_history(url, "trunk", commit, retries=0)
    finally:
        server.close()
