"""The HTML report without a browser: its numbers, what it leaves out, and that it holds no markup but its own."""

import base64
import hashlib
import io
import json
import os
from datetime import timedelta
from html.parser import HTMLParser
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.exports import load
from orchestrator.exports.html import export, write_report
from orchestrator.exports.interface import ExportRefusedError
from orchestrator.exports.report.counting import count
from orchestrator.exports.report.rows import _distinct
from orchestrator.exports.report.severities import WORST_FIRST
from orchestrator.exports.report.trend import gather
from orchestrator.model import Outcome, Severity, Suppressed, Verdict, Violation
from orchestrator.results.errors import NoResultsError
from orchestrator.results.run import RunResults
from orchestrator.results.tables.rows import open_merged
from orchestrator.volume.layout import Volume
from tests.examples import examples
from tests.results_of_runs import STARTED, make_found, make_ledger, make_row, put_demo, put_results

IGNORED = Suppressed(by="ignore.yaml:3", reason="not reachable", status="ignored", until="2025-06-01T00:00:00Z")
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "<!--",
    "a\u2028b\x00c",
    '"><b>',
    "{{ 7*7 }}",
)


class _Page(HTMLParser):
    """What a browser would see: elements and their attributes, the text of each section, of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self.raw: list[str] = []
        self._section = ""
        self._raw = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in {"section", "header"} or (tag == "title" and "title" not in self.sections):
            self._section = dict(attrs).get("id") or tag
        self._raw = tag in {"script", "style"}

    def handle_endtag(self, tag):
        self._raw = False
        if tag in {"td", "th", "span"}:
            self.handle_data(" ")
        if tag in {"section", "header"} or self._section == "title":
            self._section = ""

    def handle_data(self, data):
        if self._raw:
            self.raw.append(data)
        else:
            self.sections[self._section] = self.sections.get(self._section, "") + data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def words(self, section: str) -> str:
        return " ".join(self.sections[section].split())


class _Report(NamedTuple):
    page: _Page
    data: dict
    bytes: bytes

    def rows(self) -> list[dict]:
        """The rows of the table, decoded as the page's script does."""
        columns = self.data["columns"]
        return [
            {name: of["values"][of["codes"][row] if of["codes"] else 0] for name, of in columns.items()}
            for row in range(self.data["rows"])
        ]


def report(results: RunResults, **options) -> _Report:
    file = io.BytesIO()
    write_report(results, file, **options)
    page = _Page(file.getvalue().decode())
    return _Report(page, json.loads(page.raw[1]), file.getvalue())


@pytest.fixture
def volume(tmp_path) -> Volume:
    return Volume(tmp_path)


def numbers(results: RunResults, worst=100):
    with open_merged(results.folder / "merged.parquet") as file:
        return count(file, worst=worst)


def by_severity(counts) -> dict[str, int]:
    return {severity.value: number for severity, number in zip(WORST_FIRST, counts, strict=True) if number}


