"""Pages that are one list each: cost, audit, system, data, unrouted, keys; and the kill switch."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from gateway.admin.figure_views import CostDayView, CostView, UnroutedView
from gateway.admin.filters import wanted
from gateway.admin.views import KeysView, KillOrderView
from gateway.console import drawing
from gateway.console.ask import Ask, AskError, ConsolePage, Row, Shown
from gateway.console.rollout import BY, MIN_REASON

WINDOWS = ("24h", "7d", "30d", "90d", "all")
USUAL = "30d"
ENTRIES = 500
_GROUPS = ("day", "route", "model")
_KINDS = 100


# Cost --------------------------------------------------------------------------------------------------------------


def cost(ask: Ask) -> Shown:
    """Money by route, variant, model and day; and what the shadow and the judge cost beside it."""
    view = cost_view(ask)
    by = ask.choice("by", _GROUPS, "day")
    context = {
        "since": ask.given.get("since", USUAL), "windows": WINDOWS, "by": by, "groups": _GROUPS,
        "sums": sums(view.days, by), "picture": _spent(view.days), "beside": _beside(view),
    }  # fmt: skip
    return Shown("cost", "Cost", context, view)


def cost_view(ask: Ask) -> CostView:
    """What the API has under `/cost`."""
    given = {"since": USUAL} | {name: value for name, value in ask.given.items() if name != "by"}
    return ask.pages.figures.cost(wanted("exchanges", given, now=ask.now), wanted("comparisons", given, now=ask.now))


def sums(days: Sequence[CostDayView], by: str) -> list[tuple[str, str, int, float | None, float | None, int]]:
    """Sums: (group, variant, answers, spent, saved, without a price); unknown prices first, then the dearest."""
    found: dict[tuple[str, str], list[CostDayView]] = {}
    for day in days:
        group = {"day": str(day.day), "route": day.route or "no route", "model": day.model or "unknown"}[by]
        found.setdefault((group, day.variant), []).append(day)
    rows = [
        (
            group, variant, sum(day.exchanges for day in each), _sum([day.cost_usd for day in each]),
            _sum([day.saved_usd for day in each]) if variant == "candidate" else None,
            sum(day.unpriced for day in each),
        )
        for (group, variant), each in found.items()
    ]  # fmt: skip
    if by == "day":
        return rows
    return sorted(rows, key=lambda row: (-row[5], -(row[3] or 0.0)))


def cost_rows(ask: Ask) -> Iterable[Row]:
    """One row per day, route, variant and model: their sum is the ledger's."""
    for day in cost_view(ask).days:
        yield day.model_dump()


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _spent(days: Sequence[CostDayView]) -> str:
    total: dict[date, float] = {}
    for day in days:
        total[day.day] = total.get(day.day, 0.0) + (day.cost_usd or 0.0)
    values = [(f"{day.day} {day:%b}", total[day], "f-base") for day in sorted(total)]
    return drawing.bars(values, "Spent by day") if len(values) > 1 else ""


def _beside(view: CostView) -> list[tuple[str, str, int, float | None, float]]:
    """The background's money: (route, who was asked, calls, spent, judge)."""
    found: dict[tuple[str, str], tuple[int, float | None, float]] = {}
    for day in view.background:
        calls, spent, judge = found.get((day.route, day.asked), (0, None, 0.0))
        found[day.route, day.asked] = (calls + day.calls, _sum([spent, day.cost_usd]), judge + day.judge_cost_usd)
    return [(route, asked, *told) for (route, asked), told in found.items()]


# Lists -------------------------------------------------------------------------------------------------------------


def audit(ask: Ask) -> Shown:
    """Who did what, when, and why."""
    view = ask.pages.audit_list()
    text = ask.given.get("q", "").lower()
    entries = [
        each for each in view.entries if text in f"{each.actor} {each.action} {each.subject} {each.reason}".lower()
    ]
    return Shown("audit", "Audit", {"entries": entries[:ENTRIES], "found": len(entries), "most": ENTRIES}, view)


def audit_rows(ask: Ask) -> Iterable[Row]:
    """The whole log."""
    for each in ask.pages.audit_list().entries:
        yield each.model_dump()


def system(ask: Ask) -> Shown:
    """This node. Of its counts what is behind, lost or refused stands first, and what went well beside it."""
    view = ask.pages.system()
    told = [(name, value) for name, value in view.metrics.items() if value]
    context = {
        "cli": "crossfade doctor",
        "lost": [each for each in told if not _went_well(each[0])],
        "well": [each for each in told if _went_well(each[0])],
        "still": [(name, value) for name, value in view.metrics.items() if not value],
    }
    return Shown("system", "System", context, view)


def _went_well(series: str) -> bool:
    """Whether a series of /metrics counts what was recorded or answered."""
    return "_records_total{" in series or 'outcome="answered"' in series


