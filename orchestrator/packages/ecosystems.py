"""Which texts are package URLs, their types, and what means nothing in names and versions of an ecosystem."""

import re

#: How a package URL begins, as it is spelt here; `is_purl` says whether a text does.
SCHEME = "pkg:"
#: Types of package URL whose namespace is the distribution.
DISTRIBUTIONS = frozenset({"deb", "rpm", "apk", "alpm"})
#: Types of package URL whose packages scanners call by their last name alone. Elsewhere the namespace is a part of it:
#: `core` is not `@babel/core`.
CALLED_BY_LAST = DISTRIBUTIONS | {"maven"}
#: Types of package URL whose versions may begin with an epoch.
WITH_EPOCH = frozenset({"deb", "rpm", "alpm"})
#: Types of package URL in which a `v` before the version says nothing.
WITH_V = frozenset({"cargo", "composer", "gem", "github", "golang", "hex", "npm", "nuget", "pub", "pypi", "swift"})
#: Punctuation that is all the same in names of PyPI (PEP 503).
PUNCTUATION = re.compile(r"[-_.]+")
#: Names of Go's standard library, which no other module can have.
STDLIB = ("stdlib", "std", "go")

_TYPES = {
    "alpine": "apk",
    "arch": "alpm",
    "crates": "cargo",
    "crates.io": "cargo",
    "debian": "deb",
    "dpkg": "deb",
    "githubactions": "github",
    "go": "golang",
    "gomod": "golang",
    "packagist": "composer",
    "rubygems": "gem",
}
_LEADING_V = re.compile(r"(?:go|[vV])(?=\d)")
_INCOMPATIBLE = re.compile(r"(?:\+incompatible)+$")
# What RubyGems puts behind the version of a gem that is built for a platform (Gem::Platform): `x86_64-linux`.
_GEM_PLATFORM = re.compile(
    r"(?:x86|x86_64|x64|i[3-6]86|aarch64|arm64|arm|armv\d\w*|ppc64le|powerpc64le|powerpc|riscv64|s390x|universal|wasm32"
    r"|ruby|java|jruby|dalvik|dotnet|macruby|linux|darwin|freebsd|mswin\d*|mingw\d*)(?:-[\w.]+)*",
    re.IGNORECASE,
)
_QUALIFIERS = re.compile(r"\?[A-Za-z][\w.-]*=[^#]*")
_MAVEN_GROUP = re.compile(r"(?:com|edu|gov|info|io|jakarta|java|javax|net|org|(?!go\.)[a-z]{2})\.[\w.-]+")


def is_purl(text: str) -> bool:
    """Whether a text, or a pattern, is a package URL (or meant as one), and not a name; case means nothing."""
    return text[: len(SCHEME)].lower() == SCHEME


def type_of(kind: str) -> str:
    """A type of package URL, by the name that it has today."""
    return _TYPES.get(kind, kind)


def type_in(purl: str) -> str:
    """The type of a package URL; empty without one."""
    return type_of(purl.partition(":")[2].lstrip("/").partition("/")[0].lower())


def without_qualifiers(pattern: str) -> str:
    """A pattern for package URLs without qualifiers (`?name=value`; any other `?` is a wildcard)."""
    return _QUALIFIERS.sub("", pattern, count=1)


def plain_version(kind: str, version: str) -> str:
    """A version without what means nothing in its ecosystem; of a gem without its platform."""
    if kind in WITH_V:
        version = _LEADING_V.sub("", version, count=1) if version[:1] in "vVg" else version
    if kind == "golang":
        return _INCOMPATIBLE.sub("", version)
    if kind == "gem" and "-" in version:
        number, _, platform = version.partition("-")
        return number if number and _GEM_PLATFORM.fullmatch(platform) else version
    return version


def bare(version: str) -> str:
    """A version without epoch, without a leading `v` or `go`, and without Go's `+incompatible`."""
    version = _INCOMPATIBLE.sub("", version.rpartition(":")[2])
    return version if version[:1].isdigit() else _LEADING_V.sub("", version, count=1)


def grouped(group: str, name: str) -> str:
    """The whole name of a package that a document names in two parts (`group` and `name` of CycloneDX).

    Maven's groups are domains read backwards, and stand before a colon; everything else has a slash (`@babel/core`,
    `github.com/gin-gonic/gin`, `symfony/http-kernel`).
    """
    if not group or not name:
        return name
    if name.startswith((f"{group}/", f"{group}:")):
        return name
    return f"{group}{':' if _MAVEN_GROUP.fullmatch(group) else '/'}{name}"
