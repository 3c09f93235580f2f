"""The list of images that may run at all (`allow`), the short form of a policy."""

from orchestrator.config.allow import Allow
from orchestrator.model import Scan
from tests.unit.admission.samples import refused

DIGEST = "sha256:" + "a" * 64


def scan(image: str, *, builtin: bool = False) -> Scan:
    return Scan(name="s", image=image, command=("s",), format="grype", builtin=builtin)


def test_no_allowlist_allows_everything() -> None:
    assert not refused(scan("evil/thing:1"), None)


def test_a_digest_is_allowed_wherever_it_comes_from() -> None:
    assert not refused(scan(f"mirror.example/grype@{DIGEST}"), Allow(digests=(DIGEST,)))
    assert refused(scan("mirror.example/grype:1"), Allow(digests=(DIGEST,)))


def test_a_tag_beside_a_digest_proves_nothing() -> None:
    allow = Allow(images=("anchore/grype:v1",))
    assert not refused(scan("anchore/grype:v1"), allow)
    assert refused(scan(f"anchore/grype:v1@{DIGEST}"), allow)
    assert not refused(scan(f"anchore/grype:v1@{DIGEST}"), Allow(images=("anchore/grype",)))


def test_an_image_that_cannot_be_read_is_not_allowed() -> None:
    assert refused(scan("Not An Image"), Allow(images=("*",)))


def test_built_in_scans_are_always_allowed() -> None:
    assert not refused(scan("localhost/scanmatrix:1", builtin=True), Allow(images=("anchore/*",)))
