"""Which images may run, and why: what `scanmatrix admit` prints.

for found in admit(config, ["ghcr.io/example/load-test:1.4"]):
print(found.image, found.allowed, found.refusal)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.admission.judging import AdmissionJudge
from orchestrator.admission.request import AdmissionRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.admission.request import AskerKind
    from orchestrator.admission.rulings import Admission
    from orchestrator.config.loading import Config


def admit(
    config: Config, images: Iterable[str], *, kind: AskerKind = "task", offline: bool = False
) -> tuple[Admission, ...]:
    """What the rules of a configuration say of images; nothing is started.

    Args:
        config: has the rules.
        images: by their names.
        kind: what would run them: a scan needs a digest where signatures are wanted, a task may have to be a plugin.
        offline: ask no registry.

    Returns:
        The answer for each image, in their order.

    Raises:
        TemporaryError: a registry does not answer, or is not asked: that is neither yes nor no.
        ImageError: there is no such image, or the registry refuses access.
        UsageError: a key, or the roots of a Sigstore, cannot be used.
    """
    with AdmissionJudge(config, offline=offline) as judge:
        return tuple(judge.judge(AdmissionRequest(what=f"image {image}", image=image, kind=kind)) for image in images)