class TestNumbers:
    def test_what_two_scans_found_is_one_finding_of_the_target_and_one_of_each_cell(self, volume) -> None:
        rows = [make_row(scan="dependency"), make_row(scan="general")]
        found = [make_found(1, found_by=("dependency", "general")), make_found(2, severity=Severity.LOW)]
        of = numbers(put_results(volume, make_ledger(rows), {"app-1": found}))
        assert by_severity(of.severities) == by_severity(of.targets["app-1"]) == {"high": 1, "low": 1}
        assert by_severity(of.cells["app-1", "dependency"]) == {"high": 1, "low": 1}
        assert by_severity(of.cells["app-1", "general"]) == {"high": 1}

    def test_suppressed_findings_are_in_no_number_but_their_own(self, volume) -> None:
        found = [make_found(1), make_found(2, suppressed=IGNORED, fixed_version="2", kev=True)]
        of = numbers(put_results(volume, make_ledger([make_row()]), {"app-1": found}))
        assert by_severity(of.severities) == by_severity(of.cells["app-1", "dependency"]) == {"high": 1}
        assert by_severity(of.suppressed) == {"high": 1}
        assert (of.total, of.fixable, of.exploited) == (2, 0, 0)
        assert [package.package for package in of.packages] == ["p1"]
        assert [(rule.by, rule.status, rule.findings) for rule in of.rules] == [("ignore.yaml:3", "ignored", 1)]

    def test_packages_are_counted_over_targets_and_versions_the_worst_first(self, volume) -> None:
        rows = [make_row("app-1"), make_row("app-2")]
        found = {
            "app-1": [
                make_found(1, package="a", fixed_version="2"),
                make_found(2, package="a", version="9"),
                make_found(3, package="b", severity=Severity.CRITICAL),
                make_found(4, package="a", ecosystem="npm", severity=Severity.LOW),
                make_found(5, package=""),
            ],
            "app-2": [make_found(1, "app-2", package="a")],
        }
        packages = numbers(put_results(volume, make_ledger(rows), found)).packages
        assert [(each.ecosystem, each.package, by_severity(each.counts)) for each in packages] == [
            ("deb", "b", {"critical": 1}),
            ("deb", "a", {"high": 3}),
            ("npm", "a", {"low": 1}),
        ]
        assert (packages[1].targets, packages[1].fixable) == (2, 1)

    def test_the_worst_come_first_and_the_suppressed_last(self, volume) -> None:
        found = [
            make_found(0, severity=Severity.CRITICAL, suppressed=IGNORED),
            make_found(1, severity=Severity.UNKNOWN),
            make_found(2),
            make_found(3, epss=0.4),
            make_found(4, kev=True),
            make_found(5, severity=Severity.CRITICAL),
            make_found(6, epss=float("nan")),
        ]
        results = put_results(volume, make_ledger([make_row()]), {"app-1": found})
        assert numbers(results).worst == [5, 4, 3, 2, 6, 1, 0]
        assert numbers(results, worst=2).worst == [5, 4]

    def test_sums_do_not_depend_on_row_groups(self, volume, monkeypatch) -> None:
        whole = numbers(put_demo(volume, runs=1, targets=9, findings=300))
        monkeypatch.setattr("orchestrator.results.tables.writing._ROWS", 37)
        results = put_demo(volume, runs=1, targets=9, findings=300)
        with open_merged(results.folder / "merged.parquet") as file:
            assert len(list(file.groups())) > 5
        assert numbers(results) == whole


class TestTable:
    def test_has_every_finding_as_it_was_written(self, volume) -> None:
        results = put_demo(volume, runs=1, targets=9, findings=300)
        rows = report(results).rows()
        frame = results.merged
        assert len(rows) == len(frame) > 200
        assert {
            (row["target"], row["id"], row["package"], row["version"], row["suppressed_by"]) for row in rows
        } == set(frame[["target", "id", "package", "version", "suppressed_by"]].itertuples(index=False, name=None))
        ranks = [(row["suppressed"] != "", WORST_FIRST.index(row["severity"])) for row in rows]
        assert ranks == sorted(ranks)

    def test_what_is_left_out_is_said_with_the_place_where_it_is(self, volume) -> None:
        found = {"app-1": [make_found(number) for number in range(1200)]}
        results = put_results(volume, make_ledger([make_row()]), found)
        cut = report(results, rows=100)
        assert cut.data["rows"] == 100
        assert "1,100 of 1,200" in cut.page.words("findings")
        assert "merged.parquet" in cut.page.words("findings")
        assert "are not in this file" not in report(results).page.words("findings")

    def test_endless_texts_and_lists_are_bounded(self, volume) -> None:
        places = tuple(f"usr/lib/{number}" for number in range(5000))
        found = [make_found(1, package="x" * 1_000_000, locations=places)]
        written = report(put_results(volume, make_ledger([make_row()]), {"app-1": found}))
        row = written.rows()[0]
        assert row["package"].startswith("xxx")
        assert len(row["package"]) < 1000
        assert row["locations"][:2] == ["usr/lib/0", "usr/lib/1"]
        assert "4,992" in row["locations"][-1] or "4992" in row["locations"][-1]

    def test_several_of_a_thing_are_counted_and_their_places_named(self, volume) -> None:
        secret = make_found(1, kind="secret", package="", locations=("a.py",), count=2, places=("line 3", "line 9"))
        written = report(put_results(volume, make_ledger([make_row()]), {"app-1": [secret]}))
        (row,) = written.rows()
        assert (row["count"], row["places"]) == (2, ["line 3", "line 9"])
        assert "a.py ×2" in written.page.words("findings")

    def test_a_run_of_a_version_that_did_not_count_has_a_report(self, volume) -> None:
        results = put_results(volume, make_ledger([make_row()]), {"app-1": [make_found(1)]})
        path = results.folder / "merged.parquet"
        pq.write_table(pq.read_table(path).drop_columns(["count", "counts", "places"]), path)
        (row,) = report(results).rows()
        assert (row["count"], row["places"]) == (1, [])
        (merged,) = RunResults(volume, results.run).merged.itertuples()
        assert (merged.count, list(merged.counts), list(merged.places)) == (1, [], [])

    def test_names_of_targets_and_owners_come_from_the_ledger(self, volume) -> None:
        row = make_row(references=("a.example/x:1", "a.example/x:2"), owners=("one", "two"), platform="linux/arm64")
        head = report(put_results(volume, make_ledger([row]), {"app-1": [make_found()]})).data["head"]
        assert head["labels"] == ["a.example/x:1 (+1) linux/arm64"]
        assert head["owners"] == [["one", "two"]]


