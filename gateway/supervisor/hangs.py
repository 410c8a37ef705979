"""Workers that live and do nothing: a loop that never ends, a disk that never answers, a process that was stopped.

Rule: a worker whose event loop has not come by for `HANGS_S` is ended, and another takes its place. Time counts only
while the supervisor itself turns, a look at a time, and only while the worker could have turned: what stood still with
its machine, or waits for a core, does not hang. One is ended at a time, with a pause: where they all hang, the machine
may be what is ill, and it is given the time to come back.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.log import Log
from gateway.supervisor.child import Child
from gateway.supervisor.slot import Slot

LOOK_S: Final = 1.0
"""Between two looks; a look counts as this much, however late it comes."""
HANGS_S: Final = 20.0
"""A hundred beats. The longest that a worker is really busy without one is a second or two: the largest body that is
read for its route, a large table, a write that the disk takes its time for."""
REST_S: Final = 10.0
"""From the end of one to that of the next: a worker comes up in a second or two."""
RUNNABLE: Final = "R"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What one look sees of a worker."""

    beats: int
    """0: none can be seen, and nothing is judged by them."""
    state: str = ""
    """What its first thread does, in the kernel's letter; empty: the kernel does not say."""
    cpu_s: float = 0.0
    """The processor time that it has had."""


@dataclass(frozen=True, slots=True)
class _Silence:
    sign: Vitals
    """The newest."""
    lasts_s: float = 0.0


@dataclass(slots=True)
class Silences:
    """Says who hangs and who is to be ended, look by look; it reads no clock."""

    _known: dict[int, _Silence] = field(default_factory=dict[int, _Silence], init=False)
    _rest_s: float = field(default=0.0, init=False)

    def look(self, signs: Mapping[int, Vitals]) -> None:
        """Take the signs of those that serve, by pid, `LOOK_S` after the look before."""
        self._known = {pid: _after(self._known.get(pid), sign) for pid, sign in signs.items()}
        self._rest_s = max(0.0, self._rest_s - LOOK_S)

    def lasts_s(self, pid: int) -> float:
        """How long it has been silent while it could have turned."""
        return self._known[pid].lasts_s if pid in self._known else 0.0

    @property
    def hanging(self) -> list[int]:
        """Those that hang, the one that has been silent longest first."""
        found = [pid for pid in self._known if self.lasts_s(pid) >= HANGS_S]
        return sorted(found, key=self.lasts_s, reverse=True)

    def to_end(self, *, is_ending: bool) -> int | None:
        """Who is to be ended now; it counts as ended from here on. `is_ending`: the one before still lives."""
        hanging = self.hanging
        if not hanging or is_ending or self._rest_s > 0:
            return None
        self._rest_s = REST_S
        del self._known[hanging[0]]
        return hanging[0]


def _after(before: _Silence | None, sign: Vitals) -> _Silence:
    if before is None or not sign.beats or sign.beats != before.sign.beats:
        return _Silence(sign)
    had_s = LOOK_S
    if sign.state == RUNNABLE:  # it wants a core: it could turn as long as it had one
        had_s = min(LOOK_S, max(0.0, sign.cpu_s - before.sign.cpu_s))
    return _Silence(sign, before.lasts_s + had_s)


@dataclass(slots=True)
class HangWatch:
    """Looks at the workers of one supervisor, and ends those that hang."""

    workers: Callable[[], Sequence[Slot]]
    beats: Callable[[str], int]
    """Of a worker, by its name."""
    group: asyncio.TaskGroup
    log: Log
    silences: Silences = field(default_factory=Silences, init=False)
    _ending: asyncio.Task[None] | None = field(default=None, init=False)

    async def keep(self) -> None:
        """Look, as long as the supervisor serves."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Look once."""
        serving = {child.pid: (slot, child) for slot in self.workers() if (child := slot.serving) is not None}
        self.silences.look({pid: self._sign(child) for pid, (_, child) in serving.items()})
        hanging = self.silences.hanging
        for pid, (slot, _) in serving.items():
            if (pid in hanging) != slot.hangs:
                self._tell(slot, pid)
        pid = self.silences.to_end(is_ending=self._ending is not None and not self._ending.done())
        if pid is not None:
            slot, child = serving[pid]
            self._ending = self.group.create_task(slot.end_hanging(child))

    def _sign(self, child: Child) -> Vitals:
        state, cpu_s = child.main_thread() or ("", 0.0)
        return Vitals(self.beats(child.name), state, cpu_s)

    def _tell(self, slot: Slot, pid: int) -> None:
        slot.hangs = not slot.hangs
        slot.changed()
        if not slot.hangs:
            self.log.notice("process.turns", process=slot.name, pid=pid)
            return
        hint = "it is ended, and another takes its place; the lines that follow may say where it stood"
        silent_s = round(self.silences.lasts_s(pid), 1)
        self.log.alarm("process.hangs", process=slot.name, pid=pid, silent_s=silent_s, hint=hint)
