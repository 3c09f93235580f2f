"""Runs a rendered Workflow without a cluster: its DAG in order, each container as a process on a volume of the test.

Only what our manifests use: tasks in the order they are written, `depends` on named ends, `when` on a list, items,
init containers before the main one, subpath mounts. Isolation is the cluster's to prove; here it is that the commands,
paths, parameters and conditions of the manifest fit the steps they call.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_REFERENCE = re.compile(r"\{\{([a-zA-Z0-9._-]+)\}\}")
_TERM = re.compile(r"([a-z0-9-]+)(?:\.(\w+))?")


@dataclass
class Run:
    """One execution of a manifest.

    Attributes:
        manifest: with its templates; a WorkflowTemplate will do.
        volume: folder that stands for the volume.
        scratch: folder that stands for the pods' `/tmp`.
        parameters: of the Workflow.
        ended: how each pod ended, by its path in the DAG: `Succeeded`, `Failed`, `Skipped` or `Omitted`.
        output: what each pod wrote to stderr.
    """

    manifest: dict[str, Any]
    volume: Path
    scratch: Path
    parameters: dict[str, str]
    ended: dict[str, str] = field(default_factory=dict)
    output: dict[str, str] = field(default_factory=dict)

    def start(self) -> str:
        """Run it all; how the entry point ended."""
        known = {f"workflow.parameters.{name}": value for name, value in self.parameters.items()}
        return self._template(self.manifest["spec"]["entrypoint"], known | {"workflow.name": "wf-x1"}, "")

    def _template(self, name: str, known: dict[str, str], path: str) -> str:
        (template,) = (one for one in self.manifest["spec"]["templates"] if one["name"] == name)
        status = self._dag(template["dag"], known, path) if "dag" in template else self._pod(template, known, path)
        self.ended[path] = status
        for parameter in template.get("outputs", {}).get("parameters", ()) if status == "Succeeded" else ():
            file = Path(parameter["valueFrom"]["path"].replace("/tmp", str(self.scratch), 1))
            known[f"tasks.{path}.outputs.parameters.{parameter['name']}"] = file.read_text()
        return status

    def _dag(self, dag: dict[str, Any], known: dict[str, str], path: str) -> str:
        assert dag["failFast"] is False
        ended: dict[str, str] = {}
        for task in dag["tasks"]:
            place = f"{path}/{task['name']}" if path else task["name"]
            if not _depends(task.get("depends", ""), ended):
                ended[task["name"]] = self.ended[place] = "Omitted"
                continue
            ended[task["name"]] = self._task(task, known, place)
        # As Argo has it: what nothing else depends on decides; what failed before and was provided for does not.
        used = {match[1] for task in dag["tasks"] for match in _TERM.finditer(task.get("depends", ""))}
        leaves = {status for name, status in ended.items() if name not in used}
        return "Failed" if leaves & {"Failed", "Omitted"} else "Succeeded"

    def _task(self, task: dict[str, Any], known: dict[str, str], place: str) -> str:
        if not _when(_fill(task.get("when", ""), known)):
            self.ended[place] = "Skipped"
            return "Skipped"
        items = json.loads(_fill(task["withParam"], known)) if "withParam" in task else task.get("withItems")
        results = []
        for item in [None] if items is None else items:
            values = known | {f"item.{key}": value for key, value in (item or {}).items()}
            arguments = task.get("arguments", {}).get("parameters", ())
            inputs = {f"inputs.parameters.{one['name']}": _fill(one["value"], values) for one in arguments}
            where = f"{place}[{item['image']}]" if item else place
            inner = {name: value for name, value in known.items() if not name.startswith("inputs.")} | inputs
            results.append(self._template(task["template"], inner, where))
            known.update({name: value for name, value in inner.items() if name.startswith("tasks.")})
        return "Failed" if "Failed" in results else "Succeeded"

    def _pod(self, template: dict[str, Any], known: dict[str, str], path: str) -> str:
        main = template.get("container") or template["script"]
        for container in [*template.get("initContainers", ()), main]:
            arguments = [*container["command"], *container.get("args", ())]
            if "source" in container:
                (self.scratch / "script").write_text(_fill(container["source"], known))
                arguments.append("/tmp/script")
            if not self._process([_fill(one, known) for one in arguments], container, known, path):
                return "Failed"
        return "Succeeded"

    def _process(self, command: list[str], container: dict[str, Any], known: dict[str, str], path: str) -> bool:
        places = {
            mount["mountPath"]: self.scratch
            if mount["name"] == "scratch"
            else (self.volume / _fill(mount.get("subPath", ""), known)).resolve()
            for mount in container["volumeMounts"]
        }
        for place in places.values():
            assert place.exists(), f"{path}: nothing to mount at {place}"
        mounted = re.compile(r"(?<![\w/.-])(" + "|".join(sorted(places, key=len, reverse=True)) + r")(?![\w.-])")

        def translate(text: str) -> str:
            return mounted.sub(lambda match: str(places[match[1]]), text)

        environment = {one["name"]: translate(_fill(one["value"], known)) for one in container["env"]}
        # Where the cluster has an image, this machine has the environment's own commands.
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            [translate(one) for one in command],
            env={"PATH": search, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        self.output[path] = self.output.get(path, "") + done.stderr
        return done.returncode == 0


def _fill(text: str, known: dict[str, str]) -> str:
    return _REFERENCE.sub(lambda match: known[match[1]], text)


def _when(text: str) -> bool:
    if not text:
        return True
    left, right = re.fullmatch(r"'(.*)' =~ '(.*)'", text).groups()  # type: ignore[union-attr]
    return re.search(right, left) is not None


def _depends(text: str, ended: dict[str, str]) -> bool:
    """`a && (b.Succeeded || b.Failed)`; a name alone stands for its success or its being skipped."""

    def holds(match: re.Match[str]) -> str:
        wanted = {match[2]} if match[2] else {"Succeeded", "Skipped"}
        return str(ended[match[1]] in wanted)

    expression = _TERM.sub(holds, text).replace("&&", "and").replace("||", "or")
    assert re.fullmatch(r"(True|False|and|or|[() ])*", expression)
    return not text or bool(eval(expression))
