"""What a plan costs."""

from orchestrator.planning.budget import spell_bytes


def test_sizes_for_people() -> None:
    assert [spell_bytes(size) for size in (0, 1023, 1536, 5 * 1024**3, 2 * 1024**5)] == [
        "0 B", "1023 B", "1.5 KiB", "5.0 GiB", "2048.0 TiB",
    ]  # fmt: skip
