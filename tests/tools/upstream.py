"""A registry as a company has one: it wants a password, and what it serves is counted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.tools.exchanges import Exchanges
from tests.tools.faults import Faults
from tests.tools.images import Image, Index
from tests.tools.proxy import Proxy
from tests.tools.servers import PASSWORD, USER, Registry, start_registry


@dataclass(frozen=True, eq=False)
class Upstream:
    """A registry with basic auth as a company's own: anybody who reads it comes through `proxy`, and is counted.

    Attributes:
        registry: the registry itself; pushes go straight to it and are not counted.
        proxy: what clients and caches are to be pointed at.
    """

    registry: Registry
    proxy: Proxy

    @property
    def host(self) -> str:
        """Of the proxy."""
        return self.proxy.host

    @property
    def url(self) -> str:
        """Of the proxy."""
        return self.proxy.url

    @property
    def credentials(self) -> tuple[str, str]:
        """User and password."""
        return USER, PASSWORD

    @property
    def log(self) -> Exchanges:
        """What the upstream was asked, and what it served."""
        return self.proxy.log

    @property
    def faults(self) -> Faults:
        """How it misbehaves."""
        return self.proxy.faults

    def push(self, name: str, image: Image | Index) -> str:
        """Push the image as `repository[:tag]`; return the full reference, through the proxy."""
        return self.registry.push(name, image).replace(self.registry.host, self.host, 1)


@contextmanager
def start_upstream(
    folder: Path, address: str, *, protected: bool = True, notifies: tuple[str, str] | None = None
) -> Iterator[Upstream]:
    """Run one whose proxy answers on an address, where pods reach it.

    Args:
        folder: of the registry.
        address: of the proxy.
        protected: whether it wants a password.
        notifies: as `start_registry` has it.
    """
    with (
        start_registry(folder, "upstream", protected=protected, notifies=notifies) as registry,
        Proxy(registry.url, address=address) as proxy,
    ):
        yield Upstream(registry, proxy)
    assert proxy.errors == []
