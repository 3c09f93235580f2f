"""`import scanmatrix`: from a checkout and from a wheel, whatever else is called `workflows` where it runs."""

import ast
import os
import re
import subprocess
import sys
import sysconfig
import venv
import warnings
import zipfile
from pathlib import Path

import pytest
import scanmatrix

import orchestrator
from tests.tracked import ROOT, tracked

FIXED = {"argo-install", "docs", "orchestrator", "pv", "templates", "tests", "workflows"}
TOP_LEVEL = re.compile(r"^\s*(?:from|import) workflows\b.*$", re.MULTILINE)
RENDER = """
import scanmatrix
config = scanmatrix.load_config(references=["registry.example/app@sha256:{digest}"], volume="volume")
plan = scanmatrix.make_plan(config, scans=["general"], run="r", offline=True)
text = scanmatrix.render(plan, config)
assert "kind: Workflow" in text, text
import sys
assert "workflows" not in sys.modules
assert scanmatrix.__file__.startswith({place!r}), scanmatrix.__file__
"""


def test_it_offers_the_public_surface_of_the_orchestrator() -> None:
    assert scanmatrix.__all__ == orchestrator.__all__
    assert all(getattr(scanmatrix, name) == getattr(orchestrator, name) for name in scanmatrix.__all__)
    assert dir(scanmatrix) == sorted(scanmatrix.__all__)
    assert scanmatrix.aio.run is orchestrator.api.aio.run
    with pytest.raises(AttributeError, match="'scanmatrix' has no attribute 'nonsense'"):
        _ = scanmatrix.nonsense


def test_type_checkers_see_every_public_name() -> None:
    tree = ast.parse(Path(orchestrator.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    seen |= {node.target.id for node in block.body if isinstance(node, ast.AnnAssign)}
    assert seen == set(orchestrator.__all__)
    assert (Path(scanmatrix.__file__).with_name("py.typed")).exists()


def test_no_name_of_ours_warns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(getattr(scanmatrix, name) is not None for name in scanmatrix.__all__)


def test_the_folder_of_the_builders_is_imported_under_one_name() -> None:
    link = ROOT / "orchestrator" / "workflows"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "workflows"
    imported = [
        f"{path.relative_to(ROOT)}: {line}"
        for folder in ("orchestrator", "workflows", "tests")
        for path in (ROOT / folder).rglob("*.py")
        for line in TOP_LEVEL.findall(path.read_text())
    ]
    assert imported == []


def test_the_top_of_the_repository_has_no_further_folder() -> None:
    folders = {path.split("/")[0] for path in tracked() if "/" in path}
    assert {folder for folder in folders if not folder.startswith(".")} == FIXED


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source distribution of this checkout."""
    folder = tmp_path_factory.mktemp("built")
    build(ROOT, folder, "wheel", "sdist")
    return folder


def build(source: Path, folder: Path, *targets: str) -> None:
    words = [word for target in targets for word in ("-t", target)]
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", *words, "-d", str(folder)],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def names(folder: Path) -> list[str]:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        return sorted(file.namelist())


def test_a_wheel_installs_two_packages_and_no_other(built: Path) -> None:
    found = names(built)
    assert {name.split("/")[0] for name in found if ".dist-info/" not in name} == {"orchestrator", "scanmatrix"}
    sources = {f"orchestrator/{path.relative_to(ROOT)}" for path in (ROOT / "workflows").rglob("*.py")}
    assert {name for name in found if name.startswith("orchestrator/workflows/") and name.endswith(".py")} == sources
    assert not [name for name in found if "_import_name" in name]
    assert {"scanmatrix/__init__.py", "scanmatrix/__main__.py", "scanmatrix/aio.py", "scanmatrix/py.typed"} <= {*found}


def test_a_source_distribution_makes_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    (source,) = tmp_path.iterdir()
    build(source, tmp_path / "again", "wheel")
    assert names(tmp_path / "again") == names(built)


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel in it, and beside it another distribution's `workflows`."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    hostile(site)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "python"


def hostile(folder: Path) -> None:
    """A package `workflows` that is not ours, and fails anybody who imports it."""
    (folder / "workflows").mkdir()
    (folder / "workflows" / "__init__.py").write_text("raise SystemExit('the wrong workflows')\n")


@pytest.mark.parametrize(
    "words",
    [
        ("-c", "RENDER"),
        ("-m", "scanmatrix", "--version"),
        ("-m", "scanmatrix", "render", "--offline", "registry.example/app@sha256:" + "a" * 64),
        ("-m", "orchestrator.steps", "--help"),
    ],
    ids=" ".join,
)
def test_a_user_s_own_package_named_workflows_breaks_nothing(
    words: tuple[str, ...], installed: Path, tmp_path: Path
) -> None:
    hostile(tmp_path)
    code = RENDER.format(digest="a" * 64, place=str(installed.parents[1]))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(installed), *(code if word == "RENDER" else word for word in words)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "--version" not in words or done.stdout == f"scanmatrix {orchestrator.__version__}\n"


@pytest.mark.parametrize("words", [("-c", "import scanmatrix"), ("-m", "scanmatrix", "--version")], ids=" ".join)
@pytest.mark.parametrize("name", ["orchestrator.py", "orchestrator/__init__.py"])
def test_a_user_s_own_orchestrator_is_named_in_the_error(name: str, words: tuple[str, ...], tmp_path: Path) -> None:
    own = tmp_path / name
    own.parent.mkdir(exist_ok=True)
    own.write_text("")
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert str(own) in done.stderr.splitlines()[-1]
    assert "python -P" in done.stderr.splitlines()[-1]
    done = subprocess.run([sys.executable, "-P", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
