"""What of a plan Argo runs: one small item per image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NotRequired, TypeAlias, TypedDict

import msgspec

from orchestrator.argo.parameters import Output, between_commas, items_output
from orchestrator.argo.reach import databases_out_of_reach, why_not_in_cluster
from orchestrator.git.tokens import secret_key
from orchestrator.git.url import PLAIN_PROJECT, project
from orchestrator.model import Decision, Plan
from orchestrator.model.plan import Pending, pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.model import Target

#: After the name of a scan that asks the API of a host; no name of a scan holds such a character.
ONLINE_SUFFIX = "_online"
#: An item in the display name of a node: its keys in alphabetical order, as Argo writes them.
_SHOWN = re.compile(
    r"\(\d+:image:(?P<image>.*?)(?:,scans:,[^:]*,)?(?:,server:[^,]*)?,target:[^,]*(?:,url:[^,]*,version:[^,]*)?\)$",
    re.DOTALL,
)


class Item(TypedDict):
    """One image or repository of a run, as Argo's `withItems` takes it.

    Argo names a node after its item, keys in alphabetical order, so `image` comes first for people who watch. All
    nodes below have that name in theirs, so an item holds nothing that it need not.

    Attributes:
        image: its first name; for people only.
        scans: names of its scans between commas, `,general,virus,`; not there where the template has just these. A scan
            that asks the API of a repository's host has `ONLINE_SUFFIX` after its name.
        server: of a repository, under which key `argo.gitSecret` has what its host gets; not there for an image.
        target: id of the target.
        url: of a repository, as its host's API knows it; not there for an image.
        version: of a repository, the commit; likewise.
    """

    image: str
    scans: NotRequired[str]
    server: NotRequired[str]
    target: str
    url: NotRequired[str]
    version: NotRequired[str]


Items: TypeAlias = "Mapping[str, Sequence[Mapping[str, Any]]]"
"""Items of a Workflow by the name of their task: of images, of repositories, of batches of SBOMs."""


def make_items(plan: Plan, scans: Pending, targets: Iterable[str]) -> tuple[Item, ...]:
    """Items of some targets, with those of their scans that are to run."""
    return tuple(_item(plan, plan.targets_by_id[id_], scans[id_]) for id_ in targets)


def is_repository(item: Item) -> bool:
    """Whether it is one of a repository."""
    return "url" in item


def image_of(node: str) -> str:
    """The name of the image whose item Argo put into the display name of a node; empty for another node."""
    found = _SHOWN.search(node)
    return found["image"] if found else ""


def by_task(items: Iterable[Item], sets: Mapping[str, frozenset[str]]) -> dict[str, list[Item]]:
    """Items by the name of the task that runs them; an empty list for a task that has nothing to do.

    Args:
        items: of one Workflow.
        sets: of names of scans by name of the set, each of which has a template of its own.
    """
    names = {scans: name for name, scans in sets.items()}
    found: dict[str, list[Item]] = {task: [] for task in (*map(items_output, ("", *sets)), Output.REPOSITORIES)}
    for item in items:
        scans = frozenset(filter(None, item.get("scans", "").split(",")))
        if is_repository(item):
            found[Output.REPOSITORIES].append(item)
        elif scans in names:
            found[items_output(names[scans])].append(Item(image=item["image"], target=item["target"]))
        else:
            found[items_output()].append(item)
    return found


def fit_for_cluster(plan: Plan) -> Plan:
    """The plan as pods can run it: cells of local files failed, and waves that hold just what runs.

    A file that lies on the volume can be read. The failed cells stay in the plan, so that the ledger accounts for
    them.
    """
    absent = {target.id: why for target in plan.targets if (why := why_not_in_cluster(target))}
    without = databases_out_of_reach(plan)
    if absent or without:
        cells = (
            msgspec.structs.replace(cell, decision=Decision.FAIL, reason=absent.get(cell.target) or without[cell.scan])
            if cell.decision is Decision.RUN and (cell.target in absent or cell.scan in without)
            else cell
            for cell in plan.cells
        )
        plan = msgspec.structs.replace(plan, cells=tuple(cells))
    running = pending(plan)
    waves = (tuple(id_ for id_ in wave if id_ in running) for wave in plan.waves or (tuple(running),))
    return msgspec.structs.replace(plan, waves=tuple(wave for wave in waves if wave))


def _item(plan: Plan, target: Target, scans: list[str]) -> Item:
    """An item; Argo replaces `{{…}}` in it, so a name (of a file, it can only be) that holds such is shown without."""
    shown = "".join(character if character.isprintable() else "?" for character in target.reference)
    shown = shown.replace("{{", "((").replace("}}", "))")
    if not target.is_repository:
        return Item(image=shown, scans=between_commas(scans), target=target.id)
    names = (f"{scan}{ONLINE_SUFFIX}" if (target.id, scan) in plan.online_cells else scan for scan in scans)
    url = project(target.pull) if PLAIN_PROJECT.fullmatch(project(target.pull)) else ""
    return Item(
        image=shown,
        scans=between_commas(list(names)),
        server=secret_key(target.pull),
        target=target.id,
        url=url,
        version=target.commit,
    )
