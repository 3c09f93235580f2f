"""All benchmarks, one after the other, each in a process of its own; their tables on stdout.

python -m tests.benchmarks [NAME…]
"""

import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    "start",
    "first",
    "pull",
    "matrix",
    "render",
    "aggregate",
    "worst",
    "merge",
    "bom",
    "orchestration",
    "simulated",
    "inventory",
    "store",
    "scheduler",
    "html",
    "page",
    "put",
    "events",
    "service",
    "subscribers",
    "churn",
    "sboms",
    "sizes",
    "queue",
    "warm",
)


def main(names: list[str]) -> int:
    """Run them; the exit status is the worst of theirs."""
    if unknown := set(names) - set(BENCHMARKS):
        sys.stderr.write(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    root = Path(__file__).parents[2]
    status = 0
    for name in names or BENCHMARKS:
        sys.stdout.write(f"\n## {name}\n\n")
        sys.stdout.flush()
        status = max(
            status, subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}"], cwd=root, check=False).returncode
        )
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
