"""A candidate that dies under traffic: what the apps see of it. Prints the figures.

    python -m tests.acceptance.candidate_faults --kills 50 --cuts 1000      (`make vllm-faults`)

Kills: a real vLLM at weight 30 % is killed with SIGKILL, all its processes at once, while requests are in flight; a
fresh one comes up. Cuts: a fake vLLM's streams break at every point in every way. The SDK's retries are off.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random  # noqa: TID251 -- every one is seeded
from typing import Any

import openai
from openai import AsyncOpenAI

from gateway import clock
from policies.routing import PPM, Assign, Breaker, Match, Route, Upstream, Variant
from tests.acceptance import vllm_server
from tests.acceptance.vllm_server import MODEL, VllmServer
from tests.fakes.faults import NONE, Fault
from tests.fakes.openai_answers import Speaker
from tests.fakes.upstream import FakeUpstream
from tests.rooms.gateway_process import Gateway, table_for
from tests.rooms.waiting import PATIENCE_S

PER_KILL = 40
IN_FLIGHT = 16
"""The least that must be under way at a kill."""
SLOTS = 24
WEIGHT_PPM = PPM * 30 // 100
CUTS = ("reset", "close", "half_close", "error_event", "garbage", "no_done")
NEVER = Breaker(consecutive=1_000_000, min_requests=1_000_000)
"""A breaker would keep the next requests away from the dead candidate: here each of them shall meet it."""


def candidate_route(model: str, weight_ppm: int = WEIGHT_PPM, **options: Any) -> Route:
    """A route of chat requests to gpt-4o, its candidate at the upstream `vllm`."""
    return Route(
        "triage",
        Variant("openai"),
        match=Match(model=("gpt-4o",)),
        candidate=Variant("vllm", model=model, first_byte_s=10.0, total_s=60.0),
        weight_ppm=weight_ppm,
        assign=Assign(by=("conversation",), salt="faults"),
        **options,
    )


def gateway_for(directory: Path, baseline: str, candidate: str, route: Route) -> Gateway:
    """A gateway between two upstreams."""
    return Gateway(directory, table_for(baseline, route, upstreams=(Upstream("vllm", candidate, kind="vllm"),)))


async def verify(client: AsyncOpenAI) -> None:
    """Have the frontier accept the key: before that no candidate is asked (architecture §6, 9)."""
    await client.models.list()
    await client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "verify"}])


@dataclass(slots=True)
class Figures:
    """What the apps saw."""

    requests: int = 0
    served: Counter[str] = field(default_factory=Counter[str])
    """Whole answers, by variant."""
    broken: int = 0
    """Streams that ended in an error after their first byte."""
    errors_before_first_byte: int = 0
    spliced: int = 0
    """Answers with words of two models, or streams that ended as if whole and were not."""
    least_in_flight: int = 1_000_000
    """At the moment of a kill."""
    fallbacks: int = 0
    """Requests that the candidate was asked and the baseline answered, by the gateway's own count."""
    seen: list[str] = field(default_factory=list[str])
    """Errors that should not have been."""


@dataclass(slots=True)
class Traffic:
    """Apps, one conversation each."""

    client: AsyncOpenAI
    figures: Figures
    in_flight: int = 0

    async def ask(self, number: int, *, stream: bool, words: int) -> None:
        """One request, from its first byte to its last; half of them stream."""
        self.figures.requests += 1
        self.in_flight += 1
        said = ""
        variant = ""
        asked: Any = {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": f"case {number}"}],
            "max_tokens": words,
        }
        try:
            raw = await self.client.chat.completions.with_raw_response.create(**asked, stream=stream)
            variant = raw.headers.get("x-crossfade-variant", "")
            answer: Any = raw.parse()
            finish = None
            if stream:
                async for chunk in answer:
                    said += chunk.choices[0].delta.content or ""
                    finish = chunk.choices[0].finish_reason or finish
            else:
                said, finish = answer.choices[0].message.content, answer.choices[0].finish_reason
            self.figures.served[variant] += 1
            self.figures.spliced += not is_of_one(said, variant) or finish is None
        except openai.APIError as error:
            if variant:
                self.figures.broken += 1
                self.figures.spliced += not is_of_one(said, variant)
            else:
                self.figures.errors_before_first_byte += 1
                self.figures.seen.append(f"case {number}: {type(error).__name__}: {error}")
        finally:
            self.in_flight -= 1


def is_of_one(said: str, variant: str) -> bool:
    """Whether all words are of the model that the answer's header names."""
    return ("frontier-" in said) == (variant == "baseline") if said else True


