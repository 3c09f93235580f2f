"""Keeps pyarrow from importing pandas, which takes 45 MB and a third of a second.

pyarrow does so at the first list that it makes an array of, to see whether that is of pandas. Asked while this thread
cannot import pandas it takes lists for lists from then on; who wants a DataFrame gets one as ever, for then it tries
again.
"""

from __future__ import annotations

import sys
import threading

import pyarrow as pa


class _NoPandas:
    """Refuses pandas to one thread."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, name: str, *_: object) -> None:
        """What the import system asks for a module that is not imported yet."""
        if name == "pandas" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError("pandas is not needed for an array", name=name)


if "pandas" not in sys.modules:
    refusing = _NoPandas()
    sys.meta_path.insert(0, refusing)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(refusing)
