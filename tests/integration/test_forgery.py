"""Argo's folder as the patch of a scanner's pod mounts it, without a cluster: the scanner that tries to change it.

The mounts are those that are rendered, made as the kubelet makes them, in a mount namespace of their own.
`tests/e2e/test_forgery.py` has the same scanner in a pod.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator.workflows.patches import EXECUTOR
from tests.e2e.test_forgery import COMMON, FORGER
from tests.unit.steps.plans import plan
from tests.unit.workflows.test_matrix import template, workflow
from tests.unit.workflows.test_patches import patched

USER = "65532"
#: One that everybody may run: the one of these tests may lie in root's home.
PYTHON = "/usr/bin/python3"
_HOST = "/run/host"
#: What the kubelet and Argo's init container have made before the scanner starts.
_BEGIN = f"""
set -e
for folder in /run /tmp /dev/shm; do mount -t tmpfs -o mode=1777 none "$folder"; done
mkdir {EXECUTOR}
mount -t tmpfs -o mode=2777,gid={USER} none {EXECUTOR}
cd {EXECUTOR}
as_scanner() {{ setpriv --reuid {USER} --regid {USER} --clear-groups --bounding-set -all --no-new-privs "$@"; }}
as_scanner sh -c 'umask 0; echo program > argoexec; echo template > template; chmod 555 argoexec; chmod 444 template'
for folder in ctr ctr/other "ctr/$1"; do mkdir -m 777 "$folder"; done
# Where the kubelet has the folder: what is mounted over a part of it is writable where that part is not.
mkdir {_HOST}
mount --bind {EXECUTOR} {_HOST}
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv") or not Path(PYTHON).exists(), reason="needs root on Linux"
)


#: What Argo's program in the scanner's container has to write: how it ended.
_OWN = """
for each in own:
    (each / "exitcode").write_text("0")
end(set(str(each) for each in own))
"""


def forged(container: str, mounts: list[dict[str, Any]], program: str = FORGER) -> set[str]:
    """What a scanner says that it did in a container with these mounts of Argo's folder."""
    script = _BEGIN
    for mount in sorted(mounts, key=lambda each: each["mountPath"].count("/")):
        source, place = f"{_HOST}/{mount['subPath']}", mount["mountPath"]
        script += f"mount --bind {source} {place}\n"
        script += f"mount -o remount,bind,ro {place}\n" if mount.get("readOnly") else ""
    script += f'as_scanner {PYTHON} -c "$2" /tmp/report.json || exit 1\ncat /tmp/report.json\n'
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", container, COMMON + program]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return {each["id"] for each in json.loads(ended.stdout)["findings"]}


@pytest.mark.parametrize(("layout", "name"), [("cell", "scan-virus"), ("image", "image-set-1")])
def test_a_scanner_changes_nothing_of_argo_s_folder(layout: str, name: str) -> None:
    found = template(workflow(plan(("a",)), layout=layout), name)
    for container, patch in patched(found, "containers").items():
        if container not in {"wait", "keep"}:
            assert forged(container, patch["volumeMounts"]) == set()
            assert forged(container, patch["volumeMounts"], _OWN) == {f"{EXECUTOR}/ctr/{container}"}


def test_without_these_mounts_it_replaces_the_program_of_every_container() -> None:
    assert "replace argoexec" in forged("main", [])
