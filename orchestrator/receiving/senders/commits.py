"""Pushes to source repositories, as git hosts tell them alike."""

from __future__ import annotations

import re

from orchestrator.receiving.messages import Push, PushKind
from orchestrator.receiving.senders.interface import SenderNotice, no_push, unreadable

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NONE = re.compile(r"0{40,64}")
#: Git's own rules (git-check-ref-format), as far as they keep a ref from being anything else.
_REF = re.compile(r"(?!.*(\.\.|@\{|//))[A-Za-z0-9_][A-Za-z0-9_./@+=-]{0,199}")
_URL = re.compile(r"https://[A-Za-z0-9.:\[\]-]{1,255}(/[A-Za-z0-9_.~+-]{1,200}){1,20}")


def commits(url: str, ref: str, commit: str, delivery: str, *, default: str = "") -> SenderNotice:
    """A push of commits to a branch, or of a tag.

    Args:
        url: by which the repository is cloned.
        ref: `refs/heads/…` or `refs/tags/…`.
        commit: that it is at now; zeroes where it was deleted.
        delivery: by which the sender knows it again.
        default: the branch that stands for the repository; empty where that is not told.
    """
    if _NONE.fullmatch(commit):
        return no_ref()
    kind, _, name = ref.removeprefix("refs/").partition("/")
    if kind not in {"heads", "tags"} or not _REF.fullmatch(name):
        return unreadable("the ref", ref)
    if not _COMMIT.fullmatch(commit):
        return unreadable("the commit", commit)
    if not _URL.fullmatch(url):
        return unreadable("the repository's URL", url)
    return SenderNotice(
        push=Push(PushKind.REPOSITORY, url, name, commit, kind == "heads" and name == default), id=delivery
    )


def no_ref() -> SenderNotice:
    """A branch or tag was deleted."""
    return no_push("a branch or tag was deleted")
