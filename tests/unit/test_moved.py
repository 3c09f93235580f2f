"""What the documentation of 0.1 told people to import works in 0.2, says what to use instead, and is the same thing."""

import pickle
import subprocess
import sys
import warnings
from datetime import UTC, datetime
from pkgutil import resolve_name

import pytest
import scanmatrix

import orchestrator
from orchestrator._moved import MOVED
from orchestrator.volume.layout import Volume
from tests.differences import Run

#: The Python of each page of 0.1 that named a module, and what to use instead of what it imported.
SHOWN = {
    "from orchestrator.results.difference import between, since": ["scanmatrix.differences"] * 2,
    "from orchestrator.results.frames import read_merged": ["scanmatrix.read_merged"],
    "from orchestrator.results.store import Store": ["scanmatrix.Store"],
    "from orchestrator.results.suppression import Suppressor": ["scanmatrix.Suppressor"],
    "from orchestrator.results.merge import merge": ["orchestrator.analysis.merge.merge.merge"],
    "from orchestrator.results.bom_split import target_bom": ["orchestrator.results.bom.split.target_bom"],
    "from orchestrator.aio import fetch, follow": ["scanmatrix.aio.fetch", "scanmatrix.aio.follow"],
    "import orchestrator.sdk as sdk; sdk.make_plan": ["scanmatrix.make_plan"],
    "from orchestrator import follow_up; follow_up.who_has": ["scanmatrix.who_has"],
    "from orchestrator.follow_up import export, deliver": ["scanmatrix.export", "orchestrator.api.delivering.deliver"],
    "import orchestrator.sdk as sdk; sdk.write_install": ["orchestrator.api.install.write_install"],
    "from orchestrator.operations import run": ["scanmatrix.run"],
}
UNCHANGED = [
    "from orchestrator import aio, load_config, make_plan, open_results, run, who_has",
    "from orchestrator.results import read_ledger",
    "from orchestrator.model import IgnoreRule, MergedFinding, Suppression",
    "from orchestrator.packages.identity import canonical",
    "from orchestrator.notifications import notify, resend",
    "from orchestrator.exports.html import write_report",
]


@pytest.mark.parametrize("line", SHOWN)
def test_an_import_that_was_shown_works_and_names_what_to_use_instead(line):
    with pytest.warns(DeprecationWarning, match="removed in 0.3: use") as told:
        exec(compile(line, "of-a-user.py", "exec"), {})
    assert {one.filename for one in told} == {"of-a-user.py"}
    assert [str(one.message).rpartition("use ")[2] for one in told] == SHOWN[line]


def test_a_name_that_left_a_package_that_is_still_there():
    with pytest.warns(DeprecationWarning, match=r"orchestrator\.volume\.Volume .*0\.3: .*scanmatrix"):
        from orchestrator.volume import Volume as Old  # noqa: PLC0415
    assert Old is Volume


@pytest.mark.parametrize("line", UNCHANGED)
def test_an_import_that_stays_says_nothing(line):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(line, {})


def test_old_names_are_the_very_same_things():
    with pytest.warns(DeprecationWarning, match="Store"):
        assert resolve_name("orchestrator.results.store:Store") is scanmatrix.Store
    with pytest.warns(DeprecationWarning, match="make_plan"):
        assert resolve_name("orchestrator.sdk:make_plan") is orchestrator.make_plan
    with pytest.warns(DeprecationWarning, match="Volume"):
        assert pickle.loads(b"corchestrator.volume\nVolume\n.") is Volume


def test_a_star_import_brings_the_names():
    code = "from orchestrator.operations import *; print(submit.__name__)"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "submit\n"


@pytest.mark.parametrize("old", MOVED)
def test_what_never_was_there_is_still_an_error(old):
    module = resolve_name(old)
    with pytest.raises(AttributeError, match=f"'{old}'.*'nonsense'"):
        _ = module.nonsense
    assert not hasattr(module, "__wrapped__")


def test_other_modules_that_do_not_exist_are_not_found():
    with pytest.raises(ModuleNotFoundError):
        __import__("orchestrator.results.nonsense")


def test_differences_of_a_volume_as_they_were_documented(tmp_path):
    volume = Volume(tmp_path)
    Run("r1", "2025-03-01T10:00:00Z").cell("app", "general").find("app", "CVE-1", "general").write(volume)
    Run("r2", "2025-03-02T10:00:00Z").cell("app", "general").find("app", "CVE-2", "general").write(volume)
    with pytest.warns(DeprecationWarning, match="differences"):
        from orchestrator.results.difference import between, since  # noqa: PLC0415
    week = since(volume, datetime(2025, 3, 1, 12, tzinfo=UTC))
    assert dict(zip(week["id"], week["status"], strict=True)) == {"CVE-2": "new", "CVE-1": "fixed"}
    assert since(volume, datetime(2025, 3, 1, 12, tzinfo=UTC), references=["app"]).equals(week)
    assert set(between(volume, "app", "app")["status"]) == {"still there"}
