"""Whatever a stranger left in a folder, the folder goes, and nothing outside of it does."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator.kit.removal import remove, remove_quietly


def test_what_is_not_there_is_removed_already(tmp_path: Path) -> None:
    remove(tmp_path / "nothing")
    assert list(tmp_path.iterdir()) == []


def test_a_link_goes_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    (kept / "inner").mkdir(parents=True)
    (kept / "inner" / "file").write_text("ours")
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "link").symlink_to(kept)
    (folder / "sub" / "link").symlink_to(kept / "inner")
    (tmp_path / "top").symlink_to(kept)
    remove(folder)
    remove(tmp_path / "top")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (kept / "inner" / "file").read_text() == "ours"


def test_files_pipes_and_folders_of_all_modes_go(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("x")
    os.mkfifo(folder / "a" / "pipe")
    (folder / "a" / "b").chmod(0)
    (folder / "a").chmod(0)
    folder.chmod(0)
    remove(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_modes_do_not_keep_folders_from_a_user_who_is_not_root(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    tmp_path.chmod(0o755)
    os.chown(folder, 65534, 65534)
    script = (
        "import os, pathlib, sys; from orchestrator.kit.removal import remove\n"
        "folder = pathlib.Path('folder/mine'); (folder / 'a' / 'b').mkdir(parents=True)\n"
        "(folder / 'a' / 'b' / 'file').write_text('x')\n"
        "for path in (folder / 'a' / 'b', folder / 'a', folder): path.chmod(0)\n"
        "remove(folder); assert not folder.exists()\n"
    )
    root = os.fspath(Path(__file__).parents[3])
    # The interpreter may lie in a folder of root's own: forked, it need not be found again.
    code = f"import os; import sys; sys.path.insert(0, {root!r}); import orchestrator.kit.removal, pathlib\n"
    code += f"os.chdir({os.fspath(tmp_path)!r}); os.setgid(65534); os.setuid(65534)\n{script}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_tree_of_thousands_of_levels_goes_in_a_moment(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("level", dir_fd=here)
        below = os.open("level", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    began = time.process_time()
    remove(folder)
    assert not folder.exists()
    assert time.process_time() - began < 5


def test_what_cannot_go_is_reported_or_not(tmp_path: Path) -> None:
    absent = tmp_path / "file" / "below"
    (tmp_path / "file").write_text("x")
    remove_quietly(absent)
    with pytest.raises(NotADirectoryError):
        remove(absent)
