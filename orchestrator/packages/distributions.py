"""What scanners and authors call a distribution in package URLs: `amzn` of os-release, `amazon` of Trivy, and so on.

The first name of each family is the one that it is known by here. Two distributions that share packages (`centos`,
`rhel`) are not one: what is true of one's build need not be true of the other's.
"""

import re

_FAMILIES = (
    ("almalinux", "alma"),
    ("amzn", "amazon", "amazonlinux", "amazon-linux"),
    ("arch", "archlinux"),
    ("azurelinux", "azure"),
    ("centos", "centos-linux", "centos-stream"),
    ("mariner", "cbl-mariner"),
    ("minimos", "minimus"),
    ("ol", "oracle", "oraclelinux", "oracle-linux"),
    ("opensuse", "opensuse-leap", "opensuse-tumbleweed", "opensuse-microos", "opensuse.leap", "opensuse.tumbleweed"),
    ("photon", "vmware"),
    ("redhat", "rhel", "red-hat", "redhat-linux"),
    ("rocky", "rocky-linux", "rockylinux"),
    ("suse", "sles", "sled", "sle", "sle-micro", "sl-micro", "slem", "suse-linux-enterprise-server"),
)
_DIVIDERS = re.compile(r"[\s_]+")
_RELEASE = re.compile(r"[-_\s]*v?\d.*", re.DOTALL)
_BY_SPELLING = {spelling: family[0] for family in _FAMILIES for spelling in family}
_BY_NAME = {family[0]: family for family in _FAMILIES}


def distribution(text: str) -> str:
    """The one name of a distribution, in lower case; a name that is not known stands for itself."""
    text = _DIVIDERS.sub("-", text.strip().lower())
    return _BY_SPELLING.get(text) or _BY_SPELLING.get(text.replace(".", "-")) or text


def spellings(text: str) -> tuple[str, ...]:
    """Every known name of a distribution, its one name first."""
    name = distribution(text)
    return _BY_NAME.get(name, (name,))


def of_release(text: str) -> str:
    """The distribution in a qualifier `distro` (`amzn-2`, `opensuse-leap-15.5`); empty for a code name."""
    name = _RELEASE.sub("", text.strip(), count=1)
    return name if name != text.strip() or distribution(name) in _BY_NAME else ""
