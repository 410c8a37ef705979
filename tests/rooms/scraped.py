"""Metrics as a scraper reads them."""

from prometheus_client.parser import text_string_to_metric_families

from gateway.control.recorder.tally import Tally, expose


def values(made: Tally, name: str) -> dict[tuple[str, ...], float]:
    """A family's samples by the values of its labels, as a scraper reads them."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(expose(made))
        for sample in family.samples
        if sample.name == f"crossfade_{name}"
    }
