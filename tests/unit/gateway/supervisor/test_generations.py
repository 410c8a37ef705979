"""Old generations of workers have a bound, and a reload that waits for room says for whom."""

import asyncio
import io
import json

from gateway.log import Log
from gateway.supervisor.generations import MOST_OLD, Generations

Ends = list[asyncio.Future[int]]


def begun(generations: Generations, *pids: int) -> Ends:
    """A generation with workers of these pids that is prepared; how they end."""
    generations.begin()
    ends: Ends = [asyncio.get_running_loop().create_future() for _ in pids]
    for pid, exited in zip(pids, ends, strict=True):
        generations.note(generations.newest, pid, exited)
    return ends


async def test_one_more_reload_waits_until_all_workers_of_an_old_one_have_ended() -> None:
    """So many generations drain beside the one that serves; the next begins when one is gone whole, not in part."""
    stream, waits = io.StringIO(), list[tuple[int, ...]]()
    generations = Generations(Log("test", stream=stream))
    ends: list[Ends] = []
    for number in range(MOST_OLD):
        ends.append(begun(generations, 10 * number, 10 * number + 1))
        generations.switch()
        await generations.await_room(9.0, waits.append)
    assert waits == []
    begun(generations, 100, 101)
    generations.switch()
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(generations.await_room(9.0, waits.append))
        for exited in (ends[1][0], ends[0][0], ends[1][1]):
            for _ in range(5):
                await asyncio.sleep(0)
            assert not waiting.done()
            exited.set_result(0)
    assert waits == [tuple(10 * number + index for number in range(MOST_OLD) for index in (0, 1))]
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["pids"], line["longest_s"]) == ("reload.waits", [str(pid) for pid in waits[0]], 9.0)


async def test_workers_of_a_reload_that_was_refused_count_while_they_end() -> None:
    """Apps may have come to them: refused again and again, reloads leave no more workers behind than done ones."""
    waits: list[tuple[int, ...]] = []
    generations = Generations(Log("test", stream=io.StringIO()))
    ends = [begun(generations, number) for number in range(MOST_OLD)]
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(generations.await_room(9.0, waits.append))
        await asyncio.sleep(0)
        assert not waiting.done()
        ends[2][0].set_result(0)
    assert waits == [tuple(range(MOST_OLD))]
