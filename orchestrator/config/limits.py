"""The section `limits`: bounds of a run, and of making its plan."""

from __future__ import annotations

from orchestrator import model
from orchestrator.config.section import Keys


class Limits(model.Limits, frozen=True):
    """Bounds of a run, and what registries may cost while its plan is made."""

    lookup: model.ReadBudget = model.ReadBudget()
    listing: model.ReadBudget = model.LISTING_BUDGET
    planning: model.ReadBudget = model.PLANNING_BUDGET

    def document(self, volume_bytes: int) -> model.Limits:
        """As the plan holds it, with the volume's budget beside it; what making it may cost is past by then."""
        bounds = {name: getattr(self, name) for name in model.Limits.__struct_fields__}
        return model.Limits(**bounds | {"volume_bytes": volume_bytes})


LIMITS = Keys(Limits, without=("volume_bytes",))
