"""What a target is called in bills of materials and VEX documents: its name, and its package URL."""

from packageurl import PackageURL

from orchestrator.git.url import project
from orchestrator.model import Target


def identity(target: Target) -> tuple[str, str]:
    """Name and package URL of a target; a local archive, and an image without a digest, have no package URL.

    https://github.com/package-url/purl-spec, type `oci`: the name is the last part of the repository, the version the
    digest; registry and repository are the qualifier `repository_url`.
    """
    reference = target.reference
    if target.is_repository:
        return _repository_identity(target)
    if target.is_archive or reference.startswith(("/", ".")):
        return reference, ""
    repository, _, tag = reference.partition("@")[0].rpartition(":")
    if not repository or "/" in tag:
        repository, tag = reference.partition("@")[0], ""
    if not target.digest:
        return repository, ""
    qualifiers = {"arch": target.platform.architecture, "repository_url": repository.lower(), "tag": tag}
    name = repository.rpartition("/")[2].lower()
    return repository, PackageURL("oci", "", name, target.digest, qualifiers).to_string()


def _repository_identity(target: Target) -> tuple[str, str]:
    """Those of a repository: types `github` and `gitlab` for those that have one, `generic` with its URL for others."""
    found = project(target.pull)
    host, _, path = found.partition("/")
    namespace, _, name = path.rpartition("/")
    if not target.commit or not name:
        return target.reference, ""
    kind = {"github.com": "github", "gitlab.com": "gitlab"}.get(host)
    if kind:
        return target.reference, PackageURL(kind, namespace, name, target.commit).to_string()
    url = {"vcs_url": f"git+{target.pull}@{target.commit}"}
    return target.reference, PackageURL("generic", "", name, target.commit, url).to_string()
