"""The decision: every rule about what asks to run, and for images that must be signed, what their registry has.

Policies compose as a truth table. Every policy about an image must be fulfilled; of the authorities of one, one
suffices; an image that no policy is about is denied. A registry is asked only about an image that everything else
allows: a name that strangers write leads nowhere else.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from orchestrator.admission import policies
from orchestrator.admission.bounds import of_cluster
from orchestrator.admission.rulings import Admission, Ruling
from orchestrator.admission.signatures.verifying import Signed, Signers
from orchestrator.admission.subjects import Subject, Subjects
from orchestrator.config.admission import AdmissionSection
from orchestrator.errors import TemporaryError
from orchestrator.images.registry.client import RegistryClient
from orchestrator.kit.advice import ours
from orchestrator.net.errors import InvalidReference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from orchestrator.admission.request import AdmissionRequest
    from orchestrator.config.admission import AdmissionPolicy
    from orchestrator.config.loading import Config


class RegistryNotAskedError(TemporaryError):
    """A decision needs what a registry has, and nobody may ask it now."""

    most_retries = 0


def for_tasks(config: Config) -> Config:
    """A configuration as tasks of jobs are judged by it: where it has no rules, what can be forbidden is."""
    return config.model_copy(update={"admission": config.admission or AdmissionSection()})


class AdmissionJudge:
    """Decides by one configuration; one for many requests and threads, to be used as a context.

    Args:
        config: has the rules, and says where registries are read.
        client: asks registries; by default one of its own.
        offline: whether registries are asked at all.
    """

    def __init__(self, config: Config, *, client: RegistryClient | None = None, offline: bool = False) -> None:
        self._config, self._client, self._offline = config, client, offline
        self._signers = Signers(config.base)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def judge(self, request: AdmissionRequest) -> Admission:
        """Whether something may run, and as what.

        Raises:
            TemporaryError: a registry does not answer, or may not be asked: that is neither yes nor no.
            UsageError: a key, or the roots of a Sigstore, cannot be used.
        """
        section = self._config.admission
        if section is None and self._config.allow is None:
            return Admission(what=request.what, image=request.image, runs=request.image, where=request.where)
        found = list(of_cluster(self._config, section, request)) if section else []
        digest = ""
        if not request.own:
            try:
                image = policies.ImageName(request)
            except InvalidReference as error:
                found.append(Ruling(rule="the name of the image", passed=False, reason=str(error)))
            else:
                found += policies.by_allow(self._config, image)
                if section:
                    found += self._of_name(section, request, image)
                    digest = self._of_signatures(section, request, image, found)
        admission = Admission(what=request.what, image=request.image, where=request.where, rulings=tuple(found))
        if not admission.allowed:
            return admission
        runs = request.image if not digest or "@" in request.image else f"{request.image}@{digest}"
        return Admission(
            what=request.what, image=request.image, runs=runs, where=request.where, rulings=admission.rulings
        )

    def _of_name(
        self, section: AdmissionSection, request: AdmissionRequest, image: policies.ImageName
    ) -> Iterator[Ruling]:
        if section.plugins_only and request.kind == "task":
            wrong = "it names an image of its own; name a plugin"
            yield policies.ruling(self._config, ("admission", "pluginsOnly"), "admission.pluginsOnly", wrong)
        yield from policies.by_digest(self._config, section, image)
        if section.policies is None:
            return
        about = policies.about(section, image)
        yield from policies.by_spelling(self._config, image)
        if not about:
            yield policies.unmentioned(self._config, image)
        for number, policy in about:
            yield from policies.by_name(self._config, number, policy, image)

    def _of_signatures(
        self, section: AdmissionSection, request: AdmissionRequest, image: policies.ImageName, found: list[Ruling]
    ) -> str:
        """What must be signed, judged; the digest that was verified, if any."""
        wanted = [(number, policy) for number, policy in policies.about(section, image) if policy.authorities]
        if not wanted:
            return ""
        refused = not all(ruling.passed for ruling in found)
        subject: Subject | None = None
        for number, policy in wanted:
            if refused:
                wrong = "its signatures were not looked at, because it may not run anyway"
                found.append(policies.of_policy(self._config, number, policy, "authorities", wrong))
                continue
            if request.kind == "scan" and not image.own.digest:
                wrong = f"signatures are of digests, and {image.own} is named by a tag: run {ours('lock')}"
                found.append(policies.of_policy(self._config, number, policy, "authorities", wrong))
                continue
            subject = subject or self._subjects().of(image.own)
            found += self._of_policy(number, policy, subject)
        return subject.digest if subject else ""

    def _of_policy(self, number: int, policy: AdmissionPolicy, subject: Subject) -> Iterator[Ruling]:
        wanted = [("authorities", "", "")]
        wanted += [("attestations", f"{one.predicate_type}: ", one.predicate_type) for one in policy.attestations]
        for key, before, predicate_type in wanted:
            answer = subject.find(self._signers, policy.authorities, predicate_type)
            if isinstance(answer, Signed):
                passed = policies.of_policy(self._config, number, policy, key, "")
                yield Ruling(
                    rule=passed.rule,
                    passed=True,
                    where=passed.where,
                    reason=f"{before}{answer.place}",
                    signer=str(answer.by),
                )
            else:
                wrong = f"{before}no authority has signed {subject.digest}: {answer}"
                yield policies.of_policy(self._config, number, policy, key, wrong)

    def _subjects(self) -> Subjects:
        if self._offline:
            raise RegistryNotAskedError(
                "whether it is signed, only its registry knows, which is not asked offline; run it again without that"
            )
        if self._client is None:
            limits = self._config.limits
            self._client = self._stack.enter_context(
                RegistryClient(self._config.insecure, limits.retries, caches=self._config.cache)
            )
        config = self._config
        return Subjects(self._client, caches=config.cache, insecure=config.insecure, budget=config.limits.lookup)
