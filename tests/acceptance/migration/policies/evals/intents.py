"""The team's eval: right answers by their own labels, in labels.json beside this file."""

import json
from pathlib import Path

LABELS = json.loads((Path(__file__).parent / "labels.json").read_text(encoding="utf-8"))


def score(request, baseline, candidate):
    """1: only the candidate is right; -1: only the baseline is; 0: both or neither."""
    label = LABELS[request["messages"][-1]["content"]]
    return _is_right(candidate["text"], label) - _is_right(baseline["text"], label)


def _is_right(text, label):
    try:
        return int(json.loads(text).get("intent") == label)
    except (ValueError, AttributeError):
        return 0
