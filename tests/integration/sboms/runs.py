"""Runs, and what they left."""

from pathlib import Path

from orchestrator.api.plan import make_plan, read_findings
from orchestrator.api.run import run
from orchestrator.config.loading import Config
from orchestrator.model import Ledger, LedgerRow, Plan
from orchestrator.model.documents import read

#: What is compared of a finding: everything but which run it was.
OWN = ["target", "scan", "kind", "id", "package", "version", "purl", "location", "severity", "fixed_version", "aliases"]


def files_of(root: Path) -> dict[str, bytes]:
    """What lies below a folder, as a mirror serves it."""
    return {f"/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}


def rows(ledger: Ledger, scan: str = "dependency") -> dict[str, LedgerRow]:
    """The rows of a scan by the last part of their target's name."""
    return {row.references[0].rpartition("/")[2]: row for row in ledger.rows if row.scan == scan}


def ids_of(config: Config) -> set[str]:
    """What the newest run found."""
    return set(read_findings(config, newest_run(config))["id"])


def rows_of(config: Config) -> list[LedgerRow]:
    """The rows of the newest run."""
    return list(read(config.volume.path / "results" / newest_run(config) / "ledger.json", Ledger).rows)


def newest_run(config: Config) -> str:
    """The newest run."""
    results = (config.volume.path / "results").iterdir()
    return max(results, key=lambda path: (path / "ledger.json").stat().st_mtime).name


def scanned(config: Config) -> tuple[Plan, Ledger]:
    plan = make_plan(config)
    return plan, run(plan, config)


def found(config: Config, ledger: Ledger) -> set[tuple[object, ...]]:
    """What a run found, whatever run it was; it lies on the configuration's volume."""
    frame = read_findings(config, ledger.run)
    columns = [name for name in OWN if name in frame.columns]
    return {tuple(map(str, row)) for row in frame[columns].itertuples(index=False)}


def documents(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "pv" / "sboms").glob("*/*.json"))
