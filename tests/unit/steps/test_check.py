from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.errors import UsageError
from orchestrator.findings import scanmatrix
from orchestrator.model import Finding, Severity
from orchestrator.net.errors import ArchiveError
from orchestrator.steps.check import check
from tests.tools.images import File, Image, layer
from tests.unit.tarballs import write_tarball

NOW = datetime(2025, 6, 1, tzinfo=UTC)
SHELL = File(b"\x7fELF", mode=0o755)


@pytest.fixture
def findings(tmp_path: Path):
    """What a check says of an image."""

    def run(name: str, image: Image, **parameters: str) -> tuple[Finding, ...]:
        tarball, report = write_tarball(tmp_path / "image.tar", image), tmp_path / "report.json"
        count = check(name, tarball, report, parameters=parameters, now=NOW)
        found = scanmatrix.parse(report.read_bytes())
        assert found.scanner == name
        assert len(found.findings) == count
        return found.findings

    return run


def image(*layers: dict, created: str = "2025-05-01T00:00:00Z", user: str = "", **settings: object) -> Image:
    return Image.build([layer(files) for files in layers] or [layer({"a": ""})], created=created, user=user,
                       settings=settings)  # fmt: skip


@pytest.mark.parametrize(
    ("days", "found"), [(0, []), (29.9, []), (30, []), (31, ["image-lifetime"]), (4000, ["image-lifetime"])]
)
def test_lifetime_compares_the_build_time_with_the_allowed_age(findings, days, found):
    created = (NOW - timedelta(days=days)).isoformat()
    assert [one.id for one in findings("image-lifetime", image(created=created), maxAge="30d")] == found


def test_lifetime_tells_the_age_in_days(findings):
    (found,) = findings("image-lifetime", image(created="2025-01-01T00:00:00.123456789Z"), maxAge="30d")
    assert "150 days" in found.title
    assert found.severity is Severity.MEDIUM


@pytest.mark.parametrize(
    "created",
    ["1970-01-01T00:00:00Z", "1980-01-01T00:00:01Z", "0001-01-01T00:00:00Z", "", "yesterday", "2025-06-03T00:00:00Z"],
)
def test_lifetime_of_an_image_without_a_real_build_time_is_unknown_and_not_old(findings, created):
    (found,) = findings("image-lifetime", image(created=created), maxAge="30d")
    assert found.id == "image-lifetime-unknown"
    assert found.severity is Severity.UNKNOWN


@pytest.mark.parametrize("parameters", [{}, {"maxAge": "30"}, {"maxAge": "soon"}])
def test_lifetime_without_a_proper_age_is_wrong_use(findings, parameters):
    with pytest.raises(UsageError, match="maxAge"):
        findings("image-lifetime", image(), **parameters)


PASSWD = {"etc/passwd": "root:x:0:0::/:\napp:x:1000:1000::/:\ntoor:x:0:0::/:\napp:x:0:0::/:\nbroken\n"}


@pytest.mark.parametrize(
    ("user", "found"),
    [
        ("", ["root-user"]),
        ("root", ["root-user"]),
        ("0", ["root-user"]),
        ("000", ["root-user"]),
        ("0:1000", ["root-user"]),
        ("root:root", ["root-user"]),
        ("toor", ["root-user"]),
        ("app", []),
        ("app:staff", []),
        ("1000", []),
        ("1000:0", []),
        ("nobody-knows", ["root-user-unknown"]),
    ],
)
def test_root_user_goes_by_the_user_id(findings, user, found):
    assert [one.id for one in findings("root-user", image(PASSWD, user=user))] == found


def test_root_user_takes_the_topmost_passwd(findings):
    upper = {"etc/passwd": "app:x:0:0::/:\n"}
    assert [one.id for one in findings("root-user", image(PASSWD, upper, user="app"))] == ["root-user"]


def test_root_user_without_a_passwd_is_unknown(findings):
    assert [one.id for one in findings("root-user", image(user="app"))] == ["root-user-unknown"]


def places(found: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(one.id, one.location) for one in found}


def test_distroless_finds_shells_and_package_managers(findings):
    files = {"bin/bash": SHELL, "usr/bin/apt-get": SHELL, "sbin/apk": SHELL, "usr/bin/python3": SHELL, "opt/sh": SHELL}
    assert places(findings("distroless", image(files))) == {
        ("shell", "/bin/bash"),
        ("package-manager", "/usr/bin/apt-get"),
        ("package-manager", "/sbin/apk"),
    }


def test_distroless_counts_links_to_busybox_but_not_dangling_ones(findings):
    files = {"bin/busybox": SHELL, "bin/sh": File(link="/bin/busybox"), "bin/ash": File(link="/gone")}
    assert places(findings("distroless", image(files))) == {("shell", "/bin/busybox"), ("shell", "/bin/sh")}


def test_distroless_looks_into_every_path_where_there_are_several(findings):
    files = {"one/sh": SHELL, "two/bash": SHELL}
    found = findings("distroless", image(files, Env=["PATH=/one", "PATH=/two"]))
    assert places(found) == {("shell", "/one/sh"), ("shell", "/two/bash")}


def test_distroless_looks_into_the_images_own_path(findings):
    found = findings("distroless", image({"busybox/sh": SHELL}, Env=["X=1", "PATH=/usr/bin:/busybox"]))
    assert places(found) == {("shell", "/busybox/sh")}


def test_distroless_counts_a_merged_usr_once(findings):
    files = {"usr/bin/sh": SHELL, "bin": File(link="usr/bin")}
    assert places(findings("distroless", image(files))) == {("shell", "/usr/bin/sh")}


def test_distroless_does_not_count_what_cannot_run_or_is_deleted(findings):
    base = {"bin/sh": File(b"x", mode=0o644), "bin/bash": SHELL, "bin/zsh/readme": ""}
    assert findings("distroless", image(base, {"bin/.wh.bash": ""})) == ()


def test_distroless_of_an_image_without_layers_finds_nothing(findings):
    assert findings("distroless", Image.build([])) == ()


def test_an_unknown_check_is_wrong_use(findings):
    with pytest.raises(UsageError, match="root-user"):
        findings("root-users", image())


def test_a_file_that_is_no_tarball_is_refused_and_no_report_written(tmp_path):
    (tmp_path / "image.tar").write_bytes(b"not a tar")
    with pytest.raises(ArchiveError):
        check("root-user", tmp_path / "image.tar", tmp_path / "report.json")
    assert not (tmp_path / "report.json").exists()
