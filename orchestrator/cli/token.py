"""`scanmatrix token`: a bearer token for the service."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import ConfigFile
from orchestrator.cli.settings import settings_of


class TokenRole(StrEnum):
    """What a token allows."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what uses it; it is in the service's logs.")],
    role: Annotated[
        TokenRole, typer.Option(help="read, submit (also starts, retries and cancels runs) or admin (also deletes).")
    ] = TokenRole.READ,
    owner: Annotated[
        list[str] | None,
        typer.Option(metavar="OWNER", help="Only targets of this owner are seen; may be repeated.", show_default=False),
    ] = None,
    expires: Annotated[
        str, typer.Option(metavar="DURATION", help="How long it holds, such as 90d. Default: without an end.")
    ] = "",
    file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The file of tokens, instead of auth.tokens.", show_default=False),
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Make a token for the service, and print it once.

    Only a keyed hash of it is kept in the file of tokens, which is made if it does not exist. A running service reads
    the file again by itself. To take a token back, remove its entry from the file.

    Example: scanmatrix token ci --role submit --expires 90d
    """
    from orchestrator.cli.output import complain, say
    from orchestrator.config.kinds import duration
    from orchestrator.errors import UsageError
    from orchestrator.kit.extras import needing

    if file is None:
        settings = settings_of(config)
        if settings.auth.tokens is None:
            raise UsageError("which file? Set auth.tokens in the configuration, or use --file")
        file = settings.base / settings.auth.tokens
    try:
        seconds = duration(expires) if expires else None
    except ValueError as error:
        raise UsageError(f"--expires: {error}") from error
    with needing("serve", "scanmatrix token"):
        from orchestrator.service.auth.token_file import add_token
    made = add_token(file, name, role.value, owners=tuple(owner) if owner else None, seconds=seconds)
    complain(f"scanmatrix: added to {file}; this is the only time that the token is shown")
    say(made)