class TestPage:
    def test_title_says_run_date_and_verdict(self, volume) -> None:
        results = put_results(volume, make_ledger([make_row()], run="nightly-7"), {"app-1": []})
        title = report(results).page.words("title")
        assert all(part in title for part in ("nightly-7", "2025-03-03", "passed"))

    @pytest.mark.parametrize(("passed", "word"), [(False, "broken"), (True, "only warned")])
    def test_every_broken_rule_is_named_with_its_rows(self, volume, passed, word) -> None:
        broken = Violation(rule="no-secrets", message="2 secrets, 0 allowed", count=2, rows=("app-1 secret x",))
        verdict = Verdict(passed=passed, broken=("no-secrets: 2 secrets, 0 allowed",), rules=(broken,))
        row = make_row()
        page = report(put_results(volume, make_ledger([row], verdict=verdict), {"app-1": []})).page
        named = row.references[0]
        assert word in page.words("title")
        assert all(
            text in page.words("verdict") for text in ("no-secrets", "2 secrets, 0 allowed", f"{named} secret x")
        )

    def test_rules_known_only_in_words_are_shown_too(self, volume) -> None:
        ledger = make_ledger([make_row()], verdict=Verdict(passed=False, broken=("coverage: 1 of 2 failed",)))
        assert "coverage: 1 of 2 failed" in report(put_results(volume, ledger, {"app-1": []})).page.words("verdict")

    def test_cells_that_were_not_scanned_are_listed_with_their_reasons(self, volume) -> None:
        rows = [
            make_row(f"app-{number}", outcome=Outcome.FAILED, reason="killed at its timeout") for number in range(9)
        ]
        rows += [
            make_row("app-0", "virus", outcome=Outcome.SKIPPED, reason="fresh since yesterday"),
            make_row("app-0", "sbom"),
        ]
        page = report(put_results(volume, make_ledger(rows), {})).page
        words = page.words("unscanned")
        assert words.index("killed at its timeout 9") < words.index("fresh since yesterday 1")
        assert "and 5 more" in words
        assert "failed" in page.words("matrix")
        assert "skipped" in page.words("matrix")
        tips = [cell["title"] for cell in page.of("td") if "title" in cell]
        assert "failed: killed at its timeout" in tips
        assert "skipped: fresh since yesterday" in tips

    def test_many_reasons_are_cut_and_counted(self, volume) -> None:
        rows = [make_row(f"app-{n}", outcome=Outcome.FAILED, reason=f"reason {n:04}") for n in range(1000)]
        page = report(put_results(volume, make_ledger(rows), {})).page
        assert "800 cells" in page.words("unscanned")

    def test_of_many_targets_the_worst_are_shown_and_all_are_in_the_sums(self, volume) -> None:
        rows = [make_row(f"app-{number:04}") for number in range(1000)]
        found = {row.target: [make_found(1, row.target, severity=Severity.LOW)] for row in rows}
        found["app-0999"] = [make_found(1, "app-0999", severity=Severity.CRITICAL)]
        page = report(put_results(volume, make_ledger(rows), found)).page
        words = page.words("matrix")
        assert "app-0999" in words
        assert "app-0500" not in words
        assert "900 further targets 900 low" in words
        assert "All 1,000 targets 1,000" in words

    def test_owners_answer_for_their_targets(self, volume) -> None:
        rows = [make_row("a", owners=("one", "two")), make_row("b", owners=()), make_row("c", owners=("two",))]
        found = {"a": [make_found(1, "a")], "b": [make_found(1, "b", severity=Severity.CRITICAL)], "c": []}
        words = report(put_results(volume, make_ledger(rows), found)).page.words("owners")
        assert words.index("(nobody) 1 0") < words.index("one 0 1") < words.index("two 0 1")

    def test_a_run_without_cells_has_a_report(self, volume) -> None:
        written = report(put_results(volume, make_ledger([]), {}))
        assert written.data["rows"] == 0
        assert "no cells" in written.page.words("matrix")

    def test_the_same_run_gives_the_same_bytes(self, volume, tmp_path) -> None:
        one = report(put_demo(volume, runs=3, targets=9, findings=300))
        other = report(put_demo(Volume(tmp_path / "other"), runs=3, targets=9, findings=300))
        assert one.bytes == other.bytes


