"""The message for a name of a thing that does not exist."""

from orchestrator.kit.sources import no_such


def test_a_name_that_does_not_exist_is_answered_with_the_nearest_and_all_there_are():
    near = no_such("export", "sarf", ["csv", "sarif"])
    assert near == "there is no export 'sarf', did you mean 'sarif'? (there are csv, sarif)"
    assert no_such("export", "x", ["csv", "sarif"]) == "there is no export 'x' (there are csv, sarif)"
