"""The step before a worker's pod begins: the folders of both its containers, and the program that runs the scanner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.argo.beside import INPUTS, LAYERS, LIFE, OUTPUTS, OWN, OWN_AT
from orchestrator.argo.feeder import Feeder
from orchestrator.steps.static_program import find_program
from orchestrator.volume.layout import Volume

if TYPE_CHECKING:
    from orchestrator.argo.commands import BesideStep


def make_folders(step: BesideStep) -> None:
    """Make all folders that the scanner's container mounts, as our user: the kubelet would make them as root.

    Raises:
        PermanentError: our image lacks the program.
        OSError: the volume or the pod's folder cannot be written.
    """
    volume = Volume(step.volume)
    folders = [step.to / INPUTS, step.to / LAYERS, *(step.to / OWN / name for name in OWN_AT)]
    for folder in (*folders, volume.worker(step.worker), volume.databases(step.scan)):
        folder.mkdir(parents=True, exist_ok=True)
    (step.to / LIFE).touch()  # from here on the worker has its time to show that it is there
    Feeder(step.to / INPUTS, step.to / OWN / OUTPUTS).prepare(find_program())