class TestOverTime:
    def test_earlier_runs_stand_in_the_order_of_time_and_later_ones_not_at_all(self, volume) -> None:
        days = {"run-b": 1, "run-a": 2, "run-d": 3, "run-c": 4}
        for run, day in days.items():
            ledger = make_ledger([make_row()], run=run, when=STARTED + timedelta(days=day))
            put_results(volume, ledger, {"app-1": [make_found(number) for number in range(day)]})
        points = gather(RunResults(volume, "run-d"), numbers(RunResults(volume, "run-d")))
        assert [(point.run, sum(point.counts)) for point in points] == [("run-b", 1), ("run-a", 2), ("run-d", 3)]

    def test_this_many_earlier_runs_the_latest_of_them(self, volume) -> None:
        for day in range(6):
            results = put_results(volume, make_ledger([], f"run-{day}", when=STARTED + timedelta(days=day)), {})
            os.utime(results.folder / "ledger.json", (day, day))
        points = gather(results, numbers(results), most=3)
        assert [point.run for point in points] == ["run-2", "run-3", "run-4", "run-5"]

    def test_suppressed_findings_are_apart_there_too(self, volume) -> None:
        put_results(
            volume, make_ledger([make_row()], "old"), {"app-1": [make_found(1), make_found(2, suppressed=IGNORED)]}
        )
        results = put_results(volume, make_ledger([], "new", when=STARTED + timedelta(days=1)), {})
        old, _ = gather(results, numbers(results))
        assert (sum(old.counts), old.suppressed) == (1, 1)

    def test_what_changed_since_the_run_before_is_said(self, volume) -> None:
        for day, many in enumerate((5, 2)):
            ledger = make_ledger([make_row()], f"run-{day}", when=STARTED + timedelta(days=day))
            results = put_results(volume, ledger, {"app-1": [make_found(number) for number in range(many)]})
        assert "High 2 ▼ 3 fewer" in report(results).page.words("verdict")

    @pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"run": 1}'])
    def test_an_earlier_run_that_is_damaged_is_passed_over(self, volume, damage, caplog) -> None:
        put_results(volume, make_ledger([], "bad"), {})
        results = put_results(volume, make_ledger([], "new", when=STARTED + timedelta(days=1)), {})
        (volume.results("bad") / "ledger.json").write_bytes(damage)
        assert "no earlier run" in report(results).page.words("trend")
        assert "bad" in caplog.text

    def test_an_earlier_run_without_merged_findings_is_named_without_numbers(self, volume) -> None:
        for day in range(3):
            results = put_results(volume, make_ledger([], f"run-{day}", when=STARTED + timedelta(days=day)), {})
        (volume.results("run-0") / "merged.parquet").unlink()
        words = report(results).page.words("trend")
        assert "run-0" in words
        assert "no merged findings" in words


