"""`scanmatrix lock` and `scanmatrix distrust`: which scanners run, and which are not believed."""

from typing import Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.options import ConfigFile, OutputOption
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of


def lock(
    config: ConfigFile = None,
    update: Annotated[
        list[str] | None,
        typer.Option(
            "--update",
            "-u",
            metavar="SCAN",
            help="Only this scan; may be repeated.",
            show_default=False,
            autocompletion=completion.scans,
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with status 2 if the file is out of date.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Contact no registry: locked images stay, new ones need a digest.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Pin every scanner image to a digest in scanmatrix.lock.

    The file is written next to the configuration. Runs, manifests and schedules then use these digests, even if a tag
    is moved later. An image whose template names signers must be signed by one of them.

    Example: scanmatrix lock --check
    """
    from orchestrator.api import trust
    from orchestrator.api.printed import LockedList
    from orchestrator.cli.output import print_data
    from orchestrator.cli.tables import Fit, TableColumn, print_table

    found = trust.lock(settings_of(config), only=update or (), offline=offline, check=check)
    if output is not OutputFormat.TABLE:
        print_data(LockedList(found), output)
        return
    rows = [[one.scan, one.what, one.image, one.now or one.before, one.signer] for one in found]
    columns = [
        TableColumn("Scan"),
        TableColumn("Change"),
        TableColumn("Image", Fit.MIDDLE),
        TableColumn("Digest", Fit.MIDDLE),
        TableColumn("Signer", Fit.MIDDLE),
    ]
    print_table("", columns, rows)


def distrust(
    scan: Annotated[
        str | None,
        typer.Argument(
            metavar="SCAN",
            help="Name of a scan, or a glob; without it, all entries are listed.",
            autocompletion=completion.scans,
        ),
    ] = None,
    config: ConfigFile = None,
    image: Annotated[
        str | None, typer.Option(metavar="REPOSITORY", help="Only with this image.", show_default=False)
    ] = None,
    digest: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Only with the image of this digest.", show_default=False)
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Only in this version; may be a glob.", show_default=False)
    ] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="First day or moment.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Last day or moment.", show_default=False)
    ] = None,
    reason: Annotated[str | None, typer.Option(metavar="TEXT", help="Why (required).", show_default=False)] = None,
    lift: Annotated[bool, typer.Option("--lift", help="Trust it again.")] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Stop running a scanner and mark its results as suspect.

    The entry is written to scanmatrix.distrusted.yaml next to the configuration.

    Example: scanmatrix distrust general --from 2026-03-19 --to 2026-03-24 --reason CVE-2026-33634
    """
    import msgspec

    from orchestrator.api import trust
    from orchestrator.api.printed import DistrustedList, DistrustedScanner
    from orchestrator.cli.output import print_data, say
    from orchestrator.cli.tables import Fit, TableColumn, print_table
    from orchestrator.config.scanners import DistrustSection
    from orchestrator.config.validation import validate
    from orchestrator.errors import UsageError
    from orchestrator.kit.sources import Source, SourceError

    settings = settings_of(config)
    given = {
        "scan": scan, "image": image, "digest": digest, "version": version, "from": since, "to": until, "reason": reason
    }  # fmt: skip
    data = {key: value for key, value in given.items() if value is not None}
    if not data:
        entries = [one.model_dump(by_alias=True, exclude_none=True) for one in trust.distrusted(settings)]
        if output is OutputFormat.TABLE:
            columns = [TableColumn(key.capitalize(), Fit.FOLD if key == "reason" else Fit.MIDDLE) for key in given]
            print_table("", columns, [[e.get(key, "") for key in given] for e in entries])
        else:
            print_data(DistrustedList(tuple(msgspec.convert(each, DistrustedScanner) for each in entries)), output)
        return
    if lift:
        if scan is None:
            raise UsageError("--lift: name the scan")
        say(f"{trust.trust(settings, scan)} entries about {scan} removed")
        return
    section, problems = validate(
        DistrustSection, Source("distrust", data, variables={(key,): f"--{key}" for key in data})
    )
    if section is None:
        raise SourceError(problems)
    from orchestrator.kit.advice import ours

    new = trust.distrust(settings, section)
    say(f"written; update a cluster with what {ours('install')} prints" if new else "this entry exists already")