def data(ask: Ask) -> Shown:
    """What is kept."""
    since = ask.given.get("since", USUAL)
    view = ask.pages.figures.data(wanted("exchanges", {"since": since}, now=ask.now))
    return Shown("data", "Data", {"since": since, "windows": WINDOWS, "cli": "crossfade records stats"}, view)


def unrouted(ask: Ask) -> Shown:
    """Kinds of requests that no policy has."""
    since = ask.given.get("since", USUAL)
    view = ask.pages.figures.unrouted(wanted("exchanges", {"since": since}, now=ask.now), _KINDS)
    policies = [policy_text(each) for each in view.groups]
    context = {"since": since, "windows": WINDOWS, "policies": policies, "cli": "crossfade routes"}
    return Shown("unrouted", "Unrouted", context, view)


def unrouted_rows(ask: Ask) -> Iterable[Row]:
    """One row per kind."""
    given = {"since": ask.given.get("since", USUAL)}
    for each in ask.pages.figures.unrouted(wanted("exchanges", given, now=ask.now), _KINDS).groups:
        yield each.model_dump() | {"tools": ", ".join(each.tools)}


def policy_text(kind: UnroutedView) -> str:
    """A policy to start from, for requests of this kind: shadow only, so that it moves nothing."""
    name = "".join(letter if letter.isalnum() else "-" for letter in kind.model.lower()).strip("-")[:40] or "route"
    begins = kind.system.split("\n")[0].strip()[:60]
    match = [f"  model: {_quoted(kind.model)}"]
    match += [f"  system_prompt: {{contains: {_quoted(begins)}}}"] if len(begins) >= 8 else []
    lines = [f"route: {name}", "match:", *match]
    lines += ["baseline: {upstream: openai}", 'candidate: {upstream: NAME, model: NAME, revision: "1"}']
    lines += [f"compare: [{'tool_calls' if kind.tools else 'json_fields' if kind.schema_hash else 'exact'}]"]
    return "\n".join([*lines, "stages: [shadow]"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def keys(ask: Ask) -> Shown:
    """The gateway's keys."""
    return Shown("keys", "Keys", {"cli": "crossfade keys create NAME"}, KeysView(keys=ask.pages.keys()))


def ask_revoke(ask: Ask) -> Shown:
    """Whose key it is, and the form to end it."""
    listed = ask.pages.keys()
    key = next((each for each in listed if each.id == ask.places["key"]), None)
    if key is None:
        raise AskError(404, "no key has that id. hint: /keys lists all")
    return Shown("revoke", f"Revoke {key.name}", {"key": key, "least": MIN_REASON, "problem": ""})


def say_revoke(ask: Ask) -> Shown:
    """End a key's life."""
    if len(ask.form.get("reason", "")) < MIN_REASON:
        shown = ask_revoke(ask)
        problem = {"problem": f"Say why, in {MIN_REASON} letters or more."}
        return Shown(shown.template, shown.title, {**shown.context, **problem}, status=400)
    ask.pages.end_key(ask.places["key"], ask.form["reason"], by=BY)
    return Shown("keys", "", see="/keys")


# The kill switch ---------------------------------------------------------------------------------------------------


def ask_kill(ask: Ask) -> Shown:
    """What the kill switch does, and the form."""
    return Shown("kill", "Kill", _kill_context(ask, ""))


def say_kill(ask: Ask) -> Shown:
    """Everything to the baseline, or weights as the table says again."""
    reason, is_off = ask.form.get("reason", ""), ask.form.get("off") == "yes"
    if len(reason) < MIN_REASON:
        return Shown("kill", "Kill", _kill_context(ask, f"Say why, in {MIN_REASON} letters or more."), status=400)
    done = ask.pages.operations.set_killed(KillOrderView(reason=reason[:1000], off=is_off), by=BY)
    if done.problem is not None:
        return Shown("kill", "Kill", _kill_context(ask, done.problem), status=409)
    return Shown("kill", "", see="/")


def _kill_context(ask: Ask, problem: str) -> Mapping[str, object]:
    return {"problem": problem, "is_killed": ask.pages.data.kill.exists(), "least": MIN_REASON}


COST = ConsolePage("/cost", cost, "Cost", ("since", "until", "route", "by"), rows=cost_rows)
AUDIT = ConsolePage("/audit", audit, "Audit", ("q",), rows=audit_rows)
SYSTEM = ConsolePage("/system", system, "System")
DATA = ConsolePage("/data", data, "Data", ("since",))
UNROUTED = ConsolePage("/unrouted", unrouted, "Unrouted", ("since",), rows=unrouted_rows)
KEYS = ConsolePage("/keys", keys, "Keys")
REVOKE = ConsolePage("/keys/{key}/revoke", ask_revoke, "Keys", has_json=False)
REVOKED = ConsolePage("/keys/{key}/revoke", say_revoke, "Keys", is_form=True)
KILL = ConsolePage("/kill", ask_kill, "Routes", has_json=False)
KILLED = ConsolePage("/kill", say_kill, "Routes", is_form=True)
