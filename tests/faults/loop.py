"""The loop under faults: a controller that dies, one that slept, and two of them. Time is an argument: nothing waits.

The workers follow the table with their own `gateway.proxy.table_watch.TableWatch`, over the controller's files.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gateway import clock
from gateway.control.controller.process import Controller
from gateway.control.leader.persistence import read_rollout
from gateway.control.state.port import QueuedOrder, Stored
from gateway.control.state.sqlite import SqliteState
from gateway.proxy.table_watch import TableWatch
from tests.faults.dice import dice as dice_of
from tests.rooms.loop_room import POLICY, Room

SLOW = POLICY.replace("- shadow: {min_units: 20, days: 0}", "- shadow: {min_units: 20000, days: 0}")


@dataclass(slots=True)
class Report:
    """What was found, and what was broken of it."""

    lines: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def held(self) -> bool:
        return not self.broken

    def report(self) -> str:
        return "\n".join(f"  {line}" for line in (*self.lines, *(f"BROKEN: {each}" for each in self.broken[:10])))


Word = Literal["promote", "hold", "resume", "rollback"]
VERBS: tuple[Word, ...] = ("promote", "promote", "hold", "resume", "resume", "rollback")


def ordered(room: Room, state: SqliteState, number: int, verb: Word) -> None:
    state.order(QueuedOrder(f"o{number}", "triage", verb, "ada", "test", room.now))


def dead_man(kills: int, directory: Path) -> Report:
    """G7: the only evaluator killed: nothing grows without one, and after the grace the candidate answers nobody."""
    found, dice = Report(), dice_of(7)
    room = Room(directory)
    room.policy(SLOW)
    state = SqliteState(directory / "state.db")
    watch = TableWatch(directory / "routing.json", directory / "KILL", {})
    controller, longest_s, back_s = room.controller(), 0.0, 0.0
    controller.tick(room.now)
    ordered(room, state, 0, "promote")
    for _ in range(3):
        room.now += 1.0
        controller.tick(room.now)
    for kill in range(kills):
        for _ in range(1 + dice.randrange(20)):  # it lives for a while, and dies at any moment
            room.now += 0.25
            controller.tick(room.now)
        killed_at, weight_ppm = room.now, room.weight_ppm()
        allowed_until = killed_at
        while room.now < killed_at + 420.0:
            room.now += 5.0
            watch.poll(wall=lambda: room.now, now=room.now)
            allowed_until = room.now if watch.candidate_allowed(room.now) else allowed_until
            if room.weight_ppm() > weight_ppm:
                found.broken.append(f"kill {kill}: the weight grew without an evaluator")
        longest_s = max(longest_s, allowed_until - killed_at)
        if watch.candidate_allowed(room.now):
            found.broken.append(f"kill {kill}: the candidate still answers {room.now - killed_at:.0f} s later")
        controller, began = room.controller(), room.now
        while not watch.candidate_allowed(room.now) and room.now < began + 60.0:
            controller.tick(room.now)
            watch.poll(wall=lambda: room.now, now=room.now)
            room.now += 0.25
        back_s = max(back_s, room.now - began)
        if room.weight_ppm() != weight_ppm:
            found.broken.append(f"kill {kill}: {weight_ppm} ppm before, {room.weight_ppm()} after")
    found.lines.append(f"{kills} kills of the only controller at 10 %: the weight grew in 0 of them")
    found.lines.append(f"longest that the candidate still answered: {longest_s:.0f} s (grace 300 s)")
    found.lines.append(f"back at its weight after a restart within {back_s:.2f} s")
    state.close()
    room.close()
    return found


def backlog(exchanges: int, directory: Path) -> Report:
    """The control plane stopped for ten minutes under traffic: how fast it drains, and that nothing is lost."""
    found = Report()
    room = Room(directory)
    room.policy(SLOW)
    controller = room.controller()
    for _ in range(3):
        room.now += 1.0
        controller.tick(room.now)
    began_us = room.now
    for _ in range(exchanges):
        room.now += 600.0 / exchanges
        room.ask(f"{next(room.numbers):016x}")
    controller = room.controller()
    began_s, began_cpu, longest_s, live_s = clock.monotonic(), sum(os.times()[:2]), 0.0, None
    while live_s is None and clock.monotonic() - began_s < 300.0:
        at = clock.monotonic()
        controller.tick(room.now)
        longest_s = max(longest_s, clock.monotonic() - at)
        room.now += max(0.25, clock.monotonic() - at)
        ours = controller.leader.evaluations.get("triage")
        if ours is not None and ours.seq >= exchanges and ours.conditions(room.now).fault is None:
            live_s = clock.monotonic() - began_s
    cpu_s = sum(os.times()[:2]) - began_cpu
    if live_s is None:
        found.broken.append("the gates did not come back to life")
        return found
    counted = controller.leader.evaluations["triage"].evidence
    if counted.count("requests") != exchanges or counted.count("dropped") or counted.count("late"):
        found.broken.append(f"{counted.counts} of {exchanges} exchanges")
    found.lines.append(
        f"{exchanges} exchanges with their comparisons in {room.now - began_us:.0f} s of traffic, 0 lost"
    )
    found.lines.append(f"drained {exchanges / live_s:.0f} a second ({exchanges / cpu_s:.0f} per second of CPU)")
    found.lines.append(f"gates live again after {live_s:.1f} s; longest tick {longest_s:.2f} s")
    room.close()
    return found


def rivals(steps: int, directory: Path) -> Report:
    """G8: two controllers on one state, each pausing at will, under orders: one history, and a legal one."""
    found, dice = Report(), dice_of(8)
    path = directory / "shared.db"
    directory.mkdir(parents=True, exist_ok=True)
    rooms = [Room(directory / name, shared=lambda: SqliteState(path)) for name in ("a", "b")]
    for room in rooms:
        room.policy(SLOW)
    controllers: list[Controller] = [room.controller() for room in rooms]
    asleep = [0, 0]
    state = SqliteState(path)
    before: Stored | None = None
    moves = overtaken = 0
    for step in range(steps):
        for room in rooms:
            room.now += 0.5
        if dice.randrange(8) == 0:
            ordered(rooms[0], state, step, dice.choice(VERBS))
        for number, controller in enumerate(controllers):
            asleep[number] = max(0, asleep[number] - 1) or (dice.randrange(40) if dice.randrange(15) == 0 else 0)
            if not asleep[number]:
                led = controller.leader.epoch
                controller.tick(rooms[number].now)
                overtaken += led is not None and controller.leader.epoch != led
        after = state.rollouts().get("triage")
        moves += _check(before, after, found, step)
        before = after
    if not moves or not overtaken:
        found.broken.append("nothing happened: this run shows nothing")
    found.lines.append(f"{steps} steps of two controllers, {overtaken} changes of leader, {moves} moves")
    found.lines.append(f"versions rose one by one to {before.version if before else 0}, epochs never fell")
    state.close()
    for room in rooms:
        room.close()
    return found


def _check(before: Stored | None, after: Stored | None, found: Report, step: int) -> int:
    """Hold one step of history to the rules. Returns whether it moved."""
    if before is None or after is None:
        return 0
    if after.version < before.version or after.epoch < before.epoch:
        found.broken.append(
            f"step {step}: version {before.version}→{after.version}, epoch {before.epoch}→{after.epoch}"
        )
    was, now = read_rollout(before).rollout, read_rollout(after).rollout
    if now.stage > was.stage + _writes(before, after):
        found.broken.append(f"step {step}: from stage {was.stage} to {now.stage} in {_writes(before, after)} writes")
    return was.stage != now.stage


def _writes(before: Stored, after: Stored) -> int:
    return after.version - before.version
