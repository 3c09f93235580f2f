"""The command line: one file per command group, no logic.

Exit status of every command: 0 success, 1 policy violated, 2 usage or configuration error, 3 the run failed,
4 nothing is known of what was asked about, 5 something that the configuration needs is missing here (`doctor`), 130
stopped following a run that continues elsewhere.
An unexpected error is 3, too: `SCANMATRIX_DEBUG=1` then shows the traceback.
"""

import gc
import os
import sys

from orchestrator.cli.known_help import known_help

#: New objects after which garbage is looked for, instead of 700.
_MANY = 200_000
POLICY, USAGE, BROKEN, UNKNOWN, MISSING = 1, 2, 3, 4, 5


def main() -> None:
    """Entry of the command `scanmatrix`: errors become one line on stderr and an exit status, never a traceback."""
    if text := known_help(sys.argv):
        _write_anything()
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except BrokenPipeError:
            sys.stderr.close()
        return
    # What a command imports stays until its end: looking for garbage among it, now and when Python ends, finds none.
    gc.set_threshold(_MANY)
    try:
        _run()
    finally:
        gc.freeze()


def _run() -> None:
    """The command of this process."""
    from orchestrator.cli.app import program
    from orchestrator.cli.bash_words import whole_words
    from orchestrator.cli.pipe import outlive_readers
    from orchestrator.errors import NotKnownError, ScanmatrixError, UsageError
    from orchestrator.kit.guarding import InternalError, guarded
    from orchestrator.kit.logs import DEBUG_VARIABLE, write_to_stderr

    outlive_readers()
    debug = bool(os.environ.get(DEBUG_VARIABLE))
    write_to_stderr("scanmatrix", tracebacks=debug, hint=f"{DEBUG_VARIABLE}=1 shows the traceback")
    _write_anything()
    try:
        with guarded(f"running `scanmatrix {' '.join(sys.argv[1:2])}`"), whole_words():
            program(sys.argv[1:])()
    except UsageError as error:
        _fail(error, USAGE)
    except NotKnownError as error:
        _fail(error, UNKNOWN)
    except InternalError:
        sys.exit(BROKEN)  # it is in the log, which is on stderr
    except ScanmatrixError as error:
        _fail(error, BROKEN)
    except KeyboardInterrupt:
        _fail("interrupted", BROKEN)
    except OSError as error:
        _fail(error, BROKEN)


def _write_anything() -> None:
    """Escape what a terminal's encoding does not have, instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _fail(error: object, status: int) -> None:
    from orchestrator.kit.text import visible_lines

    sys.stdout.flush()
    sys.stderr.write(f"scanmatrix: {visible_lines(str(error))}\n")
    sys.exit(status)
