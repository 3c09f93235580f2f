"""No secret is written into a ConfigMap or a Workflow: everybody with access to the namespace can read those.

Secrets are found as a kind, not by a list of keys: every value that the configuration's types call a secret, every
value whose name says so by custom, and every text with a password or token in it (`orchestrator.kit.masking` has the
grammar). What only the environment of this process says is written nowhere, and so is nothing to refuse.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from orchestrator.config.environment import spell, variable_at
from orchestrator.config.file import CONFIG_FILE
from orchestrator.config.keys import alternatives, kind_of, section_at, type_at
from orchestrator.config.loading import Config
from orchestrator.config.secret import SecretUrl, variable_of
from orchestrator.kit.masking import find, is_secret
from orchestrator.kit.sources import Problem, spell_location
from orchestrator.kit.yaml_source import parse_yaml
from orchestrator.workflows.settings import RenderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from orchestrator.kit.sources import Location
    from orchestrator.model import Scan

# Names of Secrets to make, where the configuration names none yet.
_SECRET, _STORE = "scanmatrix-secrets", "scanmatrix-store"
_OPEN = "this goes into a ConfigMap or Workflow, which everybody with access to the namespace can read"
_WHY, _WHY_URL = f"is a secret, and {_OPEN}", f"is a secret, for who knows the URL can post to it, and {_OPEN}"
_NOT_FOR_SCANNERS = (
    "take it out, for a scanner is given no secret: let it ask a mirror that wants none, such as a cache, whose"
    " `secret` only its own pod gets"
)


def refuse_in_contents(config: Config, contents: Mapping[str, str]) -> None:
    """Refuse files that go into a ConfigMap with a secret in them, in a comment too.

    Args:
        config: names the Secrets that there are.
        contents: text by name; `scanmatrix.yaml` is the configuration.

    Raises:
        RenderError: there are some; the message has the place of each and what to do, and no value.
    """
    problems: list[Problem] = []
    if text := contents.get(CONFIG_FILE):
        problems += _of_configuration(config, text)
    told = {(problem.file, problem.line) for problem in problems}
    for name, text in contents.items():
        for number, line in enumerate(text.splitlines(), start=1):
            if (name, number) not in told and find(line):
                problems.append(Problem(name, number, f"what stands here {_WHY}: take it out"))
    _refuse(problems)


def refuse_in_scans(scans: Iterable[Scan]) -> None:
    """Refuse scans whose parameters, variables or commands are secrets by their names or their shape.

    Raises:
        RenderError: as `refuse_in_contents`.
    """
    _refuse(
        Problem(f"scan {scan.name}", 0, f"{where} {_WHY}: {_NOT_FOR_SCANNERS}")
        for scan in scans
        for where in sorted(set(_of_scan(scan)))
    )


def _refuse(problems: Iterable[Problem]) -> None:
    if lines := [str(problem) for problem in problems]:
        raise RenderError("\n".join(lines))


def _of_configuration(config: Config, text: str) -> Iterator[Problem]:
    """Secrets among the values of the file itself."""
    source = parse_yaml(text, CONFIG_FILE)
    for location, value in _leaves(source.data, ()):
        if not isinstance(value, str) or not value:
            continue
        kind, why = type_at(Config, location), _WHY
        if SecretStr in alternatives(kind):
            why = _WHY_URL if kind_of(kind) == kind_of(SecretUrl) else _WHY
            secret = not variable_of(SecretStr(value))
        else:
            # A section's own keys are known; what people name themselves says what it is.
            free = section_at(Config, location[:-1]) is None and isinstance(location[-1], str)
            secret = bool(find(value)) or (free and is_secret(str(location[-1]), value))
        if secret:
            key = spell_location(location)
            yield source.problem(location, f"{key} {why}: {_advice(location, config)}")


def _leaves(data: Any, location: Location) -> Iterator[tuple[Location, Any]]:
    """Every value of a document that is neither mapping nor list."""
    if not isinstance(data, (dict, list)):
        yield location, data
        return
    for step, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield from _leaves(value, (*location, step))


def _advice(location: Location, config: Config) -> str:
    """Where a secret belongs, as commands."""
    create = f"`kubectl -n {config.argo.namespace} create secret generic"
    if location[0] == "scans":
        return _NOT_FOR_SCANNERS
    if location[0] == "store":
        secret = config.argo.scheduler.store_secret or _STORE
        return (
            f"take it out; {create} {secret} --from-literal=url=…` and `argo: {{scheduler: {{storeSecret: {secret}}}}}`"
        )
    secret = config.argo.scheduler.environment_secret or _SECRET
    by_name = location[0] in {"notify", "events"}
    variable = "_".join(spell(str(step)) for step in location) if by_name else variable_at(location)
    do = f"write ${{{variable}}} there" if by_name else "take it out"
    return (
        f"{do}; {create} {secret} --from-literal={variable}=…` and"
        f" `argo: {{scheduler: {{environmentSecret: {secret}}}}}`"
    )


def _of_scan(scan: Scan) -> Iterator[str]:
    """Names of what in a scan is a secret."""
    named = [("parameter", scan.parameters), ("variable", scan.environment)]
    commands: list[Sequence[str]] = [scan.command]
    if scan.database:
        named.append(("variable of the database", scan.database.environment))
        commands += [scan.database.refresh, scan.database.load]
        named += [("key of the database", scan.database.fetch.settings)] if scan.database.fetch else []
    if scan.repository:
        commands.append(scan.repository.command)
        commands += [scan.repository.online.command] if scan.repository.online else []
    for what, values in named:
        yield from (f"{what} {name}" for name, value in values.items() if is_secret(name, value) or find(value))
    for words in commands:
        yield from (f"the command's word {number}" for number, word in enumerate(words, start=1) if find(word))
        for word, value in pairwise(words):
            if word.startswith("-") and not value.startswith("-") and is_secret(word.lstrip("-"), value):
                yield f"the command's option {word}"
