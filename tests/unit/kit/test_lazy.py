"""Packages whose names are loaded when they are first used."""

from importlib import import_module

import pytest

from orchestrator.kit.lazy import lazy


@pytest.mark.parametrize("room", ["planning", "queries", "results", "store"])
def test_every_name_of_a_package_is_where_it_says(room):
    package = import_module(f"orchestrator.{room}")
    assert all(getattr(package, name).__name__ == name for name in package.__all__)


def test_another_name_is_none_of_its_names():
    with pytest.raises(AttributeError, match=r"'some\.package' has no attribute 'loads'"):
        lazy("some.package", {"dumps": "json"})("loads")
