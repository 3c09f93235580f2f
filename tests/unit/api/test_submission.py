"""What callers from elsewhere may name: nothing on the machine of the service."""

import pytest

from orchestrator.api.submission import remote_name
from orchestrator.config.named import named_source
from orchestrator.config.targets import REGISTRY
from orchestrator.errors import UsageError


@pytest.mark.parametrize(
    "name", ["alpine:3.20", "docker:24", "podman:latest", "docker-archive:x.tar", "oci:x", "dir:x"]
)
def test_an_image_is_one_of_its_registry(name):
    source = named_source(remote_name(name))
    assert source.image is not None
    assert source.archive is None
    assert source.look_in == (REGISTRY,)


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "dir:/etc", "-", "file:///etc", "../x.tar", "", "http://x/y", "a" * 513]
)
def test_what_is_on_this_machine_is_refused(name):
    with pytest.raises(UsageError):
        remote_name(name)
