"""What each rule says of what asks to run, and all of them together."""

from orchestrator.model.base import Document


class Ruling(Document, frozen=True):
    """What one rule says.

    Attributes:
        rule: its key in the configuration, with the name of a policy: `admission.policies[0] (releases)`.
        passed: whether it is fulfilled.
        where: it is written, `file:line`.
        reason: why it is not fulfilled, or what was found.
        signer: who signed, for a rule about that.
    """

    rule: str
    passed: bool
    where: str = ""
    reason: str = ""
    signer: str = ""

    def __str__(self) -> str:
        """As a refusal names it."""
        return f"{self.where}: {self.rule}: {self.reason}" if self.where else f"{self.rule}: {self.reason}"


class Admission(Document, frozen=True):
    """Whether something may run.

    Attributes:
        what: asks.
        image: that it names.
        runs: the image as it must be started: by the digest that was verified, where one was; empty if it may not run.
        where: what asks was written.
        rulings: what every rule says that is about it.
    """

    what: str
    image: str
    runs: str = ""
    where: str = ""
    rulings: tuple[Ruling, ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether every rule is fulfilled."""
        return all(ruling.passed for ruling in self.rulings)

    @property
    def refusal(self) -> str:
        """Why it may not run, each rule with its place; empty if it may."""
        reasons = [str(ruling) for ruling in self.rulings if not ruling.passed]
        if not reasons:
            return ""
        place = f"{self.where}: " if self.where else ""
        return f"{place}{self.what} may not run: {'; '.join(reasons)}"
