import pytest

from orchestrator.databases import cvd
from orchestrator.databases.interface import DatabaseRefused
from tests.tools import cvds

LIMIT = 10 * 1024 * 1024


@pytest.fixture
def verify(tmp_path, watch):
    def _verify(content, name="daily", keys=cvds.KEYS, limit=LIMIT):
        path = tmp_path / f"{name}.cvd"
        path.write_bytes(content)
        return cvd.verify(path, name, keys=keys, origin="https://mirror.example/daily.cvd", limit=limit, watch=watch)

    return _verify


def test_what_its_maker_signed_is_read(verify):
    header = verify(cvds.cvd("daily", version=27_000))
    assert (header.version, header.signatures, header.seconds) == (27_000, 1, cvds.BUILT)


def test_any_flipped_bit_of_what_is_signed_is_refused(verify):
    content = bytearray(cvds.cvd("daily"))
    for place in (512, len(content) // 2 + 256, len(content) - 1):
        damaged = content.copy()
        damaged[place] ^= 1
        with pytest.raises(DatabaseRefused, match="damaged"):
            verify(bytes(damaged))


def test_other_signatures_with_a_fitting_md5_but_no_signature_of_it(verify):
    good, evil = cvds.cvd("daily"), cvds.cvd("daily", {"daily.ndb": b"Nothing:0:0:00\n"})
    old = good[:512].split(b":")
    new = evil[:512].split(b":")
    new[6] = old[6]  # the signature of the good one
    with pytest.raises(DatabaseRefused, match="signature"):
        verify(b":".join(new)[:512] + evil[512:])


def test_a_database_that_anybody_else_signed(verify):
    with pytest.raises(DatabaseRefused, match="signature"):
        verify(cvds.cvd("daily"), keys=cvd.CLAMAV_KEYS)


@pytest.mark.parametrize("signature", ["", "x", "a" * 171, "!" * 171, "a" * 100_000])
def test_a_header_without_a_signature_that_could_be_one(verify, signature):
    with pytest.raises(DatabaseRefused):
        verify(cvds.cvd("daily", header={6: signature}))


@pytest.mark.parametrize("field", [{2: "99999"}, {3: "7"}, {4: "1"}, {8: "1999999999"}])
def test_a_header_that_says_other_things_than_what_is_signed(verify, field):
    # Or a mirror could serve an old database forever, under ever newer versions and dates.
    with pytest.raises(DatabaseRefused, match="signed"):
        verify(cvds.cvd("daily", header=field))


def test_facts_that_nobody_signed(verify):
    for keys in (cvds.KEYS._replace(facts=cvd.CLAMAV_KEYS.facts), cvds.KEYS._replace(content=cvd.CLAMAV_KEYS.content)):
        with pytest.raises(DatabaseRefused, match="signature"):
            verify(cvds.cvd("daily"), keys=keys)
    assert verify(cvds.cvd("daily"), keys=cvds.KEYS)


def test_one_database_under_the_name_of_another(verify):
    with pytest.raises(DatabaseRefused, match=r"daily\.info"):
        verify(cvds.cvd("bytecode"), name="daily")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ClamAV-VDB:",
        b"<html>Please log in</html>".ljust(2000),
        cvds.cvd("daily")[:511],
        cvds.cvd("daily", header={2: "9" * 200}),
        cvds.cvd("daily", header={8: "-5"}),
        cvds.cvd("daily", header={8: "٣"}),
        cvds.cvd("daily", header={5: "A" * 32}),
    ],
)
def test_what_is_no_database(verify, content):
    with pytest.raises(DatabaseRefused):
        verify(content)


def test_what_comes_before_the_signed_facts_is_bounded(verify):
    with pytest.raises(DatabaseRefused, match="limit"):
        verify(cvds.cvd("daily"), limit=1024)
