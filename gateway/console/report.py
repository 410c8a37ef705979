"""`/routes/R/report`, and the same as Markdown or as one HTML file: one route on one page, to send on."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from markupsafe import Markup

from gateway.admin.report import ReportMoveView, ReportPairView, ReportView, report
from gateway.console import words
from gateway.console.ask import Ask, AskError, ConsolePage, Row, Shown
from gateway.console.render import Renderer
from policies.results import gate_kind
from policies.terms import Better

WINDOWS = ("24h", "7d", "30d", "all")
USUAL = "7d"
LEGEND = (
    "Estimate: the candidate less the baseline, below 0 is worse; of latency the share of answers in time; of cost the "
    "part of the baseline's. The interval holds however often one looks; cost is shown, not tested. A gate passes when "
    "its whole interval is better than the limit."
)


class GateNumbers(Protocol):
    """What a gate's numbers are written from."""

    @property
    def better(self) -> Better:
        """Which way is better."""
        ...

    @property
    def estimate(self) -> float | None:
        """The estimate as text; empty: not known yet."""
        ...

    @property
    def lower(self) -> float | None:
        """An end of the interval as text."""
        ...

    @property
    def upper(self) -> float | None:
        """An end of the interval as text."""
        ...

    @property
    def limit(self) -> float | None:
        """What it may be."""
        ...


def told(gate: GateNumbers) -> tuple[str, str, str]:
    """A gate's estimate, interval and limit in its own unit."""
    if gate.better is Better.LOWER:
        form = words.ratio
    elif (gate.limit or 0.0) > 0:
        form = _share_of_time
    else:
        form = _difference
    between = "" if gate.lower is None or gate.upper is None else f"{form(gate.lower)} to {form(gate.upper)}"
    return form(gate.estimate), between, form(gate.limit)


def not_known(gate: str) -> str:
    """Instead of an interval or of evidence: cost is what was paid, so nothing is tested and nothing will be known."""
    return "not tested" if gate_kind(gate) == "cost" else words.UNKNOWN


def show(ask: Ask) -> Shown:
    """The page."""
    view = _view(ask)
    since = ask.given.get("since", USUAL)
    context = {
        "told": told, "not_known": not_known, "since": since, "windows": WINDOWS,
        "cli": f"crossfade report {view.route} --since {since}",
        "money": money(view), "legend": LEGEND,
    }  # fmt: skip
    return Shown("report", f"Report on {view.route}", context, view)


def csv_rows(ask: Ask) -> Iterable[Row]:
    """One row per gate."""
    for gate in _view(ask).gates:
        yield gate.model_dump()


def html_file(view: ReportView, renderer: Renderer, *, since: str) -> str:
    """The same as one file that needs nothing else."""
    css = Markup(renderer.static["console.css"].content.decode())  # noqa: S704 -- our own stylesheet
    return renderer.page(
        "report_file", view=view, told=told, not_known=not_known, now=view.made_at, since=since, css=css,
        money=money(view), legend=LEGEND,
    )  # fmt: skip


def money(view: ReportView) -> list[tuple[str, float | None]]:
    """What was paid, and what was not."""
    paid = [arm.cost_usd for arm in view.arms]
    ours = [arm.saved_usd for arm in view.arms if arm.variant == "candidate"]
    beside = [each.cost_usd for each in view.shadow] + [each.judge_cost_usd for each in view.shadow]
    return [
        ("Spent", _sum(paid)),
        ("The baseline alone would have cost", _sum([arm.counterfactual_usd for arm in view.arms])),
        ("Saved by the candidate", _sum(ours) if ours else 0.0),
        ("Shadow and judge", _sum(beside) if view.shadow else 0.0),
    ]


