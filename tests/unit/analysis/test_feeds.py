"""EPSS and KEV: read right, or not believed at all."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.feeds import FeedError, Feeds, read_epss, read_feeds, read_kev
from orchestrator.model import Policy
from orchestrator.volume.layout import Volume

EPSS = (
    b"#model_version:v2025.03.14,score_date:2025-04-01T12:55:00Z\n"
    b"cve,epss,percentile\n"
    b"CVE-1999-0001,0.01297,0.78478\n"
    b"CVE-2021-44228,0.94358,0.99958\n"
)
KEV = json.dumps(
    {
        "title": "CISA Catalog of Known Exploited Vulnerabilities",
        "catalogVersion": "2025.04.01",
        "count": 2,
        "vulnerabilities": [{"cveID": "CVE-2021-44228", "vendorProject": "Apache"}, {"cveID": "CVE-2014-0160"}],
    }
).encode()


@pytest.fixture
def volume(tmp_path):
    (tmp_path / "feeds").mkdir()
    return Volume(tmp_path)


def put(volume, name, data):
    volume.feed(name).write_bytes(data)
    return volume.feed(name)


@pytest.mark.parametrize("data", [EPSS, gzip.compress(EPSS), EPSS.split(b"\n", 1)[1], EPSS.replace(b"\n", b"\r\n")])
def test_epss(volume, data):
    assert read_epss(put(volume, "epss.csv", data)) == {"CVE-1999-0001": 0.01297, "CVE-2021-44228": 0.94358}


@pytest.mark.parametrize("data", [KEV, gzip.compress(KEV)])
def test_kev(volume, data):
    assert read_kev(put(volume, "kev.json", data)) == {"CVE-2021-44228", "CVE-2014-0160"}


BAD_EPSS = {
    "empty": b"",
    "no scores": EPSS[: EPSS.index(b"CVE-")],
    "no header": EPSS[EPSS.index(b"CVE-") :],
    "another file": b"<html>\n<body>404</body>\n",
    "cut within a score": EPSS[:-14],
    "cut within the last line": EPSS[:-1],
    "cut gzip": gzip.compress(EPSS * 1)[:-9],
    "damaged gzip": gzip.compress(EPSS)[:-8] + b"\0" * 8,
    "not a probability": EPSS.replace(b"0.94358", b"1.94358"),
    "not a number": EPSS.replace(b"0.94358", b"nan"),
    "not an id": EPSS.replace(b"CVE-2021-44228", b"44228"),
    "too few columns": EPSS.replace(b",0.99958", b""),
    "too many columns": EPSS.replace(b"0.99958", b"0.99958,1"),
    "not text": EPSS.replace(b"CVE-2021-44228", b"\xff\xfe"),
    "endless line": b"cve,epss,percentile\n" + b"x" * 10_000 + b"\n",
}
BAD_KEV = {
    "empty": b"",
    "cut": KEV[:-20],
    "cut gzip": gzip.compress(KEV)[:-9],
    "no entries": b'{"vulnerabilities": []}',
    "another file": b"[]",
    "fewer than it says": KEV.replace(b'"count": 2', b'"count": 3'),
    "not an id": KEV.replace(b"CVE-2014-0160", b"heartbleed"),
    "deep": b'{"vulnerabilities": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("case", BAD_EPSS)
def test_a_bad_epss_is_not_believed(volume, case):
    with pytest.raises(FeedError, match=r"feeds/epss\.csv"):
        read_epss(put(volume, "epss.csv", BAD_EPSS[case]))


@pytest.mark.parametrize("case", BAD_KEV)
def test_a_bad_kev_is_not_believed(volume, case):
    with pytest.raises(FeedError, match=r"feeds/kev\.json"):
        read_kev(put(volume, "kev.json", BAD_KEV[case]))


def test_both_are_read(volume):
    put(volume, "epss.csv", EPSS)
    put(volume, "kev.json", KEV)
    feeds = read_feeds(volume, Policy(epss_feed="epss.csv", kev_feed="kev.json"))
    assert feeds.epss["CVE-2021-44228"] == 0.94358
    assert "CVE-2014-0160" in feeds.kev
    assert (feeds.missing, feeds.notes) == ({}, ())


def test_trouble_with_one_is_reported_and_leaves_the_other(volume):
    put(volume, "epss.csv", EPSS[:-1])
    put(volume, "kev.json", KEV)
    feeds = read_feeds(volume, Policy(epss_feed="epss.csv", kev_feed="kev.json"))
    assert not feeds.epss
    assert feeds.kev
    assert list(feeds.missing) == ["epss"]
    assert len(feeds.notes) == 1
    assert "epss.csv" in feeds.notes[0]


@pytest.mark.parametrize("name", ["gone.csv", "folder", "../epss.csv"])
def test_what_is_no_file_of_the_folder_is_missing(volume, name):
    (volume.root / "epss.csv").write_bytes(EPSS)
    (volume.root / "feeds" / "folder").mkdir()
    feeds = read_feeds(volume, Policy(epss_feed=name))
    assert not feeds.epss
    assert "epss" in feeds.missing


def test_feeds_that_nobody_names_are_missing_without_a_note(volume):
    feeds = read_feeds(volume, Policy())
    assert feeds == Feeds()
    assert set(feeds.missing) == {"epss", "kev"}
    assert feeds.notes == ()


@given(st.integers(0, len(EPSS) - 1))
def test_wherever_the_last_line_is_cut_epss_is_not_believed(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("feeds") / "epss.csv"
    path.write_bytes(EPSS[:length])
    if EPSS[:length].endswith(b"\n") and b"CVE-" in EPSS[:length]:
        assert read_epss(path)  # a file that ends between two lines cannot be distinguished from a whole one
    else:
        with pytest.raises(FeedError):
            read_epss(path)


@given(st.integers(0, len(KEV) - 1))
def test_wherever_it_is_cut_kev_is_not_believed(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("feeds") / "kev.json"
    path.write_bytes(KEV[:length])
    with pytest.raises(FeedError):
        read_kev(path)
