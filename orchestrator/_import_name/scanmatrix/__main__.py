"""`python -m scanmatrix`: the command line, where the command `scanmatrix` is not on PATH."""

import scanmatrix  # noqa: F401 - says so when `orchestrator` is not ours
from orchestrator.cli import main

if __name__ == "__main__":
    main()
