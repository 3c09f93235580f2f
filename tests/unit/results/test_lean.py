"""pyarrow imports pandas for who wants a DataFrame, and for nobody else."""

import subprocess
import sys

_PROGRAM = """
import sys
from orchestrator.results.tables import MODULE
import pyarrow as pa
pa.array(["a", None]), pa.scalar("a"), pa.table({"a": [1]})
assert "pandas" not in sys.modules
frame = pa.table({"a": [1]}).to_pandas()
import pandas as pd
assert isinstance(frame, pd.DataFrame) and pa.array(frame["a"]).to_pylist() == [1]
"""


def test_tables_are_read_and_written_without_pandas():
    for module in ("writing", "rows"):
        subprocess.run([sys.executable, "-c", _PROGRAM.replace("MODULE", module)], check=True)
