"""The command line: one file per command group, no logic.

Exit status of every command: 0 it worked, 1 the policy says no, 2 what the user gave is wrong, 3 the run itself broke.
"""

import logging
import sys

from orchestrator.errors import ScanmatrixError, UsageError

POLICY, USAGE, BROKEN = 1, 2, 3


def main() -> None:
    """Entry of the command `scanmatrix`: errors become one line on stderr and an exit status, never a traceback."""
    from orchestrator.cli.app import app

    logging.basicConfig(format="scanmatrix: %(message)s", level=logging.WARNING)  # on stderr
    try:
        app()
    except UsageError as error:
        _fail(error, USAGE)
    except ScanmatrixError as error:
        _fail(error, BROKEN)
    except KeyboardInterrupt:
        _fail("interrupted", BROKEN)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing to say, and nowhere to say it.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        _fail(error, BROKEN)


def _fail(error: object, status: int) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"scanmatrix: {error}\n")
    sys.exit(status)
