"""Which units are of one outage: the candidate left them without any answer, one after the other. Pure.

A blip of a second takes as many units with it as there is traffic. They are one event, and not so many: by each of them
harm would be certified before the trial that follows an alarm. So the first of them alone counts for harm, and all of
them for certificates. That is exact, since bad units alone are left out. Where others are answered between them, most
count: of a candidate that fails at a rate f by chance, f / (1 + f) of the units are failures still.
"""

from collections.abc import Sequence

from policies.events import PairEvent


def silent_run(before: int, unit: Sequence[PairEvent]) -> int:
    """How many units in a row had no answer, once `unit` is over; one that says nothing of the candidate is not heard.

    What was lost in a full queue had none either. Where the baseline failed, too, it is not the candidate's outage.
    """
    told = [event for event in unit if event.dropped or event.error_candidate is not None]
    if not told:
        return before
    silent = all((event.dropped or event.error_candidate) and not event.error_baseline for event in told)
    return before + 1 if silent else 0
