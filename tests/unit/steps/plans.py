"""Plans of a few cells, for tests of steps."""

from orchestrator.argo.binding import scan_digests
from orchestrator.model import Cell, Database, Decision, Limits, Name, Plan, Scan, Target

SCANS = (
    Scan(name="root-user", image="localhost/scanmatrix:1", command=("scanmatrix-step",), format="scanmatrix",
         builtin=True),
    Scan(name="virus", image="clamav:1", command=("clamscan",), format="clamav",
         database=Database(refresh=("freshclam", "--datadir={database}"))),
)  # fmt: skip


def target(name: str, **fields: object) -> Target:
    digest = f"sha256:{name.encode().hex():0>64}"
    return Target(**{  # type: ignore[arg-type]
        "id": name,
        "names": (Name(reference=f"docker.io/library/{name}:1"),),
        "digest": digest,
        "pull": f"http://127.0.0.1:9/{name}",
    } | fields)  # fmt: skip


def plan(*waves: tuple[str, ...], targets: tuple[Target, ...] = (), cells: tuple[Cell, ...] = ()) -> Plan:
    """Every target of the waves × every scan, unless other targets or cells are given."""
    targets = targets or tuple(target(name) for wave in waves for name in wave)
    return Plan(
        run="run-1",
        created="2025-06-01T00:00:00Z",
        version="0",
        scans=SCANS,
        targets=targets,
        cells=cells or tuple(Cell(target=one.id, scan=scan.name) for one in targets for scan in SCANS),
        waves=waves,
        limits=Limits(retries=0),
    )


def scans_of(made: Plan) -> list[str]:
    """What the WorkflowTemplate of a plan's configuration tells its plan step about its scans."""
    return [f"--scan={name}={digest}" for name, digest in scan_digests(made.scans).items()]


def skip(cell: Cell, reason: str = "fresh") -> Cell:
    return Cell(target=cell.target, scan=cell.scan, decision=Decision.SKIP, reason=reason)
