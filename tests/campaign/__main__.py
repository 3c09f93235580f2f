"""`python -m tests.campaign`: every test, also the long ones, then the table.

With the argument `table` only that, with `markdown` as the documentation has it.
"""

import subprocess
import sys
from pathlib import Path

from tests.campaign import table

ROOT = Path(__file__).parents[2]
COMMANDS = (
    ["pytest", "tests/unit", "tests/integration", "--campaign", "-n", "auto", "--dist", "loadfile"],
    ["tests.tools", "--cluster", "--images"],
    ["tests.e2e", "--campaign"],
)


def main(arguments: list[str]) -> int:
    """Run them all, whatever becomes of each; the worst exit status."""
    worst = 0
    render = table.markdown if arguments == ["markdown"] else table.render
    if not arguments:
        table.KEPT.unlink(missing_ok=True)
        worst = max(
            abs(subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode)
            for command in COMMANDS
        )
    sys.stdout.write(f"\n{render(table.kept())}\n")
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
