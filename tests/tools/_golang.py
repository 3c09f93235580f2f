"""Builds commands from Go modules into the cache, each from a small go.mod of the project's own."""

import json
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from tests.tools._catalog import GoTool

#: How everything is compiled here, so that no package is compiled twice. Debuggers get nothing: a tenth less work.
COMPILE = ("-trimpath", "-gcflags=all=-dwarf=false")


def build(tool: GoTool) -> None:
    """Build in a folder of its own and move the finished tool into place; a killed build leaves nothing there."""
    tool.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tool.folder.parent, prefix=f".unfinished-{tool.name}=") as temporary:
        work = Path(temporary) / "source"
        work.mkdir()
        for file in tool.source.iterdir():
            shutil.copyfile(file, work / file.name)
        finished = Path(temporary) / "finished"
        if tool.files:
            _copy(tool, work, tool.files, finished / tool.files)
        if mend := _MENDS.get(tool.source.name):
            mend(tool, work)
        stamps = [*([f"{_stamp(tool)}={tool.version}"] if tool.stamp else []), *tool.flags]
        # No tags: with another one, Go compiles again what it has compiled for the other commands of a module.
        flags = [*COMPILE, f"-ldflags=-s -w {' '.join(f'-X {stamp}' for stamp in stamps)}"]
        if tool.commands:  # at once: one is linked while others are compiled; Go calls each as its package
            (finished / "bin").mkdir(parents=True)
            _go(work, "build", *flags, "-o", f"{finished / 'bin'}/", *tool.packages.values())
        else:
            _go(work, "build", *flags, "-o", str(finished / "bin" / tool.name), *tool.packages.values())
        try:
            finished.rename(tool.folder)
        except OSError:
            if not tool.built:  # somebody else was faster; a build is the same on every machine
                raise


def _stamp(tool: GoTool) -> str:
    """Full name of the version's variable: a scanner's version ends up in its reports."""
    if tool.stamp.startswith(("main.", "k8s.io/", "sigs.k8s.io/")):
        return tool.stamp
    return tool.module + (tool.stamp if tool.stamp.startswith(".") else f"/{tool.stamp}")


def _mend_argo(tool: GoTool, work: Path) -> None:
    """Put back what a module's zip cannot hold, in a copy that go.mod then points to.

    `signal_linux.go` is a symbolic link in Argo's repository, and `ui/dist/app` a product of its web build.
    """
    copy = _copied(tool, work)
    signals = copy / "workflow" / "executor" / "osspecific"
    if not (signals / "signal_linux.go").exists():
        (signals / "signal_linux.go").symlink_to("signal_darwin.go")
    page = copy / "ui" / "dist" / "app" / "index.html"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("<!doctype html><title>no web page in this build</title>\n")


#: The scalers that tests use, and what these need of a file that is not kept. With all 69 and what they are made of, it
#: takes a quarter of an hour of CPU.
_SCALERS = ("kafka", "postgresql")
_OF_OTHERS = 'package scalers\n\nconst externalMetricType = "External"\n'


def _mend_keda(tool: GoTool, work: Path) -> None:
    """Take scalers that no test uses out of a copy that go.mod then points to."""
    copy = _copied(tool, work)
    for path in (copy / "pkg" / "scalers").glob("*_scaler.go"):
        if path.name.removesuffix("_scaler.go") not in _SCALERS:
            path.unlink()
    (copy / "pkg" / "scalers" / "of_others.go").write_text(_OF_OTHERS)
    made = copy / "pkg" / "scaling" / "scalers_builder.go"
    others = re.compile(r'\tcase "(?!(?:{})":)[a-z0-9-]+":\n\t\treturn scalers\.New.*\n'.format("|".join(_SCALERS)))
    made.write_text(others.sub("", made.read_text()))


_MENDS = {"argo": _mend_argo, "keda": _mend_keda}


def _copied(tool: GoTool, work: Path) -> Path:
    """A copy of its module that go.mod points to."""
    _copy(tool, work, "", work / "module")
    _go(work, "mod", "edit", f"-replace={tool.module}=./module")
    return work / "module"


def _copy(tool: GoTool, work: Path, folder: str, copy: Path) -> None:
    """Copy a folder of its source."""
    module = json.loads(_go(work, "mod", "download", "-json", f"{tool.module}@{tool.version}"))
    shutil.copytree(Path(module["Dir"]) / folder, copy)
    for path in (copy, *copy.rglob("*")):
        if path.is_dir():  # the module cache is read-only, and the folder must go away again
            path.chmod(path.stat().st_mode | stat.S_IWUSR)


def _go(folder: Path, *arguments: str) -> str:
    # CGO off: the tools need no C compiler, and run on any Linux.
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    done = subprocess.run(["go", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"`go {' '.join(arguments)}` failed:\n{done.stderr[-2000:]}")
    return done.stdout
