"""The weight that is published for a route: the least of what each voice allows, chosen here and nowhere else.

Rules:
1. It is the stored rollout's, of the very candidate in the policy; without one it is 0. Weight 0 means none.
2. Where the policy in force allows less than the stored rollout has, less is published: any node may lower.
3. While the rollout cannot be read, its weight is only lowered; unwatched for longer than a lease's grace, it is 0.
"""

from collections.abc import Mapping

from policies.rollout import Rollout, revise
from policies.routing import PPM
from policies.rules import Rules


def published_ppm(rollout: Rollout | None, rules: Rules, *, most_ppm: int) -> int:
    """The candidate's share of eligible traffic. `most_ppm`: no more than this (`ceiling_ppm`)."""
    if rollout is None or rollout.key != rules.key:
        return 0
    return min(rollout.weight_ppm, revise(rollout, rules, now=0.0).rollout.weight_ppm, most_ppm)


def published_slices(rollout: Rollout, rules: Rules) -> tuple[str, ...]:
    """The slices that are the candidate's, where some alone are; of another dimension than the policy's none is."""
    by = rules.ladder.moves_by
    return rollout.held.moving if by and by == rollout.ladder.moves_by else ()


def ceiling_ppm(now_ppm: int, *, is_readable: bool, unwatched_s: float, grace_s: float) -> int:
    """The most that may be published of a rollout, beside `now_ppm`, which is."""
    if unwatched_s > grace_s:
        return 0
    return PPM if is_readable else now_ppm


def served_of_several(places: Mapping[str, int]) -> str | None:
    """Which of several candidates serves; `places`: `Rollout.place_ppm` of those that have one. None: none has.

    More than one can have a place only where a policy was edited: then the least, so that nobody gets more than he had.
    """
    return min(places, key=lambda name: places[name], default=None)
