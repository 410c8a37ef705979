"""What `crossfade eval run` prints: a line for each variant, and what their scores mean."""

from collections.abc import Mapping
from typing import Any

from gateway.cli.layout import paragraph


def text(fields: Mapping[str, Any]) -> str:
    """Who was asked, what each scored and cost, and what the scores are likeness to."""
    lines = [
        f"{fields['set']}: {fields['done']} of {fields['rows']} questions of {fields['route']}, by {fields['metric']}"
    ]
    width = max(len("variant"), *(len(score["variant"]) for score in fields["scores"]))
    first = fields["scores"][0]["variant"]
    if said := compared_with(fields["labelled"], fields["rows"], first if len(fields["scores"]) > 1 else ""):
        lines.append(paragraph(said))
    lines.append(f"{'variant':{width}} {'scored':>6} {'failed':>6} {'score':>7} {'cost':>10}  less the first (95 %)")
    beside = {each["variant"]: each for each in fields["differences"]}
    for score in fields["scores"]:
        is_measure = not fields["labelled"] and score["variant"] == first
        mean = "-" if score["mean"] is None or is_measure else f"{score['mean']:.3f}"
        cost = "-" if score["cost_usd"] is None else f"${score['cost_usd']:.4f}"
        line = f"{score['variant']:{width}} {score['rows']:6} {score['failed']:6} {mean:>7} {cost:>10}"
        other = beside.get(score["variant"])
        if other is not None and other["n"]:
            line += f"  {other['mean']:+.3f} [{other['lower']:+.3f}, {other['upper']:+.3f}] over {other['n']}"
        lines.append(line)
    lines.append(f"spent ${fields['spent_usd']:.4f}; {fields['cached']} answers were kept from before")
    if fields["unpriced"]:
        lines.append(f"{fields['unpriced']} answers have no price, and do not count against the budget")
    return "\n".join(lines)


def compared_with(labelled: int, rows: int, first: str) -> str:
    """What answers are held against where not every question has a label; `first`: the first of several variants."""
    if labelled == rows:
        return ""
    some = f"{labelled} of {rows} questions have a label"
    if not first:
        return f"{some}; the others have no score: nothing is there to compare with."
    scale = f"the score says how like {first}'s answer one is: 0 is no worse, -1 the worst"
    if not labelled:
        return f"No question has a label: {scale}. Whether {first} is right, it does not say."
    of_others = f"Of the others {scale}, and {first} itself counts 0"
    return f"{some}: 1 is as good as it. {of_others}. Means mix both; the last column does not."
