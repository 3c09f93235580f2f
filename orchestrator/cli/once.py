"""Commands that refuse an option that is given twice but holds only one value, of which the first would be dropped."""

from __future__ import annotations

from collections import Counter
from typing import Any

from typer.core import TyperCommand

from orchestrator.errors import UsageError


class OnceCommand(TyperCommand):
    """A command whose options of one value may be given once."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line.

        Raises:
            UsageError: an option is given twice.
        """
        if not ctx.resilient_parsing:
            _, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for parameter, times in Counter(order).items():
                if times > 1 and _holds_one(parameter):
                    name = max(parameter.opts, key=len)
                    raise UsageError(f"{name} is given {times} times, and holds one value: leave out all but one")
        return super().parse_args(ctx, args)


def _holds_one(parameter: Any) -> bool:
    is_option = parameter.param_type_name == "option"
    return is_option and not (parameter.multiple or parameter.is_flag or parameter.count)
