"""Where the cluster keeps everything, and the addresses it uses."""

import os
from dataclasses import dataclass
from pathlib import Path

#: Of the node: an address of our own on the loopback link, so that nothing listens on the machine's network.
NODE_IP = "10.243.0.1"
API_SERVER = f"https://{NODE_IP}:6443"
ETCD = "http://127.0.0.1:12379"
ETCD_PEER = "http://127.0.0.1:12380"
PODS = "10.244.0.0/16"
SERVICES = "10.96.0.0/16"
DNS = "10.96.0.10"
NODE = "node1"


@dataclass(frozen=True)
class State:
    """The folder of a cluster.

    Attributes:
        folder: absolute; short, because a Unix socket's path may have 107 characters.
    """

    folder: Path

    def __post_init__(self) -> None:
        for part in ("log", "run", "pki", "etc", "cni", "bin"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)

    @property
    def kubeconfig(self) -> Path:
        """For users of the cluster, with all rights."""
        return self.folder / "kubeconfig"

    @property
    def socket(self) -> Path:
        """Of containerd."""
        return self.folder / "containerd" / "containerd.sock"

    @property
    def environment(self) -> Path:
        """A file to source: `KUBECONFIG` and `PATH`."""
        return self.folder / "environment"

    @property
    def volumes(self) -> Path:
        """For hostPath volumes of tests."""
        return self.folder / "volumes"

    @property
    def registries(self) -> Path:
        """How containerd reaches registries; read again for each pull."""
        return self.folder / "registries"

    def log(self, name: str) -> Path:
        """What a process wrote."""
        return self.folder / "log" / f"{name}.log"


def default_folder() -> Path:
    """`SCANMATRIX_CLUSTER`, or a folder in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("SCANMATRIX_CLUSTER") or Path(base) / "scanmatrix" / "cluster")
