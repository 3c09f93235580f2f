# ruff: noqa: N818 - the names say what happened (`except NotFound`); that they are errors, their bases say
"""What can go wrong with an image, and what comes out of a registry.

ImageError
├── InvalidReference   (UsageError)      not the name of an image
├── NotFound           (PermanentError)  the registry does not have it
├── Denied             (PermanentError)  the registry wants other credentials
├── Unsupported        (PermanentError)  not a container image we can read: schema 1, encrypted layers
│   └── NotAnImage                       nothing that a container runtime would run: a signature, an SBOM, a chart
├── NoPlatform         (PermanentError)  not for any of the platforms wanted
├── WrongBytes         (PermanentError)  what was served is not what its digest promises, twice
├── OverBudget         (PermanentError)  costs more requests, entries, bytes or seconds than `limits` grant
├── ArchiveError       (PermanentError)  a local archive or a tarball that is truncated, damaged or unsafe
├── Busy               (TemporaryError)  429 or 503, longer than we wait
└── Broken             (TemporaryError)  5xx, resets and time-outs that outlasted the retries
    ├── TooSlow                          answers, but so slowly that it would never end
    ├── Misdirected                      redirects without end, or to where nobody may lead us
    ├── NoAnswer                         the whole request was sent, and no answer came in time
    └── Damaged                          other bytes than their digest promises, once
"""

from typing import NamedTuple

from orchestrator.errors import PermanentError, ScanmatrixError, TemporaryError, UsageError


class ImageError(ScanmatrixError):
    """Base of everything that goes wrong with an image."""


class InvalidReference(ImageError, UsageError):
    """The text is not the name of an image."""


class NotFound(ImageError, PermanentError):
    """The registry does not have what it was asked for."""


class Denied(ImageError, PermanentError):
    """The registry refuses access with the credentials we have, or without any."""


class Untrusted(ImageError, PermanentError):
    """The registry cannot prove that it is the one we meant to speak to."""


class Unverified(Untrusted):
    """Its TLS certificate cannot be verified."""


class NoTls(Untrusted):
    """It does not speak TLS where that is meant."""


class Unsupported(ImageError, PermanentError):
    """What the reference names is there, but is nothing a scan could read."""


class NotAnImage(Unsupported):
    """What the reference names is there, and is nothing that any container runtime would run."""


class NoPlatform(ImageError, PermanentError):
    """The image exists, but not for any of the platforms wanted."""


class WrongBytes(ImageError, PermanentError):
    """The bytes served are not those that their digest promises, and a clean second read gave no others."""


class OverBudget(ImageError, PermanentError):
    """What a registry serves costs more than the configuration grants; trying again would cost the same."""


class ArchiveError(ImageError, PermanentError):
    """A tar file or folder is not a whole, safe image archive."""


class Busy(ImageError, TemporaryError):
    """The registry asks for patience, longer than we wait."""


class Broken(ImageError, TemporaryError):
    """The registry or the way to it fails, more often than we try."""


class TooSlow(Broken):
    """An answer comes in, but more slowly than any connection worth waiting for.

    Two such have cost as much time as several that fail.
    """

    most_retries = 1


class Misdirected(Broken):
    """A redirect leads to where we do not go, or are not let in; twice in a row that is no accident."""

    most_retries = 1


class NoAnswer(Broken):
    """A request with a body was sent whole, and no answer came in time: whether it was taken, nobody knows."""


class Damaged(Broken):
    """Bytes came that are not those their digest promises; twice in a row they are `WrongBytes`."""

    most_retries = 1


class ManifestBytes(NamedTuple):
    """A manifest or index exactly as served.

    Attributes:
        data: the bytes, which `digest` is computed from and so proves.
        media_type: as the registry declares it, without parameters; may be empty.
        digest: `sha256:<hex>`, or of the algorithm it was asked for by.
    """

    data: bytes
    media_type: str
    digest: str
