"""The section `limits`: bounds of a run, and of making its plan."""

from __future__ import annotations

from orchestrator import model
from orchestrator.config.section import Keys


class ConfiguredLimits(model.Limits, frozen=True):
    """Bounds of a run, and what registries may cost while its plan is made.

    Attributes:
        lookup: what finding the images behind one reference may cost; one that costs more is a failed target, the
            others go through
        listing: what listing the tags of one repository, or a registry's catalogue, may cost
        planning: what all look-ups of one plan may cost together, and likewise all its lists; what is left when it is
            used up fails with that reason. Its `time` is the deadline of planning, repositories included: the look-ups,
            and before them the lists, may each take this long; in a cluster both have to fit the hour that the pod has
    """

    lookup: model.ReadBudget = model.ReadBudget()
    listing: model.ReadBudget = model.LISTING_BUDGET
    planning: model.ReadBudget = model.PLANNING_BUDGET

    def document(self, volume_bytes: int) -> model.Limits:
        """As the plan holds it, with the volume's budget beside it; what making it may cost is past by then."""
        bounds = {name: getattr(self, name) for name in model.Limits.__struct_fields__}
        return model.Limits(**bounds | {"volume_bytes": volume_bytes})


LIMITS = Keys(ConfiguredLimits, without=("volume_bytes",))
