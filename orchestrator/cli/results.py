"""`scanmatrix results list`, `show`, `diff`, `who-has`, `export` and `notify`: what came out of runs."""

from datetime import datetime
from typing import Annotated

import typer

from orchestrator.cli import completion
from orchestrator.cli.commands import Commands
from orchestrator.cli.options import ConfigFile, OnlyOwner, OnlyTarget, OutputOption, Server, Volume, severity_of
from orchestrator.cli.output import OutputFormat
from orchestrator.cli.settings import settings_of

app = Commands(
    name="results",
    help="Show, compare, search and export the results of runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

MaybeRun = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN", help="Id of a run; without it, the latest.", show_default=False, autocompletion=completion.runs
    ),
]


def _moment(text: str) -> datetime:
    from orchestrator.errors import UsageError

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(
            f"--since: {text!r} is neither a date nor a time; write 2026-11-01 or 2026-11-01T08:00Z"
        ) from error
    return moment if moment.tzinfo else moment.astimezone()


def _one_run(run: str | None, of: str | None) -> str | None:
    from orchestrator.errors import UsageError

    if run is not None and of is not None and run != of:
        raise UsageError(f"name one run, not both {run} and --run {of}")
    return run if run is not None else of


@app.command("list")
def list_(
    config: ConfigFile = None,
    volume: Volume = None,
    server: Server = None,
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="Show at most this many.")] = 20,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List finished runs with their cells, findings and verdict.

    Example: scanmatrix results list
    """
    from orchestrator.cli.answering import answering
    from orchestrator.cli.output import complain, print_data
    from orchestrator.cli.result_tables import print_runs

    with answering(server, config, volume) as answers:
        found = answers.list_results(most=most)
    if output is OutputFormat.TABLE:
        print_runs(found)
    else:
        from orchestrator.results.overview import RunsList

        print_data(RunsList(tuple(found)), output)
    if not found:
        complain(f"scanmatrix: no run has finished on {answers.place}")


@app.command()
def show(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="The same as --run.", show_default=False, autocompletion=completion.runs),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="ID",
            help="Only the findings of this run.",
            show_default=False,
            autocompletion=completion.runs,
        ),
    ] = None,
    config: ConfigFile = None,
    volume: Volume = None,
    server: Server = None,
    target: OnlyTarget = "",
    owner: OnlyOwner = "",
    scan: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Only findings of this scan.", show_default=False, autocompletion=completion.scans
        ),
    ] = "",
    id_: Annotated[
        str, typer.Option("--id", metavar="GLOB", help="Only findings whose id or alias matches.", show_default=False)
    ] = "",
    package: Annotated[
        str, typer.Option(metavar="GLOB", help="Only packages whose name matches.", show_default=False)
    ] = "",
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND", help="Only this kind (vulnerability, secret, …); may be repeated.", show_default=False
        ),
    ] = None,
    severity: Annotated[
        str | None, typer.Option(metavar="SEVERITY", help="This severity or above.", show_default=False)
    ] = None,
    fixable: Annotated[bool, typer.Option("--fixable", help="Only findings with a fixed version.")] = False,
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="Include suppressed findings, with the reason.")
    ] = False,
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="Show at most this many rows in the table.")] = 50,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show what every target has now, or the findings of one run.

    Without a run these are the latest results of every target, whichever runs made them. The worst come first.

    Example: scanmatrix results show --severity high --fixable
    """
    from orchestrator.cli import UNKNOWN
    from orchestrator.cli.answering import answering
    from orchestrator.cli.result_tables import print_findings, print_merged, print_suspects
    from orchestrator.cli.tables import print_text
    from orchestrator.queries.choice import Choice

    run = _one_run(run, of)
    wanted = Choice(
        target=target, owner=owner, scan=scan, id=id_, package=package,
        kinds=tuple(each.strip().lower() for each in kind or ()),
        severity=severity_of("--severity", severity), fixable=fixable, suppressed=suppressed,
    )  # fmt: skip
    with answering(server, config, volume) as answers:
        found, coverage, ledger = answers.findings(wanted, run)
    if output is OutputFormat.TABLE:
        title = "Findings now, by the latest results of every target" if run is None else f"Findings of {run}"
        print_merged(found, title, most=most, suppressed=suppressed)
        if ledger is not None:
            print_suspects(ledger)
        print_text(f"{len(found)} {'finding' if len(found) == 1 else 'findings'}; {coverage}")
    else:
        print_findings(found, coverage, output)
    if not coverage.covered:
        raise typer.Exit(UNKNOWN)


