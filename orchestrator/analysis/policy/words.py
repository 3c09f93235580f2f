"""What a verdict says, in words."""

from collections.abc import Iterable, Mapping, Sequence

from orchestrator.kit.quantities import spell_duration
from orchestrator.model import LedgerRow, PolicyRule, Severity, Verdict, Violation
from orchestrator.model.image import unusual
from orchestrator.model.policy import Offender

#: Most rows that are named of one broken rule in a sentence, and most that `told` shows.
SHOWN = 5
_WIDTH = 200
_NAMES = 3


def name(row: LedgerRow) -> str:
    """A cell for people: its target's first reference, its platform where another than the usual, and its scan."""
    return f"{name_target(row)} × {row.scan}"


def name_target(row: LedgerRow) -> str:
    """A target for people: its names, at most three, and its platform where another than the usual."""
    platform = f" ({shown})" if (shown := unusual(row.platform)) else ""
    names = row.references or (row.target,)
    more = f" (+{len(names) - _NAMES})" if len(names) > _NAMES else ""
    return f"{', '.join(names[:_NAMES])}{more}{platform}"


def named(rows: Iterable[str], cells: Iterable[LedgerRow]) -> list[str]:
    """Rows of a `Broken` for people: the names of a target in place of its id.

    Args:
        rows: `<target> <key>`, or ids of cells.
        cells: the ledger's rows; an id that is not among them stays.
    """
    labels: dict[str, str] = {}
    whole: dict[str, str] = {}
    for cell in cells:
        labels.setdefault(cell.target, name_target(cell))
        whole[cell.cell] = name(cell)
    found = []
    for row in rows:
        target, space, rest = row.partition(" ")
        found.append(whole.get(row) or f"{labels.get(target, target)}{space}{rest}")
    return found


def offenders(rule: Violation, most: int, cells: Iterable[LedgerRow]) -> list[str]:
    """The first rows of a broken rule for people: image, finding, package and fix; or the cells.

    Args:
        rule: as a verdict has it.
        most: of them.
        cells: the ledger's rows.
    """
    if len(rule.findings) != len(rule.rows):  # of cells, or of an earlier version
        return named(rule.rows[:most], cells)
    shown = rule.findings[:most]
    wanted, labels = {one.target for one in shown}, dict[str, str]()
    for cell in cells:
        if cell.target in wanted and cell.target not in labels:
            labels[cell.target] = name_target(cell)
    return [_offender(one, labels.get(one.target, one.target)) for one in shown]


def _offender(one: Offender, target: str) -> str:
    package = f" in {' '.join(filter(None, (one.package, one.version)))}" if one.package else ""
    fix = f", fixed in {one.fixed_version}" if one.fixed_version else ", no fix known" if one.version else ""
    times = f" ({one.things} of it)" if one.things > 1 else ""
    return f"{target}: {one.severity} {one.id}{package}{fix}{times}"


def unjudged(severities: Mapping[Severity, int]) -> str:
    """That no rule looks at severities, and what is there; suppressed findings left out."""
    found = ", ".join(f"{severities[each]} {each}" for each in reversed(Severity) if severities.get(each))
    told = f", although there are findings: {found}" if found else ""
    return f"no severity rule is set{told}; set policy.severity, or a rule with a severity"


def some(texts: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(texts[:SHOWN]) + more


def percent(value: float) -> str:
    """Rounded down to two places, so that a broken rule never reads as one that was met."""
    return f"{int(value * 100) / 100:g} %"


def number(count: int, singular: str) -> str:
    """A number of something."""
    return f"{count} {singular}{'' if count == 1 else 's'}"


def spell_rule(rule: PolicyRule, count: int) -> str:
    """What a rule counts, after the number: `findings are high or worse, fixable, older than 30d`."""
    parts = [
        rule.severity and f"{rule.severity} or worse",
        rule.fixable and "fixable",
        rule.kev and "known to be exploited",
        rule.epss and f"at {rule.epss:g} or more of EPSS",
        rule.older_than and f"older than {spell_duration(rule.older_than)}",
        rule.kinds and f"of kind {_any(rule.kinds)}",
        rule.scans and f"found by {_any(rule.scans)}",
        rule.owners and f"of {_any(rule.owners)}",
        rule.ecosystems and f"in {_any(rule.ecosystems)} packages",
    ]
    given = ", ".join(part for part in parts if part)
    things = "finding is" if count == 1 else "findings are"
    return f"{things} {given or 'there'}"


def _any(words: Iterable[str]) -> str:
    return " or ".join(words)


def verdict_lines(verdict: Verdict, rows: int = SHOWN, *, cells: Sequence[LedgerRow] = ()) -> list[str]:
    """A verdict's broken rules for a terminal or a log: a line for each, and below it, indented, the first rows.

    Args:
        verdict: of a run.
        rows: most rows of each rule.
        cells: the ledger's rows, by which targets are named.
    """
    lines: list[str] = []
    shown = {rule.message: rule for rule in verdict.rules}
    for message in verdict.broken:
        lines.append(message)
        rule = shown.get(message)
        if rule is not None:
            first = offenders(rule, rows, cells)
            if all(row in message for row in first):
                continue  # the sentence names them, and how many more there are
            lines += [f"  {clip(row)}" for row in first]
            if more := (rule.total or rule.count) - len(rule.rows[:rows]):
                lines.append(f"  … and {more} more")
    return lines


def clip(row: str) -> str:
    """A row of bounded length; keys hold what scanners wrote."""
    return row if len(row) <= _WIDTH else row[: _WIDTH - 1] + "…"
