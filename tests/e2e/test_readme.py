"""The README's commands that need a cluster, as they stand there but for the names of this one."""

import shlex

from tests.cluster.addons import localised
from tests.cluster.state import State, default_folder
from tests.e2e.site import Site, run
from tests.integration.test_readme import COMMANDS, IN_CLUSTER

NAMESPACES = ("scanmatrix", "scanmatrix-volume")


def test_the_commands_for_a_cluster(site: Site):
    commands = [shlex.split(line) for line in COMMANDS if line.startswith(IN_CLUSTER)]
    assert [command[0] for command in commands] == ["kubectl", "argo", "scanmatrix"]
    install, submit, status = commands
    # Argo's own manifests come from the network there; what is installed here is not to be changed.
    folder = localised(State(default_folder())).parent
    try:
        for name in NAMESPACES:  # for the API server to look at what would be put into them
            run("kubectl", "create", "namespace", name)
        run(*(part.replace("argo-install/", f"{folder}/argo-install/") for part in install), "--dry-run=server")
    finally:
        run("kubectl", "delete", "namespace", "--ignore-not-found", *NAMESPACES, check=False)
    submit = [part.replace("scanmatrix", site.namespace) if part == "scanmatrix" else part for part in submit]
    assert "Succeeded" in run(*submit[:-1], "--wait")
    assert "succeeded" in site.scanmatrix(*status[1:])
