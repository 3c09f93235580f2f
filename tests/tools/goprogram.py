"""Small programs of the tests in Go, of the standard library alone, built once from their folder in `go/`."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.tools._catalog import HERE, cache
from tests.tools._golang import COMPILE


def go_program(name: str) -> Path:
    """The program of a folder, built when its source has changed; skips the running test where Go is missing."""
    source = HERE / "go" / name
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(source.iterdir()))).hexdigest()
    program = cache() / f"{name}-{digest[:16]}" / name
    if program.exists():
        return program
    if shutil.which("go") is None:
        import pytest  # noqa: PLC0415 - the installer imports this package before anything is installed

        required = os.environ.get("SCANMATRIX_REQUIRE_TOOLS", "") not in {"", "0"}
        raise (pytest.fail.Exception if required else pytest.skip.Exception)("go is missing; install Go 1.22 or newer")
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent.parent, prefix=".unfinished-") as folder:
        built = Path(folder) / name
        environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": "-mod=mod"}
        subprocess.run(["go", "build", *COMPILE, "-o", built, "."], cwd=source, env=environment, check=True)
        built.rename(program)
    return program
