"""`python -m scanmatrix`: the command line, where the command `scanmatrix` is not on PATH."""

from orchestrator.cli import main

if __name__ == "__main__":
    main()
