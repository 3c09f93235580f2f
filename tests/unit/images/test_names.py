"""What people may write for a target, and which one it is then."""

import pytest

from orchestrator.errors import UsageError
from orchestrator.images.names import NameBook, names_of_target

WEB = "registry.example/shop/web:1.0"
NGINX = "docker.io/library/nginx:1.27"
DIGEST = f"sha256:{'a' * 64}"
KNOWN = [
    WEB, NGINX, "docker.io/bitnami/nginx:1.27", "localhost:5000/shop/api:latest", "localhost:5000/shop/api:2",
    "other.example/shop/web:2.0", "a.example/twice:1", "b.example/twice:1", "mirror.example/ghcr.io/x:1",
    f"registry.example/pinned@{DIGEST}", "/home/me/images/web.tar", "https://github.com/org/shop#main",
    "dir:/home/Me/sources",
]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (WEB, WEB),
        ("shop/web:1.0", WEB),
        (" shop/web:1.0\n", WEB),
        ("nginx:1.27", NGINX),
        ("library/nginx:1.27", NGINX),
        ("docker.io/nginx:1.27", NGINX),
        ("index.docker.io/library/nginx:1.27", NGINX),
        ("nginx", NGINX),
        ("bitnami/nginx", "docker.io/bitnami/nginx:1.27"),
        ("shop/api", "localhost:5000/shop/api:latest"),
        ("shop/api:2", "localhost:5000/shop/api:2"),
        (f"pinned@{DIGEST}", f"registry.example/pinned@{DIGEST}"),
        ("web.tar", "/home/me/images/web.tar"),
        ("dir:/home/Me/sources", "dir:/home/Me/sources"),
        ("sources", "dir:/home/Me/sources"),
        ("home/me/sources", ""),
        ("https://github.com/org/shop", "https://github.com/org/shop#main"),
        ("github.com/org/shop#main", "https://github.com/org/shop#main"),
        ("org/shop", "https://github.com/org/shop#main"),
        ("mirror.example/ghcr.io/x:1", "mirror.example/ghcr.io/x:1"),
        ("ghcr.io/x:1", ""),
        ("web:1.0", ""),
        ("shop/web:3.0", ""),
        ("", ""),
    ],
)
def test_a_name_means_one_target_or_none(written, meant):
    assert NameBook(KNOWN).find(written) == meant


@pytest.mark.parametrize("written", ["twice:1", "twice", "shop/web"])
def test_a_name_of_several_is_refused_with_all_of_them(written):
    with pytest.raises(UsageError, match=r"may be \S+example/\S+, \S+example/\S+: write the one you mean in full"):
        NameBook(KNOWN).find(written)


def test_a_tag_that_is_not_written_is_latest_where_docker_reads_it():
    book = NameBook(KNOWN)
    assert book.find("shop/api", whole=True) == "localhost:5000/shop/api:latest"
    assert book.find("nginx", whole=True) == ""
    assert book.find("shop/web", whole=True) == ""


@pytest.mark.parametrize(("written", "meant"), [("shop/wbe:1.0", "shop/web:1.0"), ("*twce*", "twice"), ("zzzz", "")])
def test_a_misspelt_name_is_guessed(written, meant):
    assert NameBook([WEB, "a.example/twice:1"]).suggest(written) == (f", did you mean {meant!r}?" if meant else "")


def test_rules_in_files_need_the_registry_and_people_do_not():
    assert "shop/web:1.0" not in names_of_target([WEB], DIGEST)
    assert {"shop/web", "shop/web:1.0", f"shop/web@{DIGEST}"} <= set(names_of_target([WEB], DIGEST, short=True))
    assert {"nginx", "nginx:1.27", "library/nginx"} <= set(names_of_target([NGINX]))
