"""Ids are the same whatever their case, and whatever was copied along with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.kit.ids import clean, folded, id_matcher

CVE = "CVE-2021-44228"
PASTED = [
    CVE,
    "cve-2021-44228",
    " CVE-2021-44228",
    "CVE-2021-44228\r\n",
    "\u00a0CVE-2021-44228\u202f",  # blanks that do not break
    "\ufeffCVE-2021-44228\u200b",  # a mark of bytes' order, a blank without width
    "CVE\u20112021\u201144228",  # hyphens that do not break
    "Cve\u20132021\u201344228",  # dashes that an editor made
    "ＣＶＥ－２０２１－４４２２８",  # noqa: RUF001 - full width
]


@pytest.mark.parametrize("text", PASTED)
def test_all_spellings_are_one(text):
    assert folded(text) == CVE
    assert id_matcher(text)(CVE)
    assert id_matcher(CVE)(text)
    assert id_matcher(" cve-2021-44*\u00a0")(text)


@pytest.mark.parametrize("text", ["CVE-2021-4422", "CVE-2021-442288", "CVE 2021 44228", "CVE-2021-44228x", ""])
def test_another_id_stays_another(text):
    assert folded(text) != CVE
    assert not id_matcher(CVE)(text)


def test_a_cleaned_id_keeps_its_case():
    assert clean("\u00a0GHSA-jfh8-c2jp-5v3q ") == "GHSA-jfh8-c2jp-5v3q"


@given(st.text())
def test_what_is_folded_stays_so(text):
    assert folded(folded(text)) == folded(text)
    assert folded(clean(text)) == folded(text)
