"""A plan as people read it."""

from policies.forecast import days_text, need_text
from policies.plan import Plan


def text(found: Plan) -> str:
    """The plan for people."""
    lines = _head(found)
    width = max((len(need.gate) + 1 for stage in found.stages for need in stage.needs), default=0)
    for stage in found.stages:
        about = "" if stage.days is None else f"about {days_text(stage.days)}, "
        word = f"{about}waits for {stage.slowest}" if stage.needs else "passed" if stage.passed else "the last"
        lines.append(f"  {stage.stage:<8} {word}")
        lines += [f"    {need.gate:<{max(10, width)}}{need_text(need)}" for need in stage.needs]
        if told := str(stage.calls):
            lines.append(f"    {'calls':<{max(10, width)}}{told}")
        if stage.paid:
            lines.append(f"    {'budget':<{max(10, width)}}{stage.paid}")
        if stage.doubt:
            lines.append(f"    doubt: {stage.doubt}")
    if found.doubt:
        lines.append(f"  doubt    {found.doubt}")
    if not found.stages:
        return "\n".join(lines)
    lines.append(f"  in all    {_total(found)}")
    return "\n".join(lines)


def _total(found: Plan) -> str:
    if found.days is not None:
        return f"about {days_text(found.days)}"
    if any(need.never for stage in found.stages for need in stage.needs):
        return "never, as it stands"
    return "traffic is not known: --traffic N says how many conversations a day"


def _head(found: Plan) -> list[str]:
    """What changes, and what the days below are counted by."""
    lines = [f"ROUTE {found.route}"]
    lines += [f"  change   {change}" for change in found.changes] or ["  no change"]
    if found.restarts:
        lines.append(f"  restart  {found.restarts}")
    if found.repeats:
        lines.append(f"  repeats  {found.repeats}")
    if found.labels:
        lines.append(f"  labels   {found.labels}")
    if found.units_per_day is not None:
        lines.append(f"  traffic  {found.units_per_day:,.0f} eligible conversations a day")
    lines += [f"  assumes  {each}" for each in found.assumes]
    if found.stands:
        lines.append(f"  stands   {found.stands}")
    return lines
