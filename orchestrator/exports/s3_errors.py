"""What S3's refusals and failures mean, in our errors. The codes: Amazon S3 API Reference, "Error responses"."""

from __future__ import annotations

from orchestrator.errors import PermanentError, TemporaryError, UsageError
from orchestrator.exports.interface import ExportRefusedError, ExportUnavailableError

_WORDS_LIMIT = 300
_ACCESS = frozenset(
    {
        "AccessDenied",
        "AccountProblem",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
        "403",
    }
)
_REGION = frozenset({"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "301"})
# Something on the way changed the bytes, or the server is busy: another try may do.
_AGAIN = frozenset(
    {
        "BadDigest",
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "XAmzContentChecksumMismatch",
        "XAmzContentSHA256Mismatch",
    }
)
_SERVER_ERROR, _TOO_MANY = 500, 429


def explain(error: Exception, where: str) -> PermanentError | TemporaryError:
    """Ours for one of boto3's.

    Args:
        error: what it raised.
        where: the bucket and its server, for people.
    """
    from botocore import exceptions as theirs  # noqa: PLC0415 - heavy

    match error:
        case theirs.ClientError():
            ours: PermanentError | TemporaryError = _answered(error, where)
        case theirs.ProfileNotFound() | theirs.PartialCredentialsError() | theirs.NoCredentialsError():
            text = f"no credentials for {where}: {error}; set exports.s3.profile, or AWS_… in the environment"
            ours = UsageError(text)
        case theirs.NoRegionError():
            ours = UsageError(f"{where}: no region; set exports.s3.region")
        case theirs.SSLError():
            text = f"{where}: its TLS certificate cannot be verified; name its authority's file in exports.s3.caBundle"
            ours = ExportRefusedError(text)
        case theirs.ParamValidationError() | ValueError():
            ours = ExportRefusedError(f"{where}: {_line(str(error))}; correct exports.s3")
        case theirs.ReadTimeoutError() | theirs.ConnectTimeoutError():
            ours = ExportUnavailableError(f"{where}: no answer in time; is it up and reachable?")
        case FileNotFoundError() | PermissionError():
            ours = ExportRefusedError(f"{error.filename}: {(error.strerror or 'cannot be read').lower()}")
        case _:
            text = f"{where}: cannot be reached, or the connection broke; is it up and reachable?"
            ours = ExportUnavailableError(text)
    return ours


def _answered(error: object, where: str) -> PermanentError | TemporaryError:
    """For an answer of the server's."""
    response = error.response  # type: ignore[attr-defined] # botocore has no types
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    said = f" ({code or status}) {_line(str(response.get('Error', {}).get('Message', '')))}".rstrip()
    if code == "NoSuchBucket":
        return ExportRefusedError(f"{where}: there is no such bucket; make it, or correct exports.s3.bucket")
    if code in _AGAIN or status >= _SERVER_ERROR or status == _TOO_MANY:
        return ExportUnavailableError(f"{where}: cannot take it now{said}; try later")
    if code in _ACCESS:
        return ExportRefusedError(f"{where}: access denied{said}; check the credentials, and that they may put objects")
    if code in _REGION:
        return ExportRefusedError(f"{where}: another region or endpoint is wanted{said}; set exports.s3.region")
    return ExportRefusedError(f"{where}: refused{said}")


def _line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_WORDS_LIMIT]