def markdown(view: ReportView, *, since: str) -> str:
    """The report as Markdown. What models and apps wrote is quoted as code: it can be no markup."""
    rollout = view.rollout
    lines = [
        f"# {_line(view.route)}: {_variant(view, is_candidate=False)} → {_variant(view, is_candidate=True)}", "",
        f"{words.moment(view.made_at)}, over {since}. The candidate answers {words.share(rollout.weight)} of eligible "
        f"requests. **{_line(view.sentence)}**", "", "## The rule", "", *view.rule, "", "## Gates", "",
        *([f"{view.gates_of.capitalize()}.", ""] if view.gates_of else []),
        "| gate | verdict | estimate | interval | limit | conversations |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for gate in view.gates:
        estimate, between, limit = told(gate)
        required = "" if gate.required else " (not required)"
        lines.append(
            f"| {_line(gate.gate)}{required} | {gate.verdict} | {estimate} | {between or not_known(gate.gate)} | "
            f"{limit} | {words.number(gate.n)} |"
        )
    lines += ["", LEGEND] if view.gates else []
    lines += ["", "## Money", "", *(f"- {name}: {words.money(value)}" for name, value in money(view))]
    unpriced = sum(arm.unpriced for arm in view.arms)
    lines += [f"- Answers without a price: {words.number(unpriced)}", "", "## What people say", "", _people(view)]
    for title, pairs in (("Best pairs", view.best), ("Worst pairs", view.worst)):
        lines += ["", f"## {title}", "", *(_pair(pair) for pair in pairs)] if pairs else []
    lines += ["", "## Incidents", "", *(_moves(view.incidents) or ["None."])]
    lines += ["", "## Who said what", "", *(_moves(view.approvals) or ["Nobody: evidence alone moved it."])]
    lines += [
        "", "## Hashes", "", f"- policy {_line(view.policy_file or words.UNKNOWN)}: sha256 "
        f"`{view.policy_sha256 or words.UNKNOWN}`", f"- candidate key: `{view.candidate_key or words.UNKNOWN}`",
        *(f"- decision `{each.decision_id}`: sha256 `{each.record_sha256}`" for each in view.moves), "",
    ]  # fmt: skip
    return "\n".join(lines)


def _view(ask: Ask) -> ReportView:
    found = report(ask.pages, ask.places["route"], ask.given.get("since", USUAL))
    if found is None:
        raise AskError(404, f"there is no route called {ask.places['route'][:80]!r}. hint: / lists all routes")
    return found


def _variant(view: ReportView, *, is_candidate: bool) -> str:
    variant = view.rollout.candidate if is_candidate else view.rollout.baseline
    if variant is None:
        return "no candidate"
    revision = f", {variant.revision}" if variant.revision else ""
    return _line(f"{variant.upstream}/{variant.model or 'as asked'}{revision}")


def _people(view: ReportView) -> str:
    if view.human.mean is None or view.human.lower is None or view.human.upper is None:
        return "Nobody has labelled random pairs of this route: `crossfade label` begins."
    return (
        f"Of {view.human.n} random pairs {view.human.mean:+.2f} (1: the candidate is always better, −1: the baseline), "
        f"within [{view.human.lower:+.2f}, {view.human.upper:+.2f}]; people agree with the scores on "
        f"{view.agreement.agreed} of {view.agreement.n}."
    )


def _pair(pair: ReportPairView) -> str:
    return (
        f"- {pair.metric} {pair.q:+.2f}, `{pair.exchange_id}`: asked {_code(pair.prompt)}; baseline "
        f"{_code(pair.baseline)}; candidate {_code(pair.candidate)}"
    )


def _moves(listed: Sequence[ReportMoveView]) -> list[str]:
    return [
        f"- {words.moment(each.at)}: {each.outcome} by {_line(each.by)}, {each.from_stage} → {each.to_stage}: "
        f"{_line(each.reason)}"
        for each in listed
    ]


def _line(text: str) -> str:
    """Text for one line of Markdown, with markup escaped: for names and reasons."""
    plain = words.plain(" ".join(text.split()))
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#!" else letter for letter in plain)


def _code(text: str) -> str:
    """A text as code, on one line; its own marks of code are other letters."""
    return f"`{words.plain(' '.join(text.split())).replace('`', 'ˋ')}`"


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _difference(value: float | None) -> str:
    return words.UNKNOWN if value is None else f"{value:+.4f}".replace("-", "−")


def _share_of_time(value: float | None) -> str:
    return words.share(value, 1)


PAGE = ConsolePage("/routes/{route}/report", show, "Routes", ("since",), rows=csv_rows)
