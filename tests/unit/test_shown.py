"""Any text of strangers in each kind of output: nothing hidden survives, honest names do."""

import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from orchestrator.analysis.summary import summarise
from orchestrator.cli import output
from orchestrator.cli.tables import TableColumn, print_table
from orchestrator.exports.sarif_results import _cut
from orchestrator.kit.text import csv_cell
from orchestrator.model import Ledger, LedgerRow, Outcome, Severity, Verdict, Violation
from orchestrator.notifications.text import line
from orchestrator.results.tables.cells import for_csv
from tests.examples import examples

BAD = "\x00\x07\x1b\x7f\x9b\r\n\t\u200b\u200e\u200f\u061c\u202e\u2066\u2069\u2028\u2029\ufeff"
ANY = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from(BAD + "|`[](<@;=+-\\"), max_size=60)
HONEST = ["ubuntu:20.04", "图像/应用", "été", "🐳", "Ελληνικά", "שלום"]


def hidden(text: str) -> list[str]:
    return [each for each in text if each != "\n" and unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


def row(text: str) -> LedgerRow:
    return LedgerRow(
        cell="t/s", target="t", scan="s", references=(text,), owners=(text,), outcome=Outcome.FAILED, reason=text
    )


def table(text: str) -> str:
    with redirect_stdout(StringIO()) as out:
        print_table(text, [TableColumn(text), TableColumn("n")], [[text, "1"], [[text, text], "2"]])
        output.say(text)
    return out.getvalue()


def message(text: str) -> str:
    with redirect_stderr(StringIO()) as err, redirect_stdout(StringIO()):
        output.complain(text)
    assert err.getvalue().count("\n") == 1
    return err.getvalue()


def summary(text: str) -> str:
    broken = Violation(rule=text, message=text, count=1, rows=(text,))
    verdict = Verdict(passed=False, broken=(text,), rules=(broken,))
    ledger = Ledger(run="r", created="", finished="", rows=(row(text),), verdict=verdict)
    return summarise(ledger, {"t": {Severity.HIGH: 1}}, [text])


def cells(text: str) -> str:
    made = for_csv(pa.table({"title": [text, "x"], "aliases": [[text, text], []]}))
    assert made.column_names == ["title", "aliases"]
    assert made["title"].to_pylist() == [csv_cell(text), "x"]
    assert made["aliases"].to_pylist() == [csv_cell(f"{text};{text}"), ""]
    return "".join(made["title"].to_pylist() + made["aliases"].to_pylist()).replace("\n", "\x00")


SINKS = {
    "table": table, "message": message, "summary": summary, "csv": cells, "notification": line, "sarif": _cut,
}  # fmt: skip


CELLS = st.lists(st.text(alphabet="aZ09 ;=+-@'\"\\\n\x7f~|u,\u00e9\uff1d", max_size=4) | st.none(), max_size=6)


@settings(max_examples=examples(80), deadline=None)
@given(texts=CELLS, begin=st.integers(0, 3))
@example(texts=["", "a", "", ""], begin=1)
@example(texts=["=", "a"], begin=1)
def test_every_cell_of_a_column_is_made_safe_and_no_other_changed(texts: list[str | None], begin: int) -> None:
    column = pa.array(texts, pa.string()).slice(begin)  # which shares the bytes of those before
    made = for_csv(pa.table({"it": column}))["it"].to_pylist()
    assert made == [text if text is None else csv_cell(text) for text in texts[begin:]]


@pytest.mark.parametrize("sink", SINKS)
@settings(deadline=None, max_examples=examples(20))
@given(text=ANY)
@example(text=BAD)
def test_nothing_hidden_survives(sink: str, text: str) -> None:
    assert not hidden(SINKS[sink](text))


@pytest.mark.parametrize("text", HONEST)
@pytest.mark.parametrize("sink", SINKS)
def test_honest_names_do(sink: str, text: str) -> None:
    assert text in SINKS[sink](text)


def test_a_notification_keeps_to_its_length() -> None:
    assert len(line(BAD * 100, 150)) <= 150
