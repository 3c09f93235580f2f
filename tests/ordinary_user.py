"""What a user who is not root does, whom the modes of files stop: also where the tests run as root."""

import os
import subprocess
import sys
from pathlib import Path

NOBODY = 65534
_ROOT = Path(__file__).parents[1]


def run_as_ordinary_user(folder: Path, imports: str, code: str) -> None:
    """Run Python code in a process of its own, in a folder; what is below that is the user's.

    Args:
        folder: to be given to the user, with everything in it.
        imports: run first, still as who we are: an interpreter may lie in a folder that only root reads.
        code: run as the user.
    """
    become = ""
    if os.geteuid() == 0:
        become = f"os.setgid({NOBODY}); os.setuid({NOBODY})"
        for path in [folder, *folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        for parent in folder.parents:
            if any(part.startswith("pytest-of-") for part in parent.parts):  # which lets nobody else in
                parent.chmod(parent.stat().st_mode | 0o011)
    enter = f"import os, sys; sys.path.insert(0, {os.fspath(_ROOT)!r})"
    script = "\n".join([enter, imports, f"os.chdir({os.fspath(folder)!r})", become, code])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
