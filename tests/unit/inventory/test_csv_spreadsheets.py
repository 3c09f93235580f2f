"""CSVs of targets as spreadsheets write them: other separators and encodings, and tags in a column of their own."""

import codecs
from types import SimpleNamespace

import pytest

from orchestrator.api.lint import lint_file
from orchestrator.inventory.csv_file import parse_csv, read_csv
from orchestrator.inventory.interface import InventoryError

SCANS = ("general", "sbom", "virus")
HASH = "ab" * 32


def read(text):
    return parse_csv(text, "targets.csv", SCANS)


def told(text):
    with pytest.raises(InventoryError) as caught:
        read(text)
    return [str(problem) for problem in caught.value.problems]


def read_bytes(data, tmp_path):
    path = tmp_path / "targets.csv"
    path.write_bytes(data)
    source = SimpleNamespace(csv=SimpleNamespace(path=str(path), git=None))
    return read_csv(source, SimpleNamespace(base=tmp_path, scans=SCANS))


@pytest.mark.parametrize(
    "text",
    [
        '"owner";"image";"scans"\r\n"J\u00fcrgen";"nginx:1";"general;virus"\r\n',
        'owner;image;scans\nJ\u00fcrgen;nginx:1;"general;virus"\n',
        'sep=;\r\nowner;image;scans\r\nJ\u00fcrgen;nginx:1;"general;virus"\r\n',
        "sep=\t\r\nowner\timage\tscans\r\nJ\u00fcrgen\tnginx:1\tgeneral;virus\r\n",
        '"sep=;"\r\nowner;image;scans\r\nJ\u00fcrgen;nginx:1;"general;virus"\r\n',
        'sep=;;;\r\nowner;image;scans;\r\nJ\u00fcrgen;nginx:1;"general;virus";\r\n',
        '"# ours; theirs";;\r\nowner;image;scans\r\nJ\u00fcrgen;nginx:1;"general;virus"\r\n',
        ';;\r\n"";"";""\r\nowner;image;scans\r\nJ\u00fcrgen;nginx:1;"general;virus"\r\n',
        "\ufeffimage\u200b,owner,scans\nnginx:1,J\u00fcrgen,general;virus\n",
        'owner;image;scans\rJ\u00fcrgen;nginx:1;"general;virus"\r',
        'Owner,Image,Scans\n"J\u00fcrgen","nginx:1","general;virus"\n',
    ],
)
@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text.encode(),
        lambda text: text.encode("utf-8-sig"),
        lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: codecs.BOM_UTF32_LE + text.encode("utf-32-le"),
    ],
    ids=["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-32"],
)
def test_every_separator_in_every_encoding(text, encode, tmp_path):
    (entry,) = read_bytes(encode(text), tmp_path)
    assert (entry.reference, entry.owner, entry.scans) == ("nginx:1", "J\u00fcrgen", ("general", "virus"))
    assert lint_file(tmp_path / "targets.csv") == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("image;scans;owner\na;general;virus\n", 2),
        ("image;scans;owner\na;general;me\nb;general;virus;me\n", 3),
    ],
)
def test_a_row_that_can_mean_two_things_refuses_a_file_separated_by_semicolons(text, line):
    [problem] = told(text)
    assert f"line {line} " in problem
    assert "';'" in problem


def test_a_label_with_a_semicolon_in_a_file_of_commas_is_a_label():
    [entry] = read("image,scans,note\na,general,x;image;y\n")
    assert entry.labels == {"note": "x;image;y"}


