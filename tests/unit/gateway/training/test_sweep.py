"""Successive halving, with trainings whose ends are known."""

import pytest

from gateway.training.sweep import (
    Config,
    SweepResult,
    TrialError,
    configurations,
    halving,
    interval,
    is_untouched,
    would_choose,
)

EIGHT = configurations({"learning_rate": [1e-4, 3e-4, 1e-3, 3e-3], "batch": [16, 32]})


class Trainings:
    """Every configuration's score and loss by its number; what was trained, in order."""

    def __init__(self, scores: dict[int, float], losses: dict[int, float] | None = None) -> None:
        self.scores, self.losses = scores, losses or {}
        self.trained: list[tuple[int, float]] = []

    def __call__(self, number: int, config: Config, share: float) -> SweepResult:
        self.trained.append((number, share))
        return SweepResult(number, config, share, self.losses.get(number, 1.0), self.scores.get(number, -1.0))


def test_the_weak_are_stopped_early_and_one_is_trained_to_its_end():
    """Of eight, four go on after a quarter, two after a half; each round is ranked by the evaluation."""
    trial = Trainings({number: -1.0 + number / 10 for number in range(1, 9)})

    rounds = list(halving(EIGHT, 3, 1, trial))

    assert [[one.number for one in found] for found in rounds] == [[8, 7, 6, 5, 4, 3, 2, 1], [8, 7, 6, 5], [8, 7]]
    assert [found[0].share for found in rounds] == [0.25, 0.5, 1.0]
    assert sum(share for _, share in trial.trained) == 6.0  # of whole trainings, started anew; eight would be eight


def test_the_evaluation_decides_where_the_loss_would_have_chosen_another():
    """The lowest loss is told, and does not win; of equal scores it decides."""
    trial = Trainings({1: -0.1, 2: -0.5}, {1: 0.9, 2: 0.2, 3: 0.1})

    (found,) = halving(EIGHT, 1, 2, trial)

    assert found[0].number == 1
    assert would_choose(found).number == 3
    assert [one.number for one in found[1:3]] == [2, 3]


class FailingTrainings(Trainings):
    """Those whose number is in `broken` end with an error, those in `odd` with no number for a loss."""

    def __init__(self, scores: dict[int, float], broken: set[int], odd: set[int]) -> None:
        super().__init__(scores, dict.fromkeys(odd, float("nan")))
        self.broken = broken

    def __call__(self, number: int, config: Config, share: float) -> SweepResult:
        if number in self.broken:
            raise TrialError(f"{number} is broken")
        return super().__call__(number, config, share)


def test_one_that_fails_takes_none_with_it():
    """It is the worst of its round, says why, and goes no further; the better ones of the others go on."""
    trial = FailingTrainings({number: -1.0 + number / 10 for number in range(1, 9)}, {8, 3}, {7})

    rounds = list(halving(EIGHT, 3, 2, trial))

    assert [one.number for one in rounds[0] if not one.failed] == [6, 5, 4, 2, 1]
    assert {one.number: one.failed.partition(" ")[0] for one in rounds[0] if one.failed} == {8: "8", 3: "3", 7: "#7:"}
    assert [[one.number for one in found] for found in rounds[1:]] == [[6, 5, 4, 2], [6, 5]]
    assert would_choose(rounds[0]).number not in (3, 7, 8)


def test_where_all_fail_the_sweep_does():
    """It says why the first one did; what each came to was told before."""
    rounds = halving(EIGHT, 3, 1, FailingTrainings({}, set(range(1, 9)), set()))

    assert len(next(rounds)) == 8
    with pytest.raises(ValueError, match=r"every training failed. The first: 1 is broken"):
        next(rounds)


def test_two_that_are_equal_in_all_are_ranked_by_their_number():
    """So that a sweep that goes on chooses as it would have."""
    first, second, third = halving(EIGHT, 3, 4, Trainings(dict.fromkeys(range(1, 9), -0.5)))

    assert [one.number for one in first] == list(range(1, 9))
    assert ([one.number for one in second], [one.number for one in third]) == ([1, 2, 3, 4], [1, 2])


def test_more_rounds_than_there_are_to_stop():
    """The last one standing is trained on alone."""
    rounds = list(halving(EIGHT[:2], 4, 1, Trainings({2: -0.1})))
    assert [[one.number for one in found] for found in rounds] == [[2, 1], [2], [2], [2]]


def test_every_combination_is_a_configuration():
    """And neither one nor a thousand is a sweep."""
    assert len(EIGHT) == 8
    assert EIGHT[0] == {"learning_rate": 1e-4, "batch": 16}
    for grid in ({"epochs": [1]}, {"epochs": list(range(100))}):
        with pytest.raises(ValueError, match="2 to 64 combinations"):
            configurations(grid)


def test_rows_that_choose_do_not_judge():
    """Each row is of one half, the same in every sweep, and the halves are about as large."""
    untouched = [is_untouched(f"row {number}") for number in range(1000)]
    assert untouched == [is_untouched(f"row {number}") for number in range(1000)]
    assert 400 < sum(untouched) < 600


def test_the_interval_holds_what_the_scores_say():
    """Of a clear difference it lies above 0, of none it holds 0."""
    mean, lower, upper = interval([0.0] * 150, [0.0] * 30 + [-1.0] * 120, bound=1.0)
    assert 0.5 < lower < mean == 0.8 < upper
    _, lower, upper = interval([0.0, -1.0] * 50, [-1.0, 0.0] * 50, bound=1.0)
    assert lower < 0 < upper