@app.command()
def diff(
    run: MaybeRun = None,
    config: ConfigFile = None,
    volume: Volume = None,
    server: Server = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Compare the state now with the state at this time.", show_default=False),
    ] = None,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="OLDER NEWER",
            help="Compare two names of images, such as two tags.",
            show_default=False,
            autocompletion=completion.scanned,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Include findings that did not change.")] = False,
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="Show at most this many rows in the table.")] = 50,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Compare two states: new, fixed, remaining, no longer scanned.

    Compares a run with the run before it, the state now with an earlier time, or two tags of an image.

    Example: scanmatrix results diff --between registry.example/app:1.2 registry.example/app:1.3
    """
    from orchestrator.cli import UNKNOWN
    from orchestrator.cli.answering import answering
    from orchestrator.cli.result_tables import print_compared, print_differences
    from orchestrator.cli.tables import print_text
    from orchestrator.errors import UsageError

    if sum(each is not None for each in (run, since, between)) > 1:
        raise UsageError("give only one of RUN, --since and --between")
    moment = _moment(since) if since is not None else None
    with answering(server, config, volume) as answers:
        found = answers.list_differences(run, since=moment, between=between)
        coverage = answers.compared(run, since=moment, between=between)
    if output is OutputFormat.TABLE:
        print_differences(found, every=every, most=most)
        print_text(f"the newer side {coverage}")
    else:
        print_compared(found, coverage, output)
    if not coverage.covered:
        raise typer.Exit(UNKNOWN)


@app.command("who-has")
def who_has(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="A CVE, GHSA or any other id, or a glob.", show_default=False)
    ] = "",
    package: Annotated[
        str, typer.Option(metavar="GLOB", help="Only packages whose name or package URL matches.", show_default=False)
    ] = "",
    config: ConfigFile = None,
    volume: Volume = None,
    server: Server = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show which targets have a vulnerability, or a vulnerable package.

    Example: scanmatrix results who-has CVE-2021-44228
    """
    from orchestrator.cli import UNKNOWN
    from orchestrator.cli.answering import answering
    from orchestrator.cli.result_tables import print_findings, print_merged
    from orchestrator.cli.tables import print_text

    with answering(server, config, volume) as answers:
        found, coverage = answers.holders_now(id_, package=package)
    has = len({row.target for row in found})
    sentence = f"{has} of {coverage.targets} targets {'has' if has == 1 else 'have'} it; the answer {coverage}"
    if output is OutputFormat.TABLE:
        print_merged(
            found,
            f"Targets with {' and '.join(filter(None, (id_.strip(), package.strip())))}",
            most=len(found) or 1,
            suppressed=True,
        )
        print_text(sentence)
    else:
        print_findings(found, coverage, output)
    if not has and not coverage.covered:
        raise typer.Exit(UNKNOWN)


@app.command()
def export(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPORT",
            help="Name of the export; without it, all exports are listed.",
            autocompletion=completion.exports,
            show_default=False,
        ),
    ] = None,
    run: MaybeRun = None,
    config: ConfigFile = None,
    volume: Volume = None,
    to: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="File to write, for exports that write a file; - for standard output, if it is text.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Write results to a file or send them to another system.

    Example: scanmatrix results export html --to report.html
    """
    from orchestrator.api import delivering
    from orchestrator.api.results import compared
    from orchestrator.cli.output import complain, print_file, say
    from orchestrator.cli.result_tables import print_exports

    if name is None:
        print_exports()
        return
    settings = settings_of(config, volume)
    if to == "-":
        with delivering.exported_text(settings, run, name) as file:
            print_file(file)
    else:
        say(delivering.export(settings, run, name, to=to))
    coverage = compared(settings, run)
    if coverage.unknown:
        complain(f"the export {coverage}")


@app.command()
def notify(
    run: MaybeRun = None, config: ConfigFile = None, volume: Volume = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Notify the configured recipients about what changed.

    Nobody is notified twice about the same thing.

    Example: scanmatrix results notify
    """
    from orchestrator.api import delivering
    from orchestrator.cli import BROKEN
    from orchestrator.cli.output import print_data
    from orchestrator.cli.result_tables import print_deliveries

    found = delivering.notify(settings_of(config, volume), run)
    if output is OutputFormat.TABLE:
        print_deliveries(found)
    else:
        from orchestrator.notifications.interface import DeliveriesList

        print_data(DeliveriesList(found), output)
    if any(one.state != "sent" for one in found):
        raise typer.Exit(BROKEN)