class TestHostile:
    def _hostile(self, volume, text) -> _Report:
        row = make_row(references=(text,), owners=(text,), note=text)
        lost = make_row(scan="virus", outcome=Outcome.FAILED, reason=text, references=(text,))
        found = [
            make_found(
                1,
                id=text,
                aliases=(text,),
                title=text,
                package=text,
                version=text,
                purl=text,
                ecosystem=text,
                locations=(text,),
                fixed_version=text,
                rules=(text,),
                kind=text,
            ),
            make_found(2, suppressed=Suppressed(by=text, reason=text, status=text, until=text, justification=text)),
        ]
        broken = Violation(rule=text, message=text, count=1, rows=(text,))
        verdict = Verdict(passed=False, broken=(text,), rules=(broken,))
        return report(put_results(volume, make_ledger([row, lost], verdict=verdict), {"app-1": found}))

    @pytest.mark.parametrize("text", HOSTILE)
    def test_markup_in_any_name_stays_text(self, volume, text) -> None:
        usual = self._hostile(volume, "harmless").page
        written = self._hostile(volume, text)
        assert [tag for tag, _ in written.page.elements] == [tag for tag, _ in usual.elements]
        assert [sorted(attributes) for _, attributes in written.page.elements] == [
            sorted(attributes) for _, attributes in usual.elements
        ]
        assert written.rows()[0]["package"] == text

    @given(text=st.text(min_size=1, max_size=40))
    @settings(max_examples=examples(10), suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_text_comes_back_out_of_the_json(self, volume, text) -> None:
        row = self._hostile(volume, text).rows()[0]
        assert (row["package"], row["title"], row["locations"]) == (text, text, [text])

    def test_the_page_allows_its_own_script_and_style_and_nothing_else(self, volume) -> None:
        page = report(put_results(volume, make_ledger([make_row()]), {"app-1": [make_found()]})).page
        policy = next(
            each["content"] for each in page.of("meta") if each.get("http-equiv") == "Content-Security-Policy"
        )
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        style, _, script = page.raw
        for text, directive in ((style, "style-src"), (script, "script-src")):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"{directive} 'sha256-{digest}'" in policy

    def test_nothing_is_loaded_from_anywhere(self, volume) -> None:
        page = report(put_demo(volume, runs=2, targets=9, findings=300)).page
        assert not [attributes for _, attributes in page.elements if "src" in attributes or "style" in attributes]
        assert not page.of("link")
        assert all(link["href"].startswith("#") for link in page.of("a"))


class TestExport:
    def test_is_found_by_its_name_and_writes_beside_the_results(self, volume) -> None:
        results = put_results(volume, make_ledger([make_row()]), {"app-1": []})
        where = load("html").export(results, None)
        assert where == str(results.folder / "report.html")
        assert (results.folder / "report.html").read_bytes() == report(results).bytes

    def test_writes_where_it_should(self, volume, tmp_path) -> None:
        results = put_results(volume, make_ledger([]), {})
        assert export(results, None, str(tmp_path / "new" / "x.html")) == str(tmp_path / "new" / "x.html")
        assert (tmp_path / "new" / "x.html").exists()

    def test_a_place_that_is_no_file_is_refused_and_nothing_is_left(self, volume, tmp_path) -> None:
        results = put_results(volume, make_ledger([]), {})
        (tmp_path / "folder" / "inner").mkdir(parents=True)
        with pytest.raises(ExportRefusedError, match="folder"):
            export(results, None, str(tmp_path / "folder"))
        assert [each.name for each in tmp_path.iterdir() if each.suffix == ".tmp"] == []

    @pytest.mark.parametrize("damage", [None, b"", b"PAR1 no parquet PAR1"])
    def test_without_whole_merged_findings_there_is_no_report(self, volume, damage) -> None:
        results = put_results(volume, make_ledger([]), {})
        if damage is None:
            (results.folder / "merged.parquet").unlink()
        else:
            (results.folder / "merged.parquet").write_bytes(damage)
        with pytest.raises(NoResultsError, match="run --resume run-1"):
            export(results, None)
        assert not (results.folder / "report.html").exists()

    def test_a_run_without_a_ledger_has_no_report(self, volume) -> None:
        with pytest.raises(NoResultsError):
            export(RunResults(volume, "nothing"), None)

    def test_the_ledger_may_be_given_before_it_is_written(self, volume) -> None:
        results = put_results(volume, make_ledger([make_row()]), {"app-1": [make_found()]})
        written = report(results).bytes
        early = RunResults(volume, results.run)
        early.ledger = results.ledger
        (results.folder / "ledger.json").unlink()
        assert report(early).bytes == written


LISTS = st.lists(st.lists(st.text(st.sampled_from("ab1;\x1f"), max_size=3), max_size=3), max_size=12)


@given(LISTS, st.lists(st.text(max_size=2) | st.none(), max_size=8))
def test_distinct_values_and_their_places_give_the_column_again(lists, texts):
    for values, kind in ((lists, pa.list_(pa.string())), (texts, pa.string())):
        distinct, places = _distinct(pa.array(values, kind))
        assert [distinct[place] for place in places.to_pylist()] == values


def test_a_value_of_many_rows_is_read_once():
    distinct, _ = _distinct(pa.array([["a", "b"], [], ["a", "b"], [""], ["a"]] * 100))
    assert distinct == [["a", "b"], [], [""], ["a"]]
