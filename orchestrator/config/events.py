"""The section `events`: who may send events, what they start, and who is notified how that went."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from orchestrator.config.described import OrOne, ValueKind
from orchestrator.config.jobs import JobsSection
from orchestrator.config.kinds import Duration, Glob, PathText, ScanNames
from orchestrator.config.secret import SecretUrl, SecretWord
from orchestrator.config.section import CelRule, Section, SomeOf, WrongKey

#: The kinds of senders; each is a module of `orchestrator.receiving.senders`.
SenderName: TypeAlias = Literal[
    "acr", "artifactory", "distribution", "docker-hub", "ecr", "gar", "ghcr", "github", "gitlab", "harbor", "quay"
]
#: Those that sign, so that no secret need be in a path.
_SIGNING = ("ghcr", "github", "gitlab")
#: Senders of which no event tells the registry.
_WITHOUT_HOST = ("artifactory",)
#: Stands in `senders` of a rule for events that come to `/events` itself; no sender may be called so.
STANDARD = "cloudevents"

_Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"), ValueKind("name")]
_Globs = Annotated[tuple[Glob, ...], Field(min_length=1), OrOne()]


class EventSender(Section):
    """Somebody who sends events in a form of their own, to `/events/<name>`.

    Attributes:
        name: last part of the path that its events are sent to, or the one before the secret
        kind: which registry or git host it is ([events.md](events.md#senders))
        secret: that proves an event is its own, 16 characters or more; masked wherever it is shown
        in_path: whether the secret is the end of the path, for a sender that cannot prove itself otherwise; always so
            for `acr`, `docker-hub` and `quay`
        host: the registry as you name it (`registry.example.com`), where its events name it otherwise or not at all; of
            `artifactory` with the path that images lie below: `example.com/docker-local`
    """

    name: _Name
    kind: SenderName
    secret: SecretWord
    in_path: bool = False
    host: PathText | None = None

    across = (
        CelRule("self.name != 'cloudevents'", "cloudevents stands for events that come to /events itself"),
        CelRule(
            f"has(self.host) || !(self.kind in {list(_WITHOUT_HOST)!r})",
            "events of this kind do not name their registry: write it as host",
        ),
        CelRule(
            f"!self.inPath || !(self.kind in {list(_SIGNING)!r})",
            "this kind proves itself by the secret; leave inPath out",
        ),
    )

    @model_validator(mode="after")
    def _is_whole(self) -> EventSender:
        if self.name == STANDARD:
            raise WrongKey(("name",), f"{STANDARD} stands for events that come to /events itself; take another name")
        if self.kind in _WITHOUT_HOST and self.host is None:
            raise WrongKey(("host",), f"events of {self.kind} do not name their registry, so write it here")
        if self.in_path and self.kind in _SIGNING:
            raise WrongKey(
                ("in_path",), f"{self.kind} proves itself by the secret, which then stays out of logs of proxies"
            )
        return self


class EventRule(SomeOf):
    """Which pushes start a run, and of what; the first rule that is about a push holds.

    Attributes:
        name: for logs and metrics
        senders: names of senders, as globs; `cloudevents` for events that come to `/events` itself
        images: images whose push starts a run: `registry/repository` globs
        tags: of which the tag must match one
        untagged: whether pushes without a tag count as well; most are the parts of an image for several platforms,
            whose own push has one
        repositories: source repositories whose push starts a run: globs of their `https://` URLs
        refs: branches and tags of these
        scans: instead of those that the configuration has for such a target
        at_once: runs that it has under way at the same time, for each sender; more wait
    """

    choices = ("images", "repositories")
    nothing = "it is about nothing; list images or repositories"

    name: _Name
    senders: _Globs = ("*",)
    images: Annotated[tuple[Glob, ...], OrOne()] = ()
    tags: _Globs = ("*",)
    untagged: bool = False
    repositories: Annotated[tuple[Glob, ...], OrOne()] = ()
    refs: _Globs = ("*",)
    scans: ScanNames = ()
    at_once: Annotated[int, Field(ge=1, le=100)] = 2


class EventSink(Section):
    """Somebody who is sent CloudEvents of what runs do that events started.

    Attributes:
        url: where they are posted to; masked wherever it is shown
        secret: key of the signature, as of [webhooks](notifications.md); without one they are not signed
    """

    url: SecretUrl
    secret: SecretWord | None = None


class EventsSection(Section):
    """Events that start scans ([events.md](events.md)) and jobs; without rules and jobs, nothing is started.

    Attributes:
        senders: who sends events in a form of their own; CloudEvents from anybody with a token need none
        rules: which pushes start a run; the first one that matches holds
        jobs: events that start jobs of a `job/config.yaml`; none by default
        sinks: who is notified, by CloudEvents, that such a run, or job, has started, how it stands, and how it ended
        settle: how long the last push to a tag must be ago before it is scanned, so that of a burst only the newest is
        remember: how long an event is remembered, so that the same one starts nothing again
        waiting: most events that wait; beyond, a sender is asked to send them later
    """

    senders: tuple[EventSender, ...] = ()
    rules: tuple[EventRule, ...] = ()
    jobs: JobsSection | None = None
    sinks: tuple[EventSink, ...] = ()
    settle: Annotated[Duration, Field(le=3600)] = 5
    remember: Annotated[Duration, Field(ge=60, le=90 * 86400)] = 7 * 86400
    waiting: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000

    across = tuple(
        CelRule(
            f"self.{key}.all(a, self.{key}.exists_one(b, b.name == a.name))",
            f"two {key} have the same name; give each a name of its own",
        )
        for key in ("senders", "rules")
    )

    @field_validator("senders", "rules")
    @classmethod
    def _names_differ(cls, value: tuple[EventSender | EventRule, ...]) -> tuple[EventSender | EventRule, ...]:
        names = [each.name for each in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one is named {', '.join(twice)}; give each a name of its own")
        return value
