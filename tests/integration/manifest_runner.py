"""Runs a rendered Workflow without a cluster: its DAG in order, each container as a process on a volume of the test.

Only what our manifests use: tasks in the order they are written, `depends` on named ends, `when`, items, init
containers before the others, subpath mounts, shards as Workflows of the same WorkflowTemplate, the exit handler.
Isolation is the cluster's to prove; here it is that the commands, paths, parameters and conditions of the manifest fit
the steps they call.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from orchestrator.argo.names import shards_template
from orchestrator.argo.parameters import RUN_ID as RUN
from orchestrator.workflows.settings import LAYERS
from tests.tools.kubernetes import expand, expand_variables

_RUN = RUN.removeprefix("{{").removesuffix("}}")
_REFERENCE = re.compile(rf"\{{\{{({re.escape(_RUN)}|[a-zA-Z0-9._-]+)\}}\}}")
_TERM = re.compile(r"([a-z0-9-]+)(?:\.(\w+))?")


@dataclass
class Run:
    """One execution of a manifest.

    Attributes:
        manifest: with its templates; a WorkflowTemplate will do.
        volume: folder that stands for the volume.
        scratch: folder that stands for the pods' `/tmp`; `config` in it for the ConfigMap.
        parameters: of the Workflow.
        name: of the Workflow.
        ended: how each pod ended, by its path in the DAG: `Succeeded`, `Failed`, `Skipped` or `Omitted`.
        output: what each pod wrote to stderr.
        children: the Workflows that it started, by name.
    """

    manifest: dict[str, Any]
    volume: Path
    scratch: Path
    parameters: dict[str, str]
    name: str = "wf-x1"
    ended: dict[str, str] = field(default_factory=dict)
    output: dict[str, str] = field(default_factory=dict)
    children: dict[str, "Run"] = field(default_factory=dict)

    def start(self) -> str:
        """Run it all, the exit handler too; how the entry point ended."""
        known = {f"workflow.parameters.{name}": value for name, value in self.parameters.items()}
        known |= {"workflow.name": self.name, "workflow.uid": f"uid-{self.name}"}
        known[_RUN] = self.parameters.get("run") or self.name
        (self.scratch / "config").mkdir(parents=True, exist_ok=True)
        status = self._template(self.manifest["spec"]["entrypoint"], known, "")
        (end,) = (one for one in self.manifest["spec"]["templates"] if one["name"] == self.manifest["spec"]["onExit"])
        for (step,) in end["steps"]:
            self._task(step, known | {"workflow.status": status}, f"{step['name']}-on-exit")
        return status

    def _template(self, name: str, known: dict[str, str], path: str) -> str:
        (template,) = (one for one in self.manifest["spec"]["templates"] if one["name"] == name)
        if "dag" in template:
            status = self._dag(template["dag"], known, path)
        elif "resource" in template:
            status = self._child(yaml.safe_load(_fill(template["resource"]["manifest"], known)))
        else:
            status = self._pod(template, known, path)
        self.ended[path] = status
        for parameter in template.get("outputs", {}).get("parameters", ()) if status == "Succeeded" else ():
            file = Path(parameter["valueFrom"]["path"].replace("/tmp", str(self.scratch), 1))
            known[f"tasks.{path}.outputs.parameters.{parameter['name']}"] = file.read_text()
        return status

    def _dag(self, dag: dict[str, Any], known: dict[str, str], path: str) -> str:
        assert dag["failFast"] is False
        ended: dict[str, str] = {}
        # As Argo has it: the last tasks decide; one that did not run ended as what was before it.
        branch: dict[str, str] = {}
        for task in dag["tasks"]:
            name, before = task["name"], {match[1] for match in _TERM.finditer(task.get("depends", ""))}
            place = f"{path}/{name}" if path else name
            if _depends(task.get("depends", ""), ended):
                ended[name] = self._task(task, known, place)
            else:
                ended[name] = self.ended[place] = "Omitted"
            inherited = "Failed" if any(branch[one] == "Failed" for one in before) else "Succeeded"
            branch[name] = inherited if ended[name] in {"Skipped", "Omitted"} else ended[name]
        used = {match[1] for task in dag["tasks"] for match in _TERM.finditer(task.get("depends", ""))}
        return "Failed" if "Failed" in {status for name, status in branch.items() if name not in used} else "Succeeded"

    def _task(self, task: dict[str, Any], known: dict[str, str], place: str) -> str:
        if not _when(_fill(task.get("when", ""), known)):
            self.ended[place] = "Skipped"
            return "Skipped"
        items = json.loads(_fill(task["withParam"], known)) if "withParam" in task else task.get("withItems")
        if items == []:
            self.ended[place] = "Skipped"
            return "Skipped"
        results = []
        for item in [None] if items is None else items:
            values = known | {f"item.{key}": value for key, value in (item or {}).items()}
            arguments = task.get("arguments", {}).get("parameters", ())
            inputs = {f"inputs.parameters.{one['name']}": _fill(one["value"], values) for one in arguments}
            where = f"{place}[{next(iter(item.values()))}]" if item else place
            inner = {name: value for name, value in known.items() if not name.startswith("inputs.")} | inputs
            results.append(self._template(task["template"], inner, where))
            known.update({name: value for name, value in inner.items() if name.startswith("tasks.")})
        return "Failed" if "Failed" in results else "Succeeded"

    def _child(self, manifest: dict[str, Any]) -> str:
        """A Workflow of the same WorkflowTemplate, of which a cluster keeps a copy for them."""
        assert manifest["spec"]["workflowTemplateRef"]["name"] == shards_template(self.name)
        given = {one["name"]: one["value"] for one in manifest["spec"]["arguments"]["parameters"]}
        defaults = {one["name"]: one["value"] for one in self.manifest["spec"]["arguments"]["parameters"]}
        name = manifest["metadata"]["name"]
        child = Run(self.manifest, self.volume, self.scratch, defaults | given, name)
        self.children[name] = child
        return child.start()

    def _pod(self, template: dict[str, Any], known: dict[str, str], path: str) -> str:
        """Its containers one after the other; those of a set all run, whatever became of the others.

        What runs beside them comes last: it finds that they have ended, as Argo says it.
        """
        several = template.get("containerSet", {}).get("containers", ())
        main = several or [template.get("container") or template["script"]]
        for of_pod in ("unpacked", "made"):
            shutil.rmtree(self.scratch / of_pod, ignore_errors=True)
        for container in template.get("initContainers", ()):
            if not self._container(container, known, path):
                return "Failed"
        shutil.rmtree(self.scratch / "scanned", ignore_errors=True)
        well = [self._container(container, known, path) for container in main]
        for container in several or main:
            ended = self.scratch / "argo" / "ctr" / container.get("name", "main")
            ended.mkdir(parents=True, exist_ok=True)
            (ended / "exitcode").touch()
        well += [self._container(container, known, path) for container in template.get("sidecars", ())]
        for container, ok in zip(several, well, strict=False):
            self.ended[f"{path}.{container['name']}"] = "Succeeded" if ok else "Failed"
        return "Succeeded" if all(well) else "Failed"

    def _container(self, container: dict[str, Any], known: dict[str, str], path: str) -> bool:
        arguments = [*container["command"], *container.get("args", ())]
        if source := _fill(container.get("source", ""), known):  # Argo makes no file of an empty script
            (self.scratch / "script").write_text(source)
            arguments.append("/tmp/script")
        return self._process([_fill(one, known) for one in arguments], container, known, path)

    def _place(self, mount: dict[str, Any], known: dict[str, str]) -> Path:
        """The folder that is mounted; all containers have one `/tmp`, which tests put files into."""
        below = _fill(mount.get("subPath", ""), known)
        if mount["name"] == "config":
            return self.scratch / "config"
        if mount["mountPath"] == "/tmp" or mount["name"] == "scratch":
            return self.scratch
        if mount["name"].startswith("scratch-"):
            own = {"scan": f"scanned/{mount['name'].removeprefix('scratch-')}"}.get(below, below)
            (self.scratch / own).mkdir(parents=True, exist_ok=True)
            return self.scratch / own
        if mount["name"].startswith("database-"):
            (self.scratch / "made" / below).mkdir(parents=True, exist_ok=True)
            return self.scratch / "made" / below
        if mount["name"].startswith("layers-"):
            return self._layers(mount)
        return (self.volume / below).resolve()

    def _layers(self, mount: dict[str, Any]) -> Path:
        """The files of layers of one scanner, which our own step has by the scan's name."""
        volume = self.scratch / "unpacked" / mount["name"]
        if mount["mountPath"] != LAYERS:
            volume.with_name(Path(mount["mountPath"]).name).mkdir(parents=True, exist_ok=True)
            volume.unlink(missing_ok=True)
            volume.symlink_to(Path(mount["mountPath"]).name)
        return volume.resolve()

    def _beside(self, mounted: dict[str, Path]) -> dict[str, Path]:
        """The folders in which the container that keeps reports finds those of several others, by their names."""
        kept = self.scratch / "kept"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        for place, folder in mounted.items():
            if place.startswith("/kept/"):
                (kept / Path(place).name).symlink_to(folder)
        return {"/var/run/argo": self.scratch / "argo", "/scanned": self.scratch / "scanned", "/kept": kept}

    def _process(self, command: list[str], container: dict[str, Any], known: dict[str, str], path: str) -> bool:
        places = {mount["mountPath"]: self._place(mount, known) for mount in container["volumeMounts"]}
        places |= self._beside(places) if container.get("name") == "keep" else {}
        if any(place.startswith(f"{LAYERS}/") for place in places):
            places[LAYERS] = self.scratch / "unpacked"
        for place in places.values():
            assert place.exists(), f"{path}: nothing to mount at {place}"
        mounted = re.compile(r"(?<![\w/.-])(" + "|".join(sorted(places, key=len, reverse=True)) + r")(?![\w.-])")

        def translate(text: str) -> str:
            return mounted.sub(lambda match: str(places[match[1]]), text)

        variables = expand_variables({one["name"]: _fill(_value(one), known) for one in container.get("env", ())})
        environment = {name: translate(value) for name, value in variables.items()}
        # Where the cluster has an image, this machine has the environment's own commands.
        search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            [translate(expand(one, variables)) for one in command],
            env={"PATH": search, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        self.output[path] = self.output.get(path, "") + done.stderr
        return done.returncode == 0


def _value(variable: dict[str, Any]) -> str:
    """Of a variable; one out of a Secret says which."""
    if "valueFrom" not in variable:
        return str(variable["value"])
    reference = variable["valueFrom"]["secretKeyRef"]
    return f"{reference['key']} of {reference['name']}"


def _fill(text: str, known: dict[str, str]) -> str:
    return _REFERENCE.sub(lambda match: known[match[1]], text)


def _when(text: str) -> bool:
    """`'a' == 'b' && 'c' =~ 'd'`."""
    return all(map(_compare, text.split(" && "))) if text else True


def _compare(text: str) -> bool:
    left, how, right = re.fullmatch(r"'(.*)' (=~|==|!=) '(.*)'", text).groups()  # type: ignore[union-attr]
    return re.search(right, left) is not None if how == "=~" else (left == right) is (how == "==")


def _depends(text: str, ended: dict[str, str]) -> bool:
    """`a && (b.Succeeded || b.Failed)`; a name alone stands for its success or its being skipped."""

    def holds(match: re.Match[str]) -> str:
        wanted = {match[2]} if match[2] else {"Succeeded", "Skipped"}
        return str(ended[match[1]] in wanted)

    expression = _TERM.sub(holds, text).replace("&&", "and").replace("||", "or")
    assert re.fullmatch(r"(True|False|and|or|[() ])*", expression)
    return not text or bool(eval(expression))
