"""`status RUN` folds what is ok, as the ledger does; `--all` lists every cell."""

from orchestrator.cli.run_tables import print_status
from orchestrator.model import CellState, CellStatus, RunStatus

CELLS = (
    *(CellStatus(f"t{n}", "sbom", f"shop/web:{n}", CellState.OK, attempts=1) for n in range(40)),
    CellStatus("t1", "virus", "shop/web:1", CellState.FAILED, "ran out of memory", 3),
    CellStatus("t2", "virus", "shop/web:2", CellState.FAILED, "ran out of memory", 3),
    *(CellStatus(f"t{n}", "general", f"shop/web:{n}", CellState.WAITING) for n in range(3)),
)
STATUS = RunStatus(run="r", state="running", cells=CELLS)


def test_what_is_not_ok_each_reason_once(capsys):
    print_status(STATUS)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[:4]] == ["Run r", "State", "waiting", "failed"]
    assert "ran out of memory (after 3 attempts)" in lines[3]
    assert "virus: shop/web:1, shop/web:2" in lines[3]
    assert lines[4:] == ["Run r running: 3 waiting, 40 ok, 2 failed; --all lists every cell"]


def test_every_cell(capsys):
    print_status(STATUS, every=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(CELLS) + 1
    assert lines[-1] == "Run r running: 3 waiting, 40 ok, 2 failed"


def test_a_run_that_is_ok_is_one_line(capsys):
    print_status(RunStatus(run="r", state="succeeded", cells=CELLS[:2]))
    assert capsys.readouterr().out == "Run r succeeded: 2 ok; --all lists every cell\n"
