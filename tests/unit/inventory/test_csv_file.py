"""CSVs of targets as people and spreadsheets write them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.inventory.csv_file import parse_csv
from orchestrator.inventory.interface import Entry, InventoryError
from orchestrator.model import TargetKind

SCANS = ("general", "sbom", "virus")


def read(text: str) -> list[Entry]:
    return parse_csv(text, "targets.csv", SCANS)


def told(text: str) -> list[str]:
    with pytest.raises(InventoryError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def test_columns_in_any_order_others_are_labels():
    [entry] = read("Owner , environment,IMAGE,scans,Tier\nme@example.com,prod,ubuntu:20.04,general; virus ;,\n")
    assert entry == Entry(
        reference="ubuntu:20.04",
        scans=("general", "virus"),
        owner="me@example.com",
        labels={"environment": "prod"},
        origin="targets.csv:2",
    )


def test_an_image_alone_is_enough():
    assert [entry.reference for entry in read("image\na\nb:1\n")] == ["a", "b:1"]


def test_default_and_all_scans():
    assert [entry.scans for entry in read("image,scans\na,\nb,*\nc\n")] == [(), ("*",), ()]


def test_comments_blank_lines_quotes_and_line_ends():
    text = (
        '# the "list\r\n\r\n  # of, "ours\r\nimage,scans,owner,note\r\n'
        '"a:1","general;sbom","Doe, Jane","said ""no"""\r\n'
        "\r\n#b:1,general\r\n,,,\r\n"
        'c:1,,,"two\r\n# lines"\r\nd:1\r\n'
    )
    entries = read(text)
    assert [(entry.reference, entry.origin) for entry in entries] == [
        ("a:1", "targets.csv:5"),
        ("c:1", "targets.csv:9"),
        ("d:1", "targets.csv:11"),
    ]
    assert (entries[0].owner, entries[0].labels) == ("Doe, Jane", {"note": 'said "no"'})
    assert "# lines" in entries[1].labels["note"]


def test_tabs_may_separate_columns():
    [entry] = read("image\tscans\towner\na\tgeneral;virus\tme, too\n")
    assert (entry.scans, entry.owner) == (("general", "virus"), "me, too")


def test_a_spreadsheets_formula_is_data():
    [entry] = read('image,owner\na,"=HYPERLINK(""http://x"")"\n')
    assert entry.owner == '=HYPERLINK("http://x")'


def test_a_malformed_reference_is_kept_for_the_plan_to_tell():
    assert [entry.reference for entry in read("image\nUPPER//x\nok:1\n")] == ["UPPER//x", "ok:1"]


@pytest.mark.parametrize(
    ("text", "where", "word"),
    [
        ("", 1, "empty"),
        ("image,repository\na,https://host/x\n", 2, "a row of its own"),
        ("image,repository,owner\n,,me\n", 2, "the image or the repository is missing"),
        ("image,ref\na,main\n", 2, "a ref belongs to a repository"),
        ("repository\nhttps://me:hunter2@host/x\n", 2, "SCANMATRIX_GIT_TOKEN"),
        ("repositry,scans\na,general\n", 1, "'repository'"),
        ("# nothing\n\n", 1, "empty"),
        ("images,scans\na,b\n", 1, "'image'"),
        ("a,general\n", 1, "no column 'image'"),
        ("image;scans;owner\na;general;virus;me\n", 1, "commas"),
        ("image|scans\na|b\n", 1, "no column 'image'"),
        ("image,image\na,b\n", 1, "twice"),
        ("image,scan\na,general\n", 1, "'scans'"),
        ("image,scans,owners\na,general,me\n", 1, "'owner'"),
        ("image,scans\n,general\n", 2, "image is missing"),
        ("image,scans\na,generl\n", 2, "'general'"),
        ("image,scans\na,general,sbom\n", 2, "3 cells for 2 columns"),
        ("image,scans,\na,general,x\n", 2, "without a name"),
        ('image,scans\na,"general\nb,sbom\n', 2, "never closed"),
        ('image,scans\na,"general"x\n', 2, "expected"),
        ("image,scans\na," + "x" * 200_000 + "\n", 2, "limit"),
    ],
)
def test_each_mistake_at_its_line(text, where, word):
    [problem] = told(text)
    assert problem.startswith(f"targets.csv:{where}: ")
    assert word in problem


def test_mistakes_of_all_rows_are_reported_at_once():
    assert [line.split(":")[1] for line in told("image,scans\na,x\nb,general\n,\n,sbom\nc,y;z\n")] == [
        "2",
        "5",
        "6",
        "6",
    ]


_cell = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20).map(str.strip)


@given(st.lists(st.tuples(_cell.filter(lambda text: text and not text.startswith("#")), _cell, _cell), max_size=8))
def test_what_a_spreadsheet_writes_is_read_back(rows):
    file = io.StringIO()
    csv.writer(file).writerows([("image", "owner", "note"), *rows])
    found = [(entry.reference, entry.owner, entry.labels.get("note", "")) for entry in read(file.getvalue())]
    assert found == rows


@given(st.text(st.sampled_from('image,scans\n\r\t";#* a1'), max_size=80))
def test_any_text_is_entries_or_told_mistakes(text):
    try:
        entries = read(text)
    except InventoryError as error:
        well = bool(error.problems)
    else:
        well = all(entry.reference for entry in entries)
    assert well


def test_rows_of_repositories_beside_rows_of_images():
    text = (
        "image,repository,ref,scans,owner\n"
        "ubuntu:20.04,,,general,me\n"
        ",https://github.com/example/shop,v1.2,sbom,shop@example.com\n"
        ",git@host:team/x.git,,,\n"
    )
    image, tagged, head = read(text)
    assert (image.reference, image.kind, image.ref, image.name) == (
        "ubuntu:20.04",
        TargetKind.IMAGE,
        "",
        "ubuntu:20.04",
    )
    assert (tagged.reference, tagged.kind, tagged.ref) == (
        "https://github.com/example/shop", TargetKind.REPOSITORY, "v1.2",
    )  # fmt: skip
    assert tagged.name == "https://github.com/example/shop#v1.2"
    assert (tagged.scans, tagged.owner, tagged.labels) == (("sbom",), "shop@example.com", {})
    assert (head.ref, head.name) == ("HEAD", "git@host:team/x.git")


def test_repositories_alone():
    assert [entry.ref for entry in read("repository,ref\nhttps://host/a,\nhttps://host/b,main\n")] == ["HEAD", "main"]


def test_a_password_is_not_repeated():
    assert "hunter2" not in "".join(told("repository\nhttps://me:hunter2@host/x\n"))
