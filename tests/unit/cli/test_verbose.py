"""`-v` and `-vv`: more is logged, but not what libraries say of their own types."""

import logging

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app


@pytest.mark.parametrize(("words", "debug"), [(["-v"], False), (["-vv"], True), ([], False)])
def test_everything_is_logged_but_what_says_nothing_of_a_run(words: list[str], debug: bool) -> None:
    assert CliRunner().invoke(app, [*words, "version"]).exit_code == 0
    assert logging.getLogger("orchestrator.steps").isEnabledFor(logging.DEBUG) is debug
    assert not logging.getLogger("py_serializable").isEnabledFor(logging.DEBUG)
