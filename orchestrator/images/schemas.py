"""The JSON structures of images, field by field as the readers written in Go have them.

Sources: OCI image-spec 1.1 (`specs-go/v1`), Docker's schema 2 (`distribution/manifest`), Docker's image config
(moby `image.Image`, `container.Config`) and the manifest.json of `docker save` (moby `image/tarexport`).

Fields that nothing here reads stand here, too: a key that Go takes for one of them whatever its case must be that very
key (`orchestrator.kit.foreign_json`). Those of OCI have Go's types, since no reader takes others; those that only
Docker reads are of any type. Defaults are Go's zero values.
"""

from typing import Any

import msgspec


class PlatformFields(msgspec.Struct, frozen=True):
    """The platform that an index's entry declares."""

    architecture: str = ""
    os: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: tuple[str, ...] | None = msgspec.field(default=None, name="os.features")
    variant: str = ""
    features: Any = None


class DescriptorFields(msgspec.Struct, frozen=True, rename="camel"):
    """A descriptor as it stands in a manifest, an index, or an OCI layout's index.json.

    Attributes:
        digest: of the content; readers refuse a descriptor without one.
        data: the content itself, where it is embedded.
    """

    digest: str
    size: int
    media_type: str = ""
    urls: tuple[str, ...] | None = None
    annotations: dict[str, str] | None = None
    data: bytes | None = None
    platform: PlatformFields | None = None
    artifact_type: str = ""


class ProcessFields(msgspec.Struct, frozen=True, rename="pascal"):
    """`config` of an image's config: what a container is started with."""

    user: str = ""
    exposed_ports: dict[str, Any] | None = None
    env: tuple[str, ...] | None = None
    entrypoint: Any = None  # Docker also takes a string for a list of one
    cmd: Any = None
    volumes: dict[str, Any] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    args_escaped: bool = False
    hostname: Any = None
    domainname: Any = None
    attach_stdin: Any = None
    attach_stdout: Any = None
    attach_stderr: Any = None
    tty: Any = None
    open_stdin: Any = None
    stdin_once: Any = None
    healthcheck: "HealthcheckFields | None" = None
    image: Any = None
    network_disabled: Any = None
    mac_address: Any = None
    on_build: Any = None
    stop_timeout: Any = None
    shell: Any = None
    memory: Any = None
    memory_swap: Any = None
    cpu_shares: Any = None
    cpuset: Any = None
    port_specs: Any = None
    volume_driver: Any = None


class HealthcheckFields(msgspec.Struct, frozen=True, rename="pascal"):
    """Docker's `Healthcheck`."""

    test: Any = None
    interval: Any = None
    timeout: Any = None
    start_period: Any = None
    start_interval: Any = None
    retries: Any = None


class RootFsFields(msgspec.Struct, frozen=True):
    """`rootfs` of an image's config.

    Attributes:
        diff_ids: digests of the layers as they are when decompressed, the base first.
    """

    type: str = ""
    diff_ids: tuple[str, ...] | None = None
    base_layer: Any = None


class HistoryFields(msgspec.Struct, frozen=True):
    """One step of `history` in an image's config."""

    created: str | None = None
    created_by: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class ConfigFields(msgspec.Struct, frozen=True):
    """An image's config.

    Attributes:
        created: RFC 3339; Go refuses any other, but of it nothing here depends.
    """

    created: str | None = None
    author: str = ""
    architecture: str = ""
    os: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: tuple[str, ...] | None = msgspec.field(default=None, name="os.features")
    variant: str = ""
    config: ProcessFields | None = None
    rootfs: RootFsFields | None = None
    history: tuple[HistoryFields, ...] | None = None
    id: Any = None
    parent: Any = None
    comment: Any = None
    container: Any = None
    container_config: ProcessFields | None = None
    docker_version: Any = None
    size: Any = msgspec.field(default=None, name="Size")


class LayoutFields(msgspec.Struct, frozen=True, rename="camel"):
    """The file `oci-layout`."""

    image_layout_version: str = ""


class SavedFields(msgspec.Struct, frozen=True, rename="pascal"):
    """One image of a `docker save` archive's manifest.json."""

    config: str
    layers: tuple[str, ...] = ()
    repo_tags: tuple[str, ...] | None = None
    parent: Any = None
    layer_sources: Any = None
