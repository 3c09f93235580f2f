"""`docs/reasons.md` explains every reason there is, in the code's words."""

from pathlib import Path

from orchestrator.argo import ends, fates, names, reasons, waits

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "reasons.md").read_text()


def test_every_reason_is_explained():
    words = [
        value
        for module in (ends, reasons, waits)
        for name, value in vars(module).items()
        if name.isupper() and not name.startswith("_") and isinstance(value, str) and name not in vars(names)
    ]
    told = [*words, fates.NEVER_STARTED, fates.PULL]
    assert len(told) > 15
    assert [text for text in told if text not in PAGE and text not in {reasons.UNENDED, ends.GONE}] == []
