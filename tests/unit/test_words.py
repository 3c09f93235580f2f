"""Plain words: the phrases in `words.txt` are in no documentation, message, comment or name.

The list is short on purpose. It names phrases that made people read a sentence twice.
"""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("words.txt")

#: Where the phrases are kept out.
PLACES = ("*.md", "docs/_site", ".github")


#: A word's edge. Other than in `\b`, an underscore parts words as a blank does, so names are read like sentences.
EDGE = r"(?:(?<![A-Za-z])(?=[A-Za-z])|(?<=[A-Za-z])(?![A-Za-z]))"


def phrases() -> list[tuple[re.Pattern[str], str]]:
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [re.split(r"\s{2,}", line, maxsplit=1) for line in lines]
    patterns = [phrase.replace(r"\b", EDGE).replace(" ", r"[\s_]+(?:#:?\s+)?") for phrase, _ in pairs]
    return [(re.compile(pattern, re.IGNORECASE), better) for pattern, (_, better) in zip(patterns, pairs, strict=True)]


def files() -> list[Path]:
    done = subprocess.run(["git", "ls-files", *PLACES], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in done.stdout.splitlines() if (path := ROOT / name).is_file() and path != LIST]


def test_the_list_finds_what_it_is_for() -> None:
    said = "A run that was cut off is gone on with; this run is told, the others are taken in. So_many shall be had."
    assert {better for pattern, better in phrases() if pattern.search(said)} == {
        "continues, resumes, is active",
        "is reported, is notified, is listed",
        "import, accept",
        "this many, that many",
        "must, should, will",
        "is available, can be read",
    }


@pytest.mark.parametrize(("pattern", "better"), phrases(), ids=lambda part: part if isinstance(part, str) else "")
def test_plain_words(pattern: re.Pattern[str], better: str) -> None:
    found = []
    for path in files():
        text = path.read_text(encoding="utf-8", errors="replace")
        name = path.relative_to(ROOT).as_posix()
        found += [f"{name}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]!r}" for hit in pattern.finditer(text)]
    assert found == [], f"write instead: {better}"
