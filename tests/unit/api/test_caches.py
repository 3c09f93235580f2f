"""What a name means to `scanmatrix cache drop`."""

import pytest

from orchestrator.api.caches import _by_cache, _wanted
from orchestrator.config.loading import default_config
from orchestrator.errors import UsageError


def dropped(what: str, *upstreams: str) -> dict[str, tuple[str, ...]]:
    config = default_config(environment={}, cache=[{"upstream": each} for each in upstreams])
    return {cache.upstream: wanted.repositories for cache, wanted in _by_cache(config, [what]).items()}


@pytest.mark.parametrize(
    ("written", "upstreams", "found"),
    [
        ("shop/web:1.0", ["registry.example", "ghcr.io"], {"registry.example": "shop/web", "ghcr.io": "shop/web"}),
        ("shop/web:1.0", ["docker.io", "ghcr.io"], {"docker.io": "shop/web"}),
        ("web", ["registry.example"], {"registry.example": "web"}),
        ("library/web", ["registry.example"], {"registry.example": "library/web"}),
        ("nginx", ["docker.io"], {"docker.io": "library/nginx"}),
        ("ghcr.io/shop/web", ["docker.io", "ghcr.io"], {"ghcr.io": "shop/web"}),
    ],
)
def test_a_name_without_registry_is_of_the_caches_that_there_are(written, upstreams, found):
    assert dropped(written, *upstreams) == {upstream: (name,) for upstream, name in found.items()}


def test_a_registry_without_a_cache_is_refused():
    with pytest.raises(UsageError, match=r"quay.io/a: this configuration installs no cache of quay\.io"):
        dropped("quay.io/a", "docker.io")


def test_a_cache_on_this_machine_has_the_name_of_its_upstream_where_none_is_configured():
    assert _wanted(["shop/web:1.0"], ()).repositories == ("shop/web",)
    assert _wanted(["nginx"], ()).repositories == ("library/nginx",)
