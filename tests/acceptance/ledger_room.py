"""A gateway between an app and servers whose every answer is planned, and the books that these keep of it.

with kept(folder) as room:
    ledger_traffic.begin(room)         # every series begins
    room.books().text()                # what /metrics has to say
"""

import contextlib
import itertools
import json
import os
import signal
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import httpx
from prometheus_client.parser import text_string_to_metric_families

from gateway import clock
from tests.acceptance import ledger_page
from tests.acceptance.ledger_case import (
    APPS,
    BORN_LATER,
    CLIMBING,
    HALVED,
    HELD,
    POLICIES,
    POLICY,
    QUIET,
    REFUSED,
    RENT_USD_PER_S,
    RENTED,
    REPLICAS,
    SETTINGS,
    UNKNOWN,
    WATCHED,
    Got,
    cost_of,
    first_id,
)
from tests.acceptance.ledger_page import Books, Page
from tests.fakes.planned import WORDS, Planned, PlannedJudge, Sent, plan, planned
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import NO_TLS, PATIENCE_S, await_true


@dataclass(slots=True)
class LedgerRoom:
    """All of it."""

    serving: Serving
    frontier: Planned
    own: Planned
    rented: Planned
    closed: Planned
    judge: Planned
    page: Page
    began_s: float
    """When the servers that are paid by the hour began to cost."""
    got: list[Got] = field(default_factory=list[Got])
    votes: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Route, variant, vote."""
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=PATIENCE_S, trust_env=False, verify=NO_TLS)
    )
    wrong: set[int] = field(default_factory=set[int])
    """Questions that the candidate is to answer otherwise than the frontier."""
    promoted: dict[str, int] = field(default_factory=dict[str, int])
    """Route -> the first question of its stage."""
    numbers: Iterator[int] = field(default_factory=itertools.count)
    opened: set[str] = field(default_factory=set[str])
    """Candidates' servers that the worker asks no more, for whichever route."""
    restarts: int = 0
    """Of the recorder, which is told to end."""
    paid_until_s: float = 0.0
    """Up to when the hours are told."""

    @property
    def servers(self) -> tuple[Planned, ...]:
        """Whoever answers apps."""
        return (self.frontier, self.own, self.rented, self.closed)

    # An app ----------------------------------------------------------------------------------------------------------

    def ask(self, route: str, *, stream: bool = False, model: str = "gpt-4o", **servers: Any) -> Got:
        """One request, and the whole of its answer. `servers`: by role, how they are to answer."""
        number = next(self.numbers)
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "user", "content": plan(number, route, **servers)}],
        }
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        url = f"http://127.0.0.1:{self.serving.port}/v1"
        headers = {"x-route": route, "authorization": "Bearer sk-app"}
        if servers.get("candidate", {}).get("say"):
            self.wrong.add(number)
        asked_s, times, text = clock.monotonic(), list[float](), b""
        with self.client.stream("POST", f"{url}/chat/completions", json=body, headers=headers) as answer:
            for piece in answer.iter_raw():
                times.append(clock.monotonic())
                text += piece
        ended_s = clock.monotonic()
        first_s = (times or [ended_s])[0]
        token_s = (times[-1] - first_s) / (WORDS - 1) if stream and answer.status_code == 200 else None
        own_id, variant = answer.headers["x-crossfade-request-id"], answer.headers["x-crossfade-variant"]
        got = Got(
            number, route, model, answer.status_code, first_id(text), own_id, variant, clock.wall(), first_s - asked_s,
            ended_s - asked_s, token_s, is_stream=stream,
        )  # fmt: skip
        self.got.append(got)
        return got

    def ask_all(self, asks: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Some of them at the same time."""
        with ThreadPoolExecutor(APPS) as apps:
            for asked in [apps.submit(self.ask, route, **more) for route, more in asks]:
                asked.result()

    def vote(self, got: Got, score: int) -> None:
        """What an app says of an answer."""
        url = f"http://127.0.0.1:{self.serving.port}/v1/feedback"
        told = self.client.post(url, json={"request_id": got.own_id, "score": score})
        assert told.status_code == 202, told.text
        self.votes.append((got.route, got.variant, "up" if score > 0 else "down"))

    # The books -------------------------------------------------------------------------------------------------------

    def books(self) -> Books:
        """All that was sent, received and paid so far, as /metrics has to say it."""
        made = Books()
        for name, labels in BORN_LATER:
            made.add(name, 0.0, **labels)
        for route, words in POLICIES.items():
            is_split = words["mode"] == "split"
            stage = 1 if is_split or route in self.promoted else 0
            made.add("weight_ratio", 0.5 if stage else 0.0, route=route)
            made.add("stage", stage, route=route)
            made.add("policy_info", 1, route=route, revision="7")
            made.add("breaker_open", words["upstream"] in self.opened, route=route)
            made.add("decisions_total", stage, route=route, outcome="PROMOTE")
            began = self.promoted.get(route, 0)
            made.add("units", sum(got.route == route and got.number >= began for got in self.got), route=route)
            if not is_split:
                made.add("shadow_key_refused", sum(sent.route == route for sent in self.closed.sent), route=route)
                flying = len(self.own.open) if route == HELD else 0
                waiting = self._unasked() - flying if route == HELD else 0
                made.add("shadow_queue", waiting, route=route)
                made.add("shadow_in_flight", flying, route=route)
            for outcome in ("ROLLBACK", "REJECTED", "SUSPEND", "RETURN", "JOIN", "INCONCLUSIVE", "HOLD"):
                made.add("decisions_total", 0, route=route, outcome=outcome)
            made.add("shadow_total", 0, route=route, asked="candidate", outcome="dropped")
        for reason in ("disk_full", "io_error", "over_budget", "too_large", "removed", "damaged", "unreadable"):
            made.add("journal_lost_total", 0, reason=reason)
        for name, labels in QUIET:
            made.add(name, 0, **labels)
        made.add("leader", 1)
        made.add("process_restarts_total", self.restarts, process="recorder")
        self._add_answers(made)
        self._add_background(made)
        for route, variant, vote in self.votes:
            made.add("feedback_total", route=route, variant=variant, vote=vote)
        made.add("records_total", len(self.votes), table="feedback")
        for table in ("decisions", "observations"):
            made.add("records_total", self._rows(table), table=table)
        self._add_watched(made)
        return made

    def _rows(self, table: str) -> int:
        """How many stand in the files."""
        files = f"{self.serving.data}/records/{table}/**/*.parquet"
        with duckdb.connect() as database:
            return database.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchall()[0][0]

    def _add_watched(self, made: Books) -> None:
        """What the gates of one route estimate, from the answers as they were planned."""
        asked = [got for got in self.got if got.route == WATCHED]
        own = {sent.number: sent for sent in self.own.sent if sent.route == WATCHED}
        base = {sent.number: sent for sent in self.frontier.sent if sent.id in {got.id for got in asked}}
        wrong = sum(got.number in self.wrong for got in asked)
        whole = [got for got in asked if got.status == 200]
        made.add("gate_estimate", -wrong / len(whole), route=WATCHED, gate="quality")
        made.add("gate_estimate", 1 - len(whole) / len(asked), route=WATCHED, gate="errors")
        priced = [got.number for got in whole if got.model != UNKNOWN and got.number in own]
        paid = [sum(cost_of(by[n], name) for n in priced) for by, name in ((own, "own"), (base, "frontier"))]
        made.add("gate_estimate", paid[0] / paid[1], route=WATCHED, gate="cost")

    def add_explained(self, made: Books) -> None:
        """What no upstream can know, as `explain` has it: bounds, evidence, verdicts, detectors."""
        for route in POLICIES:
            results = self._decision(route)["results"]
            for gate in results["gates"]:
                by_hand = route == WATCHED and gate["gate"] in {"quality", "errors", "cost"}
                for part in ("estimate", "lower", "upper", "limit", "log10_e", "verdict"):
                    if gate[part] is not None and not (by_hand and part == "estimate"):
                        made.add(f"gate_{part}", gate[part], route=route, gate=gate["gate"])
            for alarm in results["alarms"]:
                made.add("detector_log10", alarm["log10_m"], route=route, detector=alarm["detector"])

    def _decision(self, route: str) -> dict[str, Any]:
        """The last one, with every number: of one route by the command, of the others by the API, which is quicker."""
        if route != WATCHED:
            return self.serving.admin(f"/api/v1/rollouts/{route}").json()["decision"]
        told = self.serving.crossfade("explain", route, "--json")
        assert told.returncode == 0, told.stderr
        return json.loads(told.stdout)

    def live(self) -> str:
        """What grows while nothing happens, or is at most so much."""
        now, made = clock.wall(), Books()
        made.add("gpu_uncharged_usd", self.uncharged_usd(), upstream="rented")
        idle_s = now - max((got.at_s for got in self.got), default=self.began_s)
        for process in ("controller", "recorder", "shadow"):
            made.add("exposed_age_seconds", idle_s, process=process)
        for name in ("journal_lag_seconds", "evidence_lag_seconds", "shadow_lag_seconds"):
            made.add(name, idle_s)
        made.add("routing_table_age_seconds", now - (self.serving.data / "routing.json").stat().st_mtime)
        made.add("worker_loop_lag_seconds", max((got.total_s for got in self.got), default=0.0))
        return made.text()

    def _add_answers(self, made: Books) -> None:
        """What apps got."""
        sent_by = {sent.id: (server, sent) for server in self.servers for sent in server.sent}
        failed = [sent for sent in self.own.sent if sent.status == 500]
        answered = Counter[str]()
        for got in self.got:
            server, sent = sent_by.get(got.id, (self.frontier, None))
            variant = "baseline" if server is self.frontier else "candidate"
            arm = {"route": got.route, "variant": variant}
            made.add("requests_total", **arm, model=got.model, status_class=f"{got.status // 100}xx")
            made.add("records_total", table="exchanges")
            answered[got.route] += variant == "candidate"
            self._add_times(made, got, arm)
            if sent is not None:
                self._add_tokens(made, got, arm, sent, server)
                around_s = got.total_s - (sent.ended_s - sent.began_s)
                if around_s > 0 and got.number not in {each.number for each in failed}:
                    made.see("overhead_seconds", around_s)
        for sent in failed:
            made.add("fallbacks_total", route=sent.route, reason="server_error")
            made.add("worker_candidate_errors_total")
        for route in (HALVED, RENTED):
            if answered[route]:
                assigned = answered[route] + sum(sent.route == route for sent in failed)
                made.add("served_ratio", answered[route] / assigned, route=route)
        made.add("unread_total", sum(each.is_odd for each in self.frontier.sent), kind="loose_json")
        self._add_rent(made)

    def _add_times(self, made: Books, got: Got, arm: Mapping[str, str]) -> None:
        """What the app's clock says."""
        made.see("request_seconds", got.total_s, **arm)
        if got.is_stream:
            made.see("time_to_first_token_seconds", got.first_s, **arm)
        if got.token_s is not None:
            made.see("time_per_output_token_seconds", got.token_s, **arm)

    def _add_tokens(self, made: Books, got: Got, arm: Mapping[str, str], sent: Sent, server: Planned) -> None:
        """What its server charged for an answer."""
        made.add("tokens_total", sent.prompt_tokens, **arm, model=got.model, kind="prompt")
        made.add("tokens_total", sent.completion_tokens, **arm, model=got.model, kind="completion")
        if got.model == UNKNOWN:
            made.add("unpriced_total", **arm, model=got.model)
            return
        made.add("counterfactual_cost_usd_total", cost_of(sent, "frontier"), **arm)
        if server is not self.rented:
            made.add("cost_usd_total", cost_of(sent, server.name), **arm, model=got.model)

    def _add_rent(self, made: Books) -> None:
        """Servers that are paid by the hour: by the clock on the wall, whatever they answer."""
        answers = [got for got in self.got if got.variant == "candidate" and got.route == RENTED]
        if not answers:
            return
        borne_usd = RENT_USD_PER_S * (max(got.at_s for got in answers) - self.began_s)
        made.add("cost_usd_total", borne_usd, route=RENTED, variant="candidate", model="gpt-4o")
        made.add("gpu_answers_total", len(answers), upstream="rented")
        told_s = self.paid_until_s - self.began_s
        busy_s = sum(got.total_s for got in answers if got.at_s <= self.paid_until_s)
        for state, seconds in (("busy", busy_s), ("idle", REPLICAS * told_s - busy_s)):
            made.add("gpu_seconds_total", seconds, upstream="rented", state=state)
            made.add("gpu_cost_usd_total", seconds * RENT_USD_PER_S / REPLICAS, upstream="rented", state=state)

    def _unasked(self) -> int:
        """Background calls of the route that is held which are owed: of each answer, one to each side."""
        delivered = {got.id for got in self.got}
        asked = sum(sent.route == HELD and sent.id not in delivered for sent in (*self.own.sent, *self.frontier.sent))
        return 2 * sum(got.route == HELD for got in self.got) - asked

    def uncharged_usd(self) -> float:
        """Paid by now, and borne by no answer."""
        answers = [got.at_s for got in self.got if got.variant == "candidate" and got.route == RENTED]
        return RENT_USD_PER_S * (clock.wall() - max(answers, default=self.began_s))

    def _add_background(self, made: Books) -> None:
        """What no app asked for."""
        delivered = {got.id for got in self.got}
        for server in (self.frontier, self.own, self.closed):
            asked = "baseline_again" if server is self.frontier else "candidate"
            for sent in server.sent:
                of_app = sent.id in delivered or (server is self.frontier and sent.status != 200)
                if of_app or POLICIES[sent.route]["mode"] == "split":
                    continue
                came = {200: "answered", 401: "skipped"}.get(sent.status, "failed")
                made.add("shadow_total", route=sent.route, asked=asked, outcome=came)
                made.add("records_total", table="comparisons")
                if came == "answered":
                    made.add("shadow_cost_usd_total", cost_of(sent, server.name), route=sent.route, asked=asked)
        for sent in self.judge.sent:
            made.add("judge_cost_usd_total", cost_of(sent, "judge"), route=sent.route)

    # The gateway's page ----------------------------------------------------------------------------------------------

    def counted(self, name: str, **labels: str) -> float:
        """What /metrics says now, in all series of these labels."""
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.serving.admin("/metrics").text)
            for sample in family.samples
            if sample.name == f"crossfade_{name}" and labels.items() <= sample.labels.items()
        )

    def settle(self) -> None:
        """Wait until the gateway has recorded what was asked, and its shadow has ended what it began."""

        def is_all() -> bool:
            made = self.books().values
            wanted = [sum(made[f"crossfade_{name}"].values()) for name in ("requests_total", "shadow_total", "units")]
            return wanted == [self.counted(name) for name in ("requests_total", "shadow_total", "units")]

        asked = sum(got.route in {WATCHED, CLIMBING, HELD, REFUSED} for got in self.got)
        await_true(lambda: self.counted("shadow_total", asked="candidate") >= asked, "the shadow")
        await_true(is_all, "all that was asked is counted")

    def close_hours(self) -> None:
        """The recorder starts anew: what was paid up to then is told, which it else is in rows of five minutes."""
        pid = self.serving.pid_of("recorder")
        assert pid is not None
        before = self.counted("gpu_seconds_total")
        self.paid_until_s = clock.wall()
        os.kill(pid, signal.SIGTERM)
        self.restarts += 1
        await_true(lambda: self.counted("gpu_seconds_total") > before, "the hours")


@contextlib.contextmanager
def kept(folder: Path) -> Generator[LedgerRoom]:
    """All of it, while this lasts."""
    policies = folder / "crossfade-policies"
    policies.mkdir()
    for route, words in POLICIES.items():
        (policies / f"{route}.yaml").write_text(POLICY.format(route=route, **words))
    (folder / "key").write_text("sk-background")
    with (
        planned("frontier", "frontier") as frontier,
        planned("own", "candidate") as own,
        planned("rented", "candidate") as rented,
        planned("closed", "candidate") as closed,
        planned("judge", "judge", of=PlannedJudge) as judge,
        ledger_page.shown() as page,
    ):
        settings = SETTINGS.format(
            frontier=frontier.base_url, own=own.base_url, rented=rented.base_url, closed=closed.base_url,
            judge=judge.base_url, key=folder / "key",
        )  # fmt: skip
        began_s = clock.wall()
        with Serving(folder, settings, worker=REAL) as serving:
            serving.await_ready()
            serving.await_control()
            room = LedgerRoom(serving, frontier, own, rented, closed, judge, page, began_s)
            await_true(lambda: room.counted("weight_ratio") == 1.0, "two routes are split")
            with room.client:
                yield room
