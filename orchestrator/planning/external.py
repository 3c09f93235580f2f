"""The plan of a run of one cell whose report somebody else's tool wrote, so that it is a result like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.analysis.suppression.loading import load as load_suppression
from orchestrator.images.platforms import parse_platform
from orchestrator.images.reference import parse
from orchestrator.kit.digests import DIGEST
from orchestrator.kit.own import own_version
from orchestrator.model import Cell, Decision, Name, Plan, Scan, Target
from orchestrator.model.documents import spell_time
from orchestrator.model.labels import IMAGE_ID
from orchestrator.planning.inputs import Located
from orchestrator.planning.targets import make_id
from orchestrator.scanners.rules import rules_of

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.config.loading import Config

#: The scan of results that others put.
EXTERNAL = Scan(
    name="external",
    image="",
    command=(),
    format="cyclonedx",
    report="report.cdx.json",
    description="Results of other tools",
)
# Kubernetes spells the images of some container runtimes so.
_SCHEMES = ("docker-pullable://", "docker://", "containerd://", "cri-o://")


def target_of(config: Config, image: str, *, owner: str = "") -> Target:
    """The target that somebody means who puts the result of an image.

    Args:
        config: whose first platform it is taken for.
        image: its name or digest, as registries, container engines and Kubernetes spell it.
        owner: who answers for it; empty where nobody says.

    Raises:
        InvalidReference: it is no name of an image.
    """
    spelt = image
    for scheme in _SCHEMES:
        spelt = spelt.removeprefix(scheme)
    platform = parse_platform(config.platforms[0])
    bare = DIGEST.fullmatch(spelt) is not None
    reference = spelt if bare else str(parse(spelt))
    digest = spelt if bare else parse(spelt).digest
    name = Name(reference=reference, owner=owner, labels={IMAGE_ID: image})
    id_ = make_id(Located(platform=platform, digest=digest), reference)
    return Target(id=id_, names=(name,), platform=platform, digest=digest)


def external_plan(config: Config, target: Target, *, run: str, now: datetime) -> Plan:
    """The plan of a run that waits for the report of one external scan.

    Args:
        config: whose policy and ignore rules hold.
        target: of the report.
        run: id of the run.
        now: when it is made.

    Raises:
        SourceError: the ignore file, a VEX document or the list of denied scanners is missing, or has mistakes.
    """
    return Plan(
        run=run,
        created=spell_time(now),
        version=own_version(),
        scans=(EXTERNAL,),
        targets=(target,),
        cells=(Cell(target=target.id, scan=EXTERNAL.name, decision=Decision.AWAIT),),
        policy=config.policy,
        suppression=load_suppression(config, (EXTERNAL.name,), now=now),
        partial=True,
        distrusted=rules_of(config),
    )