async def kill_vllm(kills: int, directory: Path, vllm: VllmServer, *, seed: int = 1) -> Figures:
    """Kill a real vLLM `kills` times with requests in flight, `PER_KILL` requests each time."""
    draw = Random(seed)  # noqa: S311 -- faults, not secrets
    figures = Figures()
    frontier = FakeUpstream(Speaker(words=12), fault=Fault(delay_s=0.1, gap_s=0.02))
    async with frontier:
        route = candidate_route(MODEL, breaker=NEVER)
        with gateway_for(directory, frontier.base_url, vllm.base_url, route) as gateway:
            async with AsyncOpenAI(
                base_url=gateway.base_url, api_key="sk-app", max_retries=0, timeout=PATIENCE_S
            ) as client:
                await verify(client)
                traffic = Traffic(client, figures)
                for round_ in range(kills):
                    await _kill_once(vllm, traffic, round_, draw)
                    await asyncio.to_thread(vllm.start)
            figures.fallbacks = gateway.worker.live()["fallbacks"]
    return figures


async def kill_installed_vllm(kills: int, directory: Path) -> Figures:
    """`kill_vllm` with a server of its own."""
    with VllmServer(directory / "vllm.log") as vllm:
        await asyncio.to_thread(vllm.start)
        return await kill_vllm(kills, directory / "gateway", vllm)


async def _kill_once(vllm: VllmServer, traffic: Traffic, round_: int, draw: Random) -> None:
    """`SLOTS` apps ask one after the other; at a drawn one it is killed."""
    numbers = iter(range(round_ * PER_KILL, (round_ + 1) * PER_KILL))
    last = round_ * PER_KILL + draw.randint(SLOTS, PER_KILL - 1)

    async def app() -> None:
        for number in numbers:
            if number == last:
                traffic.figures.least_in_flight = min(traffic.figures.least_in_flight, traffic.in_flight)
                vllm.kill()
            await traffic.ask(number, stream=number % 2 == 0, words=draw.randint(20, 200))

    async with asyncio.TaskGroup() as group:
        for _ in range(SLOTS):
            group.create_task(app())


async def cut_streams(cuts: int, directory: Path, *, seed: int = 1) -> Figures:
    """Break `cuts` streams of a fake vLLM, at every point in every way."""
    draw = Random(seed)  # noqa: S311 -- faults, not secrets
    figures = Figures()
    frontier, candidate = FakeUpstream(), FakeUpstream(Speaker("candidate", vllm=True, words=40), require_key=False)
    async with frontier, candidate:
        route = candidate_route("tiny", PPM, breaker=NEVER)
        with gateway_for(directory, frontier.base_url, candidate.base_url, route) as gateway:
            async with AsyncOpenAI(
                base_url=gateway.base_url, api_key="sk-app", max_retries=0, timeout=PATIENCE_S
            ) as client:
                await verify(client)
                traffic = Traffic(client, figures)
                candidate.fault = NONE
                for start in range(0, cuts, 20):
                    count = min(20, cuts - start)
                    candidate.plan(*[_cut(draw) for _ in range(count)])
                    async with asyncio.TaskGroup() as group:
                        for at in range(count):
                            group.create_task(traffic.ask(start + at, stream=True, words=40))
            figures.fallbacks = gateway.worker.live()["fallbacks"]
    return figures


def _cut(draw: Random) -> Fault:
    how: Any = draw.choice(CUTS)
    return Fault(cut=how, after=draw.randint(0, 40), piece_bytes=draw.choice((0, 0, 7, 100)))


def report(title: str, figures: Figures, took_s: float) -> str:
    """One run, in words."""
    lines = [
        f"{title}: {figures.requests} requests in {took_s:.0f} s",
        f"  app-visible errors before the first byte: {figures.errors_before_first_byte}",
        f"  spliced answers: {figures.spliced}",
        f"  streams broken after the first byte, as errors: {figures.broken}",
        f"  whole answers: {dict(figures.served)}, of them after a fallback: {figures.fallbacks}",
    ]
    if figures.least_in_flight < 1_000_000:
        lines.append(f"  requests in flight at a kill, least: {figures.least_in_flight}")
    return "\n".join([*lines, *[f"  {line}" for line in figures.seen[:10]], ""])


def main() -> int:
    """Run both; 1 if an app saw what it must not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--cuts", type=int, default=1000)
    told = parser.parse_args()
    runs: list[Figures] = []
    for title, count, run in (("cuts", told.cuts, cut_streams), ("kills of vLLM", told.kills, kill_installed_vllm)):
        if run is kill_installed_vllm and not vllm_server.is_installed():
            sys.stdout.write("no vLLM here: make vllm\n")
            return 1
        with tempfile.TemporaryDirectory() as directory:
            began = clock.monotonic()
            runs.append(asyncio.run(run(count, Path(directory))))
            sys.stdout.write(report(f"{count} {title}", runs[-1], clock.monotonic() - began))
            sys.stdout.flush()
    return int(any(run.errors_before_first_byte or run.spliced for run in runs))


if __name__ == "__main__":
    raise SystemExit(main())
