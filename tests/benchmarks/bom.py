"""Merge BOMs to one of 20,000 components: by documents, as the aggregate step does, and through cyclonedx-python-lib.

    python -m tests.benchmarks.bom [--components 1000 5000 20000]

Both read the same CycloneDX reports, merge them and write one valid CycloneDX 1.6 document. The library serialises in
quadratic time, so 20,000 components take it minutes.
"""

import argparse
import io
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6

from orchestrator.findings.interface import Report
from orchestrator.model import LedgerRow, Outcome
from orchestrator.results.bom.split import target_boms
from orchestrator.results.bom.target import TargetBom
from orchestrator.results.bom.validity import validator
from orchestrator.results.bom.whole import BomWriter
from tests.aggregation import make_target

SIZES = (5000, 20_000)
LEAST_RATIO = 20
_PER_TARGET = 1000
# Ours takes a fraction of a second, which a busy machine can double; of the library's minutes one try tells enough.
_TRIES = 3


class Measured(NamedTuple):
    """One size: seconds of the merge by documents, of taking it apart again by target, and of the library."""

    components: int
    merged: float
    split: float
    library: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--components", type=int, nargs="+", default=list(SIZES))
    results = []
    print("| components | by documents s | into a BOM per target s | by the library s | ratio |")
    print("|---:|---:|---:|---:|---:|")
    for count in parser.parse_args().components:
        each = _measure(count)
        results.append(each)
        print(
            f"| {each.components:,} | {each.merged:.2f} | {each.split:.2f} | {each.library:.1f} "
            f"| {each.library / each.merged:.0f}× |",
            flush=True,
        )
    last = results[-1]
    met = last.library / last.merged >= LEAST_RATIO
    print(f"\nAt least {LEAST_RATIO}× faster at {last.components:,} components: {'yes' if met else 'no'}.")
    return 0


def _measure(count: int) -> Measured:
    reports = [
        msgspec.json.encode(_report(begin, min(_PER_TARGET, count - begin))) for begin in range(0, count, _PER_TARGET)
    ]
    validator()  # is made once in a process
    with tempfile.TemporaryDirectory(prefix="bom-") as name:
        folder = Path(name)
        times = []
        for _ in range(_TRIES):
            begin = time.perf_counter()
            data = _by_documents(reports, folder)
            times.append(time.perf_counter() - begin)
        (folder / "bom.cdx.json").write_bytes(data)
        begin = time.perf_counter()
        targets = sum(1 for _ in target_boms(folder / "bom.cdx.json"))
        split = time.perf_counter() - begin
    begin = time.perf_counter()
    text = _by_the_library(reports)
    library = time.perf_counter() - begin
    ours = sum(len(each["components"]) for each in json.loads(data)["components"])
    if (ours, len(json.loads(text)["components"]), targets) != (count, count, len(reports)):
        sys.exit("the two documents do not hold the same components")
    if not validator().is_valid(json.loads(data)):
        sys.exit("the merged document is not valid")
    return Measured(count, min(times), split, library)


def _by_documents(reports: list[bytes], folder: Path) -> bytes:
    out = io.BytesIO()
    with BomWriter("run-1", "0.1.0", out, folder) as writer:
        for number, report in enumerate(reports, 1):
            target = make_target(number)
            row = LedgerRow(
                cell=f"{target.id}/sbom",
                target=target.id,
                scan="sbom",
                references=(target.reference,),
                outcome=Outcome.OK,
                scanner="syft",
            )
            bom = TargetBom(target)
            bom.add(row, Report(scanner="syft", bom=msgspec.json.decode(report)))
            writer.add(bom, [row])
        writer.finish("2025-03-01T10:00:05Z")
    return out.getvalue()


def _by_the_library(reports: list[bytes]) -> str:
    merged = Bom()
    for report in reports:
        bom = Bom.from_json(json.loads(report))  # type: ignore[attr-defined] # made by its decorator
        merged.components.update(bom.components)
        for dependency in bom.dependencies:
            merged.dependencies.add(dependency)
    return JsonV1Dot6(merged).output_as_string()


def _report(begin: int, count: int) -> dict[str, Any]:
    """A BOM as Syft writes it: components with package URL, CPE, licence and hash, each depending on the one before."""
    components = [_component(number) for number in range(begin, begin + count)]
    refs = [each["bom-ref"] for each in components]
    dependencies = [{"ref": ref, "dependsOn": [other]} for ref, other in zip(refs[1:], refs, strict=False)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": components,
        "dependencies": dependencies,
    }


def _component(number: int) -> dict[str, Any]:
    name, version = f"package-{number}", f"1.{number % 50}.{number % 7}"
    return {
        "type": "library",
        "bom-ref": f"pkg:npm/{name}@{version}?package-id={number:016x}",
        "name": name,
        "version": version,
        "purl": f"pkg:npm/{name}@{version}",
        "cpe": f"cpe:2.3:a:{name}:{name}:{version}:*:*:*:*:*:*:*",
        "licenses": [{"license": {"id": "MIT"}}],
        "hashes": [{"alg": "SHA-256", "content": f"{number:064x}"}],
        "properties": [{"name": "syft:location:0:path", "value": f"/app/node_modules/{name}/package.json"}],
    }


if __name__ == "__main__":
    sys.exit(main())
