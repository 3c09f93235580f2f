"""Plain words: the phrases in `words.txt` are in no documentation, message or comment, and in no name of a test.

The list is short on purpose. It names phrases that made people read a sentence twice.
"""

import io
import re
import tokenize
from functools import cache
from pathlib import Path

from tests.tracked import ROOT, tracked

LIST = Path(__file__).with_name("words.txt")

#: Where the phrases are kept out.
PLACES = ("*.md", "docs/_site", ".github", ".ci", "Makefile", "mkdocs.yml", "orchestrator", "workflows")
PLACES += ("templates/*.yaml", "argo-install", "tests/*.py")
UNREAD = {".lock", ".json", ".png", ".svg"}
WORDS = {tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


@cache
def phrases() -> dict[str, str]:
    """What to write instead, by the expression of a phrase; its blanks are also line breaks, within comments too."""
    lines = [line for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    pairs = [re.split(r"\s{2,}", line, maxsplit=1) for line in lines]
    return {phrase.replace(" ", r"\s+(?:#:?\s+)?"): better for phrase, better in pairs}


@cache
def literals(phrase: str) -> list[str]:
    """Plain text of which a phrase has at least one: looked for first, because that is many times faster."""
    parts = [re.findall(r"[a-z]+", part.replace(r"\b", " ")) for part in phrase.split(r"\s+(?:#:?\s+)?")]
    return max((part for part in parts if part), key=lambda words: min(map(len, words)))


def hits(phrase: str, text: str) -> list[re.Match[str]]:
    return list(re.finditer(phrase, text)) if any(word in text for word in literals(phrase)) else []


def said(path: Path) -> str:
    """What a file says in words, in small letters, each word in its line; of Python files without names but tests'."""
    text = path.read_text(encoding="utf-8", errors="replace").lower()
    if path.suffix != ".py" or not any(hits(phrase, text.replace("_", " ")) for phrase in phrases()):
        return text
    lines = [""] * (text.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_test = token.type == tokenize.NAME and token.string.startswith("test_")
        if is_test or token.type in WORDS:
            words = token.string.replace("_", " ") if is_test else token.string
            for number, line in enumerate(words.split("\n"), token.start[0] - 1):
                lines[number] += f" {line}"
    return "\n".join(lines)


def texts() -> dict[str, str]:
    paths = [ROOT / name for name in tracked(*PLACES)]
    mine = {LIST, Path(__file__).resolve()}
    read = [path for path in paths if path.is_file() and path.suffix not in UNREAD and path.resolve() not in mine]
    return {path.relative_to(ROOT).as_posix(): said(path) for path in read}


def test_the_list_finds_what_it_is_for(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text(
        'go_on = "A run that was cut off is gone on with."\n# This run is told, the others are taken\n# in.\n'
        "def test_so_many_shall_pass(): ...\n"
    )
    text = said(file)
    assert [better for phrase, better in phrases().items() if hits(phrase, text)] == [
        "continues, resumes, is active",
        "is reported, is notified, is listed",
        "import, accept",
        "must, should, will",
        "this many, that many",
    ]
    assert "go_on" not in text


def test_plain_words() -> None:
    found = [
        f"{name}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]!r}: write instead: {better}"
        for name, text in texts().items()
        for phrase, better in phrases().items()
        for hit in hits(phrase, text)
    ]
    assert found == []
