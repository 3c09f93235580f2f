"""The command again and again: each in a process of its own, forked from one that has imported what commands need.

Half a second of CPU less than `tests.integration.command.scanmatrix`, for tests that are about what commands do, and
not about how their process begins.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path

_SECONDS = 300
#: What takes long to import and starts no thread, of the commands that plan, run, schedule, lock and render.
_IMPORTED = [
    "orchestrator.api.locking",
    "orchestrator.api.plan",
    "orchestrator.api.run",
    "orchestrator.api.trust",
    "orchestrator.cli.app",
    "orchestrator.engines.local.engine",
    "orchestrator.planning.attached",
    "orchestrator.planning.matrix",
    "orchestrator.queries.store",
    "orchestrator.service.scheduler",
    "orchestrator.workflows.install",
]


def scanmatrix(
    *arguments: str | Path, cwd: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end; no terminal, so no bars.

    Raises:
        subprocess.TimeoutExpired: it does not end.
    """
    words = ["scanmatrix", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        process = _context().Process(target=_run, args=(words, str(cwd), dict(os.environ) | (environment or {}), said))
        process.start()
        process.join(_SECONDS)
        status = process.exitcode
        process.kill()
        process.join()
        process.close()
        if status is None:
            raise subprocess.TimeoutExpired(words, _SECONDS)
        return subprocess.CompletedProcess(words, status, *(path.read_text() for path in said))


@cache
def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    return context


def _run(words: list[str], folder: str, environment: dict[str, str], said: list[Path]) -> None:
    for number, path in enumerate(said, 1):
        made = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(made, number)
        os.close(made)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    from orchestrator.cli import main  # noqa: PLC0415 - the server has it; who only asks the server need not

    main()
