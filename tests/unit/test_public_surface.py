"""What people import: every promised name is there, and asking for the package costs nothing."""

import inspect
import re
import subprocess
import sys

import orchestrator
from tests.unit.test_names import classes


def test_every_promised_name_is_there() -> None:
    assert all(getattr(orchestrator, name) is not None for name in orchestrator.__all__)


def test_nothing_else_is_promised() -> None:
    assert dir(orchestrator) == sorted(orchestrator.__all__)


def test_the_command_loads_no_heavy_package_for_its_help() -> None:
    heavy = [
        "pandas",
        "pyarrow",
        "hera",
        "requests",
        "pydantic",
        "cyclonedx",
        "rich.console",
        "sqlalchemy",
        "alembic",
        "boto3",
        "univers",
        "jinja2",
        "packageurl",
        "defusedxml",
    ]
    code = (
        "import sys\nfrom orchestrator.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"sys.exit(','.join(name for name in {heavy} if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_a_public_function_takes_and_returns_has_a_public_name() -> None:
    named = {
        (name, word)
        for name in orchestrator.__all__
        if inspect.isfunction(call := getattr(orchestrator, name))
        for annotation in call.__annotations__.values()
        for word in re.findall(r"\w+", annotation)
    }
    assert len(named) > 50
    assert {(name, word) for name, word in named if word in classes().keys() - {*orchestrator.__all__}} == set()
