"""Durations as people say them: `13 s`, `27 min`, `24 h`."""

_STEPS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))


def span(seconds: float) -> str:
    """A duration in the largest unit that says it in two digits or so."""
    for unit_s, name in _STEPS:
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"
