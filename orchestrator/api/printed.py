"""What commands print to programs that are no answers about runs' results: documents with a version; `docs/json.md`."""

from __future__ import annotations

from orchestrator.admission.rulings import Ruling  # noqa: TC001 - msgspec reads the annotations
from orchestrator.catalog.lock_file import LockChange  # noqa: TC001 - likewise
from orchestrator.jobs.plugin_model import JobPlugin  # noqa: TC001 - likewise
from orchestrator.kit.sources import Problem  # noqa: TC001 - msgspec reads the annotations
from orchestrator.model import Document, Scan
from orchestrator.model.base import SCHEMA_VERSION


class ScansList(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """The scans that there are.

    Attributes:
        scans: the shipped ones, and those that the configuration adds.
    """

    scans: tuple[Scan, ...]


class PluginsList(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """The plugins that tasks of jobs may name.

    Attributes:
        plugins: the shipped ones, and those that the configuration adds.
    """

    plugins: tuple[JobPlugin, ...]


class KeyExplanation(Document, frozen=True):
    """What a key means.

    Attributes:
        file: which file has it: `configuration`, `targets` (a CSV), `template`, `job`, `plugin` or `ignore`.
        key: its whole name, of a CSV that of the column; items of lists and names of mappings are not counted.
        type: what is written there.
        default: as it would be written; `required`, `none`, or `as below`.
        meaning: in words.
        example: YAML, from the top of the file on; for `targets` CSV.
        keys: the keys right below it.
    """

    file: str
    key: str
    type: str
    default: str
    meaning: str
    example: str
    keys: tuple[str, ...] = ()


class ExplanationsList(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """What a key means, in every file that has one of that name.

    Attributes:
        explanations: one for each file and key.
    """

    explanations: tuple[KeyExplanation, ...]


class ProblemsList(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """Mistakes in files that people write.

    Attributes:
        problems: in the order of the files; empty where there is none.
    """

    problems: tuple[Problem, ...]


class LockedList(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """What became of each scan in the lock file.

    Attributes:
        scans: all of them, those included of which nothing changed.
    """

    scans: tuple[LockChange, ...]


class AdmittedImage(Document, frozen=True):
    """Whether an image may run, and why.

    Attributes:
        image: as it was named.
        allowed: whether every rule is fulfilled.
        runs: the image as it would be started, by the digest that was verified; empty if it may not run.
        rulings: what each rule says that is about it; none where there is no rule at all.
    """

    image: str
    allowed: bool
    runs: str = ""
    rulings: tuple[Ruling, ...] = ()


class AdmissionsList(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """Which images may run.

    Attributes:
        images: in the order in which they were named.
    """

    images: tuple[AdmittedImage, ...]


class DistrustedScanner(Document, frozen=True, rename={"since": "from", "until": "to"}):
    """A scanner that is not trusted any more, or was not in a period.

    Attributes:
        scan: name of the scan, or a glob; empty for any.
        image: repository of its image; empty for any.
        digest: of its image; empty for any.
        version: of the scanner, or a glob; empty for any.
        since: the first day or moment; empty for all that was before.
        until: the last day or moment; empty for all that comes.
        reason: why.
    """

    reason: str
    scan: str = ""
    image: str = ""
    digest: str = ""
    version: str = ""
    since: str = ""
    until: str = ""


class DistrustedList(Document, frozen=True, tag_field=SCHEMA_VERSION, tag=1):
    """The scanners that are not trusted.

    Attributes:
        distrusted: those of the configuration, and those of `scanmatrix distrust`.
    """

    distrusted: tuple[DistrustedScanner, ...]
