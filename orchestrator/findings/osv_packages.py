"""Package URLs of packages that are named by ecosystem (https://ossf.github.io/osv-schema/#defined-ecosystems)."""

from functools import lru_cache

from orchestrator.kit.remembering import SPELLINGS
from orchestrator.packages.identity import canonical

#: Type of the package URL and its fixed namespace, by the ecosystem's name without its release.
_TYPES = {
    "Alpaquita": ("apk", "alpaquita"),
    "Alpine": ("apk", "alpine"),
    "Chainguard": ("apk", "chainguard"),
    "Wolfi": ("apk", "wolfi"),
    "MinimOS": ("apk", "minimos"),
    "Debian": ("deb", "debian"),
    "Ubuntu": ("deb", "ubuntu"),
    "AlmaLinux": ("rpm", "almalinux"),
    "Azure Linux": ("rpm", "azurelinux"),
    "Mageia": ("rpm", "mageia"),
    "openEuler": ("rpm", "openeuler"),
    "openSUSE": ("rpm", "opensuse"),
    "Photon OS": ("rpm", "vmware"),
    "Red Hat": ("rpm", "redhat"),
    "Rocky Linux": ("rpm", "rocky-linux"),
    "SUSE": ("rpm", "suse"),
    "Bitnami": ("bitnami", ""),
    "CRAN": ("cran", ""),
    "ConanCenter": ("conan", ""),
    "Go": ("golang", ""),
    "GitHub Actions": ("github", ""),
    "Hackage": ("hackage", ""),
    "Hex": ("hex", ""),
    "Julia": ("julia", ""),
    "Maven": ("maven", ""),
    "NuGet": ("nuget", ""),
    "Packagist": ("composer", ""),
    "Pub": ("pub", ""),
    "PyPI": ("pypi", ""),
    "RubyGems": ("gem", ""),
    "SwiftURL": ("swift", ""),
    "crates.io": ("cargo", ""),
    "npm": ("npm", ""),
}
# Where a name holds its namespace, and what stands between the two.
_DIVIDERS = {"maven": ":", "golang": "/", "npm": "/", "composer": "/", "swift": "/", "github": "/"}
# `Debian:12`: the distribution that a package URL of these types says in a qualifier.
_DISTRIBUTIONS = frozenset({"apk", "deb", "rpm"})


@lru_cache(maxsize=SPELLINGS)
def is_same(ecosystem: str, name: str, other: str) -> bool:
    """Whether two names of an ecosystem are one package: databases write `Pillow`, and scanners `pillow`."""
    keys = {canonical(package_url(ecosystem, each, ""), each, "").key for each in (name, other)}
    return name == other or len(keys) == 1


@lru_cache(maxsize=SPELLINGS)
def package_url(ecosystem: str, name: str, version: str) -> str:
    """The package URL of a package.

    Args:
        ecosystem: with or without its release: `PyPI`, `Debian:12`.
        name: as the ecosystem spells it: `org.apache:x`, `@scope/x`, `github.com/a/b`.
        version: empty where there is none.

    Returns:
        Empty for an ecosystem that is not known, and for what makes no valid package URL.
    """
    family, _, release = ecosystem.partition(":")
    known = _TYPES.get(family)
    if known is None or not name:
        return ""
    from packageurl import PackageURL  # noqa: PLC0415 - heavy, and rarely needed

    kind, namespace = known
    divider = _DIVIDERS.get(kind)
    if divider and divider in name:
        namespace, _, name = name.rpartition(divider)
    qualifiers = {"distro": f"{namespace}-{release}"} if kind in _DISTRIBUTIONS and release else None
    try:
        return PackageURL(kind, namespace, name, version or None, qualifiers).to_string()
    except ValueError:
        return ""
