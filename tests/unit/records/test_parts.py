"""Work in parts."""

from collections.abc import Iterator

from records.parts import run_here


def test_results_come_in_the_order_of_the_parts_and_only_as_they_are_asked_for() -> None:
    """No part is begun before the one before it has given all."""
    begun: list[int] = []

    def work(part: int) -> Iterator[int]:
        begun.append(part)
        yield from (part, part * 10)

    found = run_here(work, [1, 2, 3])
    assert [next(found), next(found)] == [1, 10]
    assert begun == [1]
    assert list(found) == [2, 20, 3, 30]
