"""How the parts of a SARIF 2.1.0 document refer to each other: results to rules, messages to texts, places to bases.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; the numbers below are its sections.
"""

import re
from urllib.parse import unquote

from orchestrator.findings.sarif_document import Location, RuleReference, Run, SarifMessage, SarifResult, SarifRule
from orchestrator.kit.steady import is_temporary

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([0-9]{1,3})\}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_DRIVE = re.compile(r"/+[A-Za-z]:/")
# One text and many results that fill it in must not make a small report a large one.
_LONGEST_TEXT, _LONGEST_ARGUMENT, _MOST_PLACEHOLDERS = 2_000, 500, 20
# Bases that refer to bases; a chain longer than this goes round in a circle.
_MOST_BASES = 8


class SarifRules:
    """The rules of a run, found by index or id as a result names them (3.27.5 to 3.27.7)."""

    def __init__(self, run: Run) -> None:
        self._driver = run.tool.driver.rules or []
        self._extensions = [each.rules or [] for each in run.tool.extensions or ()]
        self._named = {each.name: each.rules or [] for each in run.tool.extensions or ()}
        self._by_id: dict[str, SarifRule] = {}
        for rules in (self._driver, *self._extensions):
            for rule in rules:
                self._by_id.setdefault(rule.id, rule)
        self._strings = run.tool.driver.global_message_strings or {}
        self.levels = {
            each.descriptor.id: each.configuration.level
            for invocation in run.invocations or ()
            for each in invocation.rule_configuration_overrides or ()
            if each.descriptor and each.descriptor.id and each.configuration
        }

    def of(self, result: SarifResult) -> SarifRule | None:
        """The rule of a result; None when the run does not describe it."""
        reference = result.rule or RuleReference()
        rules = self._of_component(reference)
        indexes = [each for each in (reference.index, result.rule_index) if each is not None and each >= 0]
        wanted = result.rule_id or reference.id
        if indexes and indexes[0] < len(rules) and (not wanted or _same_rule(wanted, rules[indexes[0]].id)):
            return rules[indexes[0]]
        if not wanted:
            return None
        # `CA1000/1` is a sub-rule of `CA1000` (3.27.5).
        return self._by_id.get(wanted) or self._by_id.get(wanted.rpartition("/")[0])

    def _of_component(self, reference: RuleReference) -> list[SarifRule]:
        """The rules of the extension that a reference names, by index or by name (3.54); else those of the driver."""
        component = reference.tool_component
        if component is None:
            return self._driver
        if component.index is not None and 0 <= component.index < len(self._extensions):
            return self._extensions[component.index]
        return self._named.get(component.name or "", self._driver)

    def text(self, message: SarifMessage | None, rule: SarifRule | None) -> str:
        """The text of a message, its placeholders filled (3.11.5); empty when there is none."""
        if message is None:
            return ""
        text = message.text or message.markdown
        if text is None and message.id:
            named = (rule.message_strings or {}).get(message.id) if rule else None
            named = named or self._strings.get(message.id)
            text = (named.text or named.markdown) if named else None
        if not text:
            return ""
        if not message.arguments:
            return text
        arguments = [str(each)[:_LONGEST_ARGUMENT] for each in message.arguments]
        return _PLACEHOLDER.sub(lambda match: _filled(match, arguments), text[:_LONGEST_TEXT], _MOST_PLACEHOLDERS)


def _same_rule(wanted: str, rule: str) -> bool:
    return wanted == rule or wanted.startswith(f"{rule}/")


def _filled(match: re.Match[str], arguments: list[str]) -> str:
    if match[1] is None:
        return match[0][0]
    return arguments[int(match[1])] if int(match[1]) < len(arguments) else match[0]


def path_of(run: Run, location: Location) -> str:
    """The path that a location names, relative to the root of what was scanned, or absolute where it says so.

    Bases that lead from there are put before it; the one that says where on the scanner's machine the root was (an
    absolute URI) is not: it is not the same in the next run. For the same reason an absolute path within a temporary
    folder that the run names as such a base, or as where the tool was started, is given relative to it. Without a file,
    the logical location's name.
    """
    physical = location.physical_location
    if physical is None or physical.artifact_location is None:
        named = (each.fully_qualified_name or each.name for each in location.logical_locations or ())
        return next((name for name in named if name), "")
    artifact = physical.artifact_location
    index = -1 if artifact.index is None else artifact.index
    if artifact.uri is None and run.artifacts and 0 <= index < len(run.artifacts):
        artifact = run.artifacts[index].location or artifact
    uri, bases = (artifact.uri or "").strip(), run.original_uri_base_ids or {}
    base = artifact.uri_base_id
    for _ in range(_MOST_BASES):
        known = bases.get(base or "")
        prefix = ((known.uri if known else None) or "").strip()
        if known is None or uri.startswith("/") or _SCHEME.match(uri) or _SCHEME.match(prefix):
            break
        if prefix not in {"", "/"}:
            uri = f"{prefix.rstrip('/')}/{uri}"
        base = known.uri_base_id
    return _below_roots(run, _plain(uri))


def _below_roots(run: Run, path: str) -> str:
    if not path.startswith("/"):
        return path
    bases = [each.uri for each in (run.original_uri_base_ids or {}).values()]
    started = [each.working_directory.uri for each in run.invocations or () if each.working_directory]
    for uri in (*bases, *started):
        root = _plain((uri or "").strip()).rstrip("/") + "/"
        if is_temporary(root) and path.startswith(root):
            return path[len(root) :]
    return path


def _plain(uri: str) -> str:
    """A relative reference or `file:` URI as a path; any other URI stays as it is."""
    if uri.startswith("file:"):
        path = uri[5:]
        if path.startswith("//") and not path.startswith("///"):
            host, divider, rest = path[2:].partition("/")
            if not divider:
                # `file://package.json`, as JFrog writes it: no host, but a relative path.
                return unquote(host)
            path = "/" + rest
        path = "/" + path.lstrip("/")
        return unquote(path[1:] if _DRIVE.match(path) else path)
    return uri if _SCHEME.match(uri) else unquote(uri.removeprefix("./"))
