"""Names of images: what Docker accepts, what it refuses, and what it makes of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.images.reference import InvalidReference, Reference, parse

SHA256 = "sha256:" + "0a" * 32
SHA512 = "sha512:" + "0a" * 64


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("ubuntu", "docker.io/library/ubuntu:latest"),
        ("ubuntu:20.04", "docker.io/library/ubuntu:20.04"),
        ("docker.io/ubuntu", "docker.io/library/ubuntu:latest"),
        ("index.docker.io/ubuntu", "docker.io/library/ubuntu:latest"),
        ("docker.io/library/ubuntu:20.04", "docker.io/library/ubuntu:20.04"),
        ("bitnami/redis", "docker.io/bitnami/redis:latest"),
        ("a/b/c", "docker.io/a/b/c:latest"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
        ("ghcr.io/org/app:v1", "ghcr.io/org/app:v1"),
        ("registry:5000/app:1", "registry:5000/app:1"),
        ("registry/app", "docker.io/registry/app:latest"),
        ("Registry/app", "Registry/app:latest"),
        ("[::1]:5000/app", "[::1]:5000/app:latest"),
        ("127.0.0.1:5000/team/app", "127.0.0.1:5000/team/app:latest"),
        (f"ubuntu@{SHA256}", f"docker.io/library/ubuntu@{SHA256}"),
        (f"ubuntu:20.04@{SHA256}", f"docker.io/library/ubuntu:20.04@{SHA256}"),
        (f"ghcr.io/a/b@{SHA512}", f"ghcr.io/a/b@{SHA512}"),
        ("a__b/c---d/e.f_g", "docker.io/a__b/c---d/e.f_g:latest"),
        ("app:_x.Y-z", "docker.io/library/app:_x.Y-z"),
    ],
)
def test_normalised_as_docker_does(text: str, normalised: str) -> None:
    assert str(parse(text)) == normalised


def test_only_a_name_without_digest_gets_the_default_tag() -> None:
    assert parse("app").tag == "latest"
    assert parse(f"app@{SHA256}").tag == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ubuntu",
        "ubuntu ",
        "ubuntu\n",
        "Ubuntu",
        "org/App",
        "ghcr.io/Org/app",
        "a//b",
        "/a",
        "a/",
        "ghcr.io/",
        "app:",
        "app:-x",
        "app:" + "x" * 129,
        "a___b",
        "a..b",
        "-a/b",
        "a/-b",
        "app@sha256:" + "0" * 63,
        "app@sha256:" + "0A" * 32,
        "app@sha512:" + "0" * 64,
        "app@md5:" + "0" * 32,
        "app@" + SHA256 + "@" + SHA256,
        "app@",
        "a:b:c",
        "https://ghcr.io/a/b",
        "ghcr_io.x/app",
        "host:port/app",
        "../etc/passwd",
        "0a" * 32,
        "sha256:" + "0a" * 32,
        "x/" * 127 + "xyz",
        "käse",
    ],
)
def test_refused_as_docker_does(text: str) -> None:
    with pytest.raises(InvalidReference) as error:
        parse(text)
    assert isinstance(error.value, UsageError)


def test_the_length_limit_is_of_the_repository_with_library() -> None:
    assert len(parse("a" * 247).repository) == 255
    with pytest.raises(InvalidReference):
        parse("a" * 248)


def test_a_huge_text_makes_no_huge_message() -> None:
    with pytest.raises(InvalidReference) as error:
        parse("A" * 10_000_000)
    assert len(str(error.value)) < 1000


_PART = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
_REGISTRY = st.one_of(
    st.just("docker.io"),
    st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,4})?\.(io|example)(:[0-9]{1,5})?", fullmatch=True),
    st.from_regex(r"localhost(:[0-9]{1,5})?", fullmatch=True),
)
_DIGEST = st.one_of(
    st.just(""),
    st.from_regex(r"sha256:[a-f0-9]{64}", fullmatch=True),
    st.from_regex(r"sha512:[a-f0-9]{128}", fullmatch=True),
)
_TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)


@given(_REGISTRY, st.lists(_PART, min_size=2, max_size=4), st.one_of(st.just(""), _TAG), _DIGEST)
def test_what_is_written_is_read_back(registry: str, parts: list[str], tag: str, digest: str) -> None:
    reference = Reference(
        registry=registry, repository="/".join(parts), tag=tag or ("" if digest else "latest"), digest=digest
    )
    assert parse(str(reference)) == reference


@given(st.text(alphabet="aA0./:@-_[]é \n", max_size=30))
def test_whatever_is_accepted_is_stable(text: str) -> None:
    try:
        reference = parse(text)
    except InvalidReference:
        return
    assert parse(str(reference)) == reference


@pytest.mark.parametrize("text", ["docker://nginx:1", "https://hub.docker.com/_/nginx", "http://registry:5000/app"])
def test_a_url_is_said_to_be_one(text: str) -> None:
    with pytest.raises(InvalidReference, match="is a URL"):
        parse(text)