@pytest.mark.parametrize(("text", "name"), [("img;owner\na;me\n", "';'"), ("img|owner\na|me\n", "'|'")])
def test_what_separates_columns_of_other_names_is_said(text, name):
    assert name in told(text)[0]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ("image,owner\na,J\u00fcrgen\n".encode("cp1252"), "Windows-1252"),
        ("image,owner\na,me\n".encode("utf-16-le"), "UTF-16"),
        (codecs.BOM_UTF16_LE + "image".encode("utf-16-le")[:-1], "UTF-16"),
        ("image,owner\na,J\u00fcrgen\n".encode("utf-16-le"), "UTF-16"),
        ("image,owner\na,J\u00fcrgen\n".encode("cp437"), "byte 0x81; save"),
        (b"\n<!DOCTYPE html><title>Sign in</title>", "HTML page"),
        (b"PK\x03\x04\x14\x00", ".xlsx"),
        (b"\xd0\xcf\x11\xe0\xa1", ".xls"),
    ],
)
def test_other_encodings_are_named(data, word, tmp_path):
    with pytest.raises(InventoryError, match=word):
        read_bytes(data, tmp_path)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("image,tag\nnginx,1.25\n", "nginx:1.25"),
        ("image,Image Tag\nhost:5000/nginx,1.25\n", "host:5000/nginx:1.25"),
        ("tag,image\n1.25,nginx\n", "nginx:1.25"),
        (f"image,digest\nnginx,sha256:{HASH}\n", f"nginx@sha256:{HASH}"),
        (f"image,image_digest\nnginx,{HASH}\n", f"nginx@sha256:{HASH}"),
        (f"image,tag,digest\nnginx,1.25,sha256:{HASH}\n", f"nginx:1.25@sha256:{HASH}"),
        # A label, because the image says it all.
        ("image,tag\nnginx:1.25,frontend\n", "nginx:1.25"),
        (f"image,tag\nnginx@sha256:{HASH},frontend\n", f"nginx@sha256:{HASH}"),
        ("image,tag\nnginx,\n", "nginx"),
        ("image,version\nnginx,1.25-alpine\n", "nginx:1.25-alpine"),
        ("image,Image Version\nnginx,v1.25\n", "nginx:v1.25"),
        ("image,tags\nnginx,1.25\n", "nginx:1.25"),
        ("image,tag,version\nnginx,stable,1.25\n", "nginx:stable"),
        (f"image,SHA256\nnginx,{HASH}\n", f"nginx@sha256:{HASH}"),
        # Labels of everybody's own.
        ("image,tags\nnginx,frontend\n", "nginx"),
        ("image,tags\nnginx,web;2024\n", "nginx"),
        ("image,tags\nnginx:1,1.24;1.25\n", "nginx:1"),
        ("image,version\nnginx:1.24,1.25\n", "nginx:1.24"),
        ("image,sha\nnginx:1,0a1b2c3\n", "nginx:1"),
        ("image,tag,image_tag\nnginx:1,a,b\n", "nginx:1"),
        ("image,tag,image_tag\nnginx,1.25,1.25\n", "nginx:1.25"),
        ("image,registry\nghcr.io/team/app:1,ghcr.io\n", "ghcr.io/team/app:1"),
        ("image,registry\nteam/app:1,production\n", "team/app:1"),
    ],
)
def test_tags_and_digests_in_columns_of_their_own(text, reference):
    [entry] = read(text)
    assert entry.reference == reference


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("image,tag\nnginx,1.25 alpine\n", "tag"),
        ("image,digest\nnginx,sha256:abc\n", "digest"),
        ("repository,tag\nghcr.io/team/app,1.25\n", "'image'"),
        ("repository,digest\nghcr.io/team/app,sha256:1\n", "'image'"),
        ("image,registry\nteam/app:1,ghcr.io\n", "ghcr.io/team/app:1"),
        ("image,tag,image_tag\nnginx,1.24,1.25\n", "1.24 and 1.25"),
        ("image,tags\nnginx,1.24;1.25\n", "a row of its own"),
        (f"image,digest\nnginx@sha256:{'cd' * 32},sha256:{HASH}\n", HASH),
    ],
)
def test_parts_that_make_no_image_refuse_the_row(text, word):
    [problem] = told(text)
    assert problem.startswith("targets.csv:2: ")
    assert word in problem


def test_a_version_beside_a_repository_is_a_label():
    [entry] = read("repository,version,sha\nhttps://github.com/example/shop,1.2,0a1b2c3\n")
    assert (entry.ref, entry.labels) == ("HEAD", {"version": "1.2", "sha": "0a1b2c3"})


def test_a_tag_beside_the_ref_of_a_repository_is_a_label():
    [entry] = read("repository,ref,tag\nhttps://github.com/example/shop,v1,frontend\n")
    assert (entry.ref, entry.labels) == ("v1", {"tag": "frontend"})


@pytest.mark.parametrize("name", ["maxLifetime", "MaxLifetime", "max-lifetime", "Max Lifetime", "MAX_LIFETIME"])
def test_a_lifetime_is_one_however_its_column_is_written(name):
    [entry] = read(f"image,{name}\nnginx:1,30d\n")
    assert entry.labels == {"maxLifetime": "30d"}


def test_lines_that_are_quoted_as_a_whole_are_said_to_be():
    [problem] = told('"image,scans"\r\n"nginx:1,general"\r\n')
    assert "quotes" in problem
