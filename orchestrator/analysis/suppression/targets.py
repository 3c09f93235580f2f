"""The targets of VEX statements and ignore rules, held against ours: both sides become keys that are equal or not.

Of an image (package URLs of the types `oci` and `docker`, or plain references) the digest decides where there is one;
else repository and tag do. Of a repository its address does, and its commit or ref where one is given.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from orchestrator.analysis.suppression.packages import ANY, GENERIC
from orchestrator.git.url import project
from orchestrator.images.names import split_reference
from orchestrator.kit.digests import DIGEST_PREFIXES
from orchestrator.kit.remembering import SPELLINGS
from orchestrator.model.image import FOLDER
from orchestrator.packages.ecosystems import is_purl
from orchestrator.packages.purls import read_purl
from orchestrator.packages.qualifiers import architecture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from packageurl import PackageURL

_HOSTS = {"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}


class TargetKey(NamedTuple):
    """A target as a statement names it.

    Attributes:
        keys: of which one is enough.
        architecture: it must run on; empty for any.
        os: likewise.
    """

    keys: tuple[str, ...]
    architecture: str = ""
    os: str = ""


def is_target(text: str) -> bool:
    """Whether a product can be a target of ours, rather than a package in one."""
    purl = read_purl(text)
    if purl is None:
        return not is_purl(text)
    return purl.type in {"oci", "docker"} or purl.type in _HOSTS or "vcs_url" in dict(purl.qualifiers or {})


def is_cpe(text: str) -> bool:
    """Whether a product is named by its CPE, of version 2.2 or 2.3."""
    return text.lower().startswith("cpe:")


def unmatchable(text: str) -> str:
    """Why a product can be matched with nothing, for people; empty where it may be.

    No scanner's findings carry CPEs, and the name in one is another than the package's often enough
    (`apache:log4j` is `log4j-core`) that to match by it would suppress too much or nothing.
    """
    if is_cpe(text):
        return f"a product is named by its CPE, by which nothing can be found; give its package URL, too: {text}"
    if is_purl(text) and not text.startswith(GENERIC) and read_purl(text) is None:
        return f"not a package URL: {text}"
    return ""


@lru_cache(maxsize=SPELLINGS)
def target_of(text: str) -> TargetKey:
    """A statement's target; empty for every target."""
    if not text:
        return TargetKey((ANY,))
    if text.startswith(DIGEST_PREFIXES):
        return TargetKey((f"digest:{text}",))
    purl = read_purl(text)
    if purl is not None:
        return _target_of_purl(purl, text)
    literal = f"text:{text.casefold()}"
    if "://" in text:
        return TargetKey((literal, f"git:{project(text)}".casefold()))
    repository, tag, digest = split_reference(text)
    return TargetKey((f"digest:{digest}",) if digest else (literal, _image_key(repository, tag)))


def _target_of_purl(purl: PackageURL, text: str) -> TargetKey:
    qualifiers = dict(purl.qualifiers or {})
    version = purl.version or ""
    if purl.subpath:  # a part of an image or repository, and no target as a whole
        return TargetKey((f"text:{text.casefold()}",))
    if purl.type in _HOSTS:
        return TargetKey((_git_key(f"{_HOSTS[purl.type]}/{purl.namespace}/{purl.name}", version),))
    if vcs := qualifiers.get("vcs_url"):
        url, _, commit = vcs.removeprefix("git+").rpartition("@")
        if not url or "/" in commit:  # an @ before the host, or none
            url, commit = vcs.removeprefix("git+"), ""
        return TargetKey((_git_key(project(url), commit or version),))
    if purl.type not in {"oci", "docker"}:
        return TargetKey((f"text:{text.casefold()}",))
    # Docker Scout writes `platform=linux/arm64`.
    system, _, runs_on = qualifiers.get("platform", "").partition("/")
    runs_on, system = qualifiers.get("arch", runs_on).partition("/")[0], qualifiers.get("os", system)
    runs_on = architecture(runs_on)
    if version.startswith(DIGEST_PREFIXES):
        return TargetKey((f"digest:{version}",), runs_on, system)
    if purl.type == "oci" and version:  # the specification wants a digest there; what else stands there is a tag
        qualifiers["tag"] = version
    return TargetKey((_image_of_purl(purl, qualifiers),), runs_on, system)


def _image_of_purl(purl: PackageURL, qualifiers: dict[str, str]) -> str:
    """The key of an image that is named by repository, and by tag where there is one."""
    url = qualifiers.get("repository_url", "")
    url = (url.partition("://")[2] or url).rstrip("/")
    if purl.type == "docker":
        name = f"{purl.namespace}/{purl.name}" if purl.namespace else purl.name
        return _image_key(split_reference(f"{url}/{name}" if url else name)[0], purl.version or "")
    tag = qualifiers.get("tag", "")
    if not url:
        return f"last:{purl.name}:{tag}" if tag else f"last:{purl.name}"
    # The qualifier names the repository, but not every author writes its last part there, too.
    repository = url if url.rpartition("/")[2].casefold() == purl.name.casefold() else f"{url}/{purl.name}"
    return _image_key(split_reference(repository)[0], tag)


def _git_key(project_: str, version: str) -> str:
    return f"git:{project_}@{version}".casefold() if version else f"git:{project_}".casefold()


def _image_key(repository: str, tag: str) -> str:
    return f"image:{repository}:{tag}" if tag else f"image:{repository}"


def keys_of_target(references: Sequence[str], digest: str, indexes: Sequence[str] = ()) -> frozenset[str]:
    """Every key that a statement may have for this target, its architecture apart."""
    keys = {ANY, *(f"digest:{each}" for each in (digest, *indexes) if each)}
    for reference in references:
        keys.add(f"text:{reference.casefold()}")
        if reference.startswith(FOLDER):
            continue  # of no image, whatever the folder is called
        if "://" in reference:
            url, _, ref = reference.partition("#")
            keys |= {f"text:{url.casefold()}", _git_key(project(url), "")}
            keys |= {_git_key(project(url), version) for version in (ref, digest.removeprefix("git:")) if version}
            continue
        repository, tag, pinned = split_reference(reference)
        last = repository.rpartition("/")[2]
        keys |= {_image_key(repository, ""), f"last:{last}"}
        keys |= {f"digest:{pinned}"} if pinned else set()
        keys |= {_image_key(repository, tag), f"last:{last}:{tag}"} if tag else set()
    return frozenset(keys)


def tags_of_target(references: Sequence[str]) -> dict[str, frozenset[str]]:
    """The tags, or refs, that a target has under each key that says nothing of them."""
    found: dict[str, set[str]] = {}
    for reference in references:
        if reference.startswith(FOLDER):
            continue
        if "://" in reference:
            url, _, tag = reference.partition("#")
            keys = [_git_key(project(url), "")]
        else:
            repository, tag, _ = split_reference(reference)
            keys = [_image_key(repository, ""), f"last:{repository.rpartition('/')[2]}"]
        for key in keys if tag else ():
            found.setdefault(key, set()).add(tag)
    return {key: frozenset(tags) for key, tags in found.items()}


def bom_link(ref: str) -> tuple[str, str] | None:
    """Serial number and fragment of a CycloneDX BOM-Link (`urn:cdx:serial/version#ref`); None for anything else."""
    if not ref.startswith("urn:cdx:"):
        return None
    document, _, fragment = ref.removeprefix("urn:cdx:").partition("#")
    return document.partition("/")[0].casefold(), unquote(fragment)
