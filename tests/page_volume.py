"""A volume that looks as one of a company does, for tests and pictures of the page: many targets, runs and BOMs.

python -m tests.page_volume            # refreshes docs/images/page.png and page-packages.png
"""

import random
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from orchestrator.findings.interface import Report
from orchestrator.model import Finding, LedgerRow, Name, Outcome, Severity, Target
from orchestrator.results.bom.target import TargetBom
from orchestrator.results.bom.whole import BomWriter
from orchestrator.volume.layout import Volume, atomic_file
from tests.live_server import listening
from tests.served import QUICK, configured
from tests.stored_runs import LOG4J, write_run
from tests.tools.browser import start_chromium

OWNERS = ("shop", "bank", "search", "data")
REPOSITORIES = (
    "web", "api", "checkout", "cart", "ledger", "fraud", "auth", "index", "crawler", "suggest", "warehouse", "stream",
)  # fmt: skip
SCANS = ("grype", "osv", "sbom", "secrets", "virus")
LIBRARIES = ("log4j-core", "openssl", "zlib", "curl", "jackson-databind", "spring-core", "netty", "libxml2", "glibc")
_SEVERITIES = (Severity.CRITICAL, *[Severity.HIGH] * 4, *[Severity.MEDIUM] * 7, *[Severity.LOW] * 6)


def dependency_bom(target: str, components: Sequence[tuple[str, str]], needs: dict[str, list[str]]) -> Report:
    """A scanner's BOM: packages by name and version, and what each needs, by name."""
    listed = [
        {
            "type": "library",
            "bom-ref": name,
            "name": name,
            "version": version,
            "purl": f"pkg:generic/{name}@{version}" if name.isascii() and name.replace("-", "").isalnum() else "",
            "licenses": [{"license": {"id": "Apache-2.0"}}],
        }
        for name, version in components
    ]
    for each in listed:
        if not each["purl"]:
            del each["purl"]
    wanted = [{"ref": name, "dependsOn": others} for name, others in needs.items()]
    return Report(scanner="syft", bom={"components": listed, "dependencies": wanted, "metadata": {"name": target}})


def write_boms(volume: Volume, run: str, reports: dict[str, Sequence[Report]], names: dict[str, list[Name]]) -> None:
    """The merged BOM of a run, as the aggregate step writes it."""
    folder = volume.results(run)
    with atomic_file(folder / "bom.cdx.json") as file, BomWriter(run, "1.0.0", file, folder) as writer:
        for target, some in reports.items():
            bom = TargetBom(Target(id=target, names=tuple(names[target]), digest=f"sha256:{target}"))
            rows = []
            for number, report in enumerate(some):
                scan = ("sbom", "grype")[number]
                row = LedgerRow(
                    cell=f"{target}/{scan}", target=target, scan=scan, references=(names[target][0].reference,),
                    outcome=Outcome.OK, scanner=report.scanner,
                )  # fmt: skip
                bom.add(row, report)
                rows.append(row)
            writer.add(bom, rows)
        writer.finish("2025-03-01T10:00:05Z")


def company(folder: Path, now: datetime) -> Volume:
    """Forty-eight targets of four owners, scanned every few days; the last run has BOMs."""
    rest = random.Random(17)
    volume = Volume(folder / "volume")
    names = {
        f"t{number:02d}": [Name(f"registry.example/{owner}/{repository}:{1 + number // 12}.{number % 5}", owner)]
        for number in range(48)
        for owner, repository in [(OWNERS[number % 4], REPOSITORIES[number % 12])]
    }
    has: dict[str, list[Finding]] = {
        target: [_some(rest) for _ in range(rest.choice((0, 2, 5, 9, 20)))] for target in names
    }
    has["t00"] = [LOG4J, *has["t00"], *(_some(rest) for _ in range(6))]
    for number, days in enumerate((21, 17, 12, 8, 4, 1), 1):
        cells: dict[str, Sequence[Finding] | str] = {}
        for target, found in has.items():
            if rest.random() < 0.3:
                found.append(_some(rest))
            if found and rest.random() < 0.35:
                found.pop(rest.randrange(len(found)))
            for scan in SCANS:
                cells[f"{target}/{scan}"] = _cell(rest, target, scan, found, number)
        write_run(volume, f"2025{number:02d}-nightly", now - timedelta(days=days), cells, names=names)
    components = [(name, f"{1 + place}.{place}.0") for place, name in enumerate(LIBRARIES)] + [
        (f"lib-{number}", f"0.{number}") for number in range(60)
    ]
    needs = {
        "spring-core": ["jackson-databind", "log4j-core", "netty"],
        "netty": ["openssl", "zlib"],
        "curl": ["openssl", "zlib", "lib-1"],
        "lib-1": ["lib-2", "lib-3"],
        "lib-2": ["lib-1"],
    }
    findings = Report(scanner="grype", findings=tuple(has["t00"]))
    write_boms(volume, "202506-nightly", {"t00": [dependency_bom("t00", components, needs), findings]}, names)
    return volume


def _some(rest: random.Random) -> Finding:
    name = rest.choice(LIBRARIES)
    fixed = rest.choice(("", "9.1.2"))
    return Finding(
        id=f"CVE-2025-{rest.randrange(1000, 9999)}", kind="vulnerability", severity=rest.choice(_SEVERITIES),
        package=name, version=f"{1 + LIBRARIES.index(name)}.{LIBRARIES.index(name)}.0", fixed_version=fixed,
        title=f"{name}: a crafted message is read beyond its end",
    )  # fmt: skip


def _cell(rest: random.Random, target: str, scan: str, found: list[Finding], run: int) -> Sequence[Finding] | str:
    if target == "t07":
        return "pull: registry.example: access denied (401); there is no login for it"
    if scan == "virus" and rest.random() < 0.08 and run > 4:
        return "timed out after 600 s: raise the scan's timeout"
    if scan == "secrets" and int(target[1:]) % 9 == 4:
        return "skipped: excluded by its owner"
    return found if scan in {"grype", "osv"} else []


def main() -> None:
    """Take the pictures of the documentation."""
    images = Path(__file__).parents[1] / "docs" / "images"
    with tempfile.TemporaryDirectory() as folder:
        volume = company(Path(folder), datetime.now(UTC))
        with listening(configured(volume), settings=QUICK) as service, start_chromium() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 760})
            for name, path in (("page", "/"), ("page-packages", "/targets/t00/packages")):
                page.goto(f"http://127.0.0.1:{service.port}{path}")
                page.wait_for_timeout(1000)
                for branch in page.locator("summary").all()[:2]:
                    branch.click()
                page.wait_for_timeout(500)
                page.screenshot(path=images / f"{name}.png")


if __name__ == "__main__":
    sys.exit(main())
