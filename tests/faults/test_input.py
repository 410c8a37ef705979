"""What apps and upstreams must not be able to do: small sizes of what `make badinput` and `make fuzz-http` print."""

from pathlib import Path

import pytest

from tests.faults.bad_input import bad_input, many_heads, slow_senders
from tests.faults.bad_upstream import bad_upstream
from tests.faults.overload import keep_alive_races, mixed, overload, slow_readers
from tests.faults.smuggling import count_by_chunks, count_by_length, fuzz_http

pytestmark = pytest.mark.slow


async def test_malformed_requests_are_refused(tmp_path: Path) -> None:
    """Malformed requests get an OpenAI-shaped error or a close, bombs the upstream's answer, in flat memory."""
    found = await bad_input(tmp_path)
    assert found.held(), found.report()


async def test_heads_do_not_add_up(tmp_path: Path) -> None:
    """Large heads of which no two are alike leave nothing behind."""
    found = await many_heads(tmp_path, 600)
    assert found.held(), found.report()


async def test_slow_senders_are_sent_away(tmp_path: Path) -> None:
    """Connections that send too slowly end by the limits, and nobody else waits."""
    found = await slow_senders(tmp_path, 50)
    assert found.held(), found.report()


async def test_misbehaving_upstreams_are_contained(tmp_path: Path) -> None:
    """Malformed and endless answers become our error or a visible break, in flat memory, and hurt nobody else."""
    found = await bad_upstream(tmp_path)
    assert found.held(), found.report()


async def test_overload_is_shed_at_once(tmp_path: Path) -> None:
    """What is over the limit gets 503 with retry-after while all that was admitted is answered."""
    found = await overload(tmp_path, asked=150)
    assert found.held(), found.report()


async def test_apps_that_do_not_read_hold_no_memory(tmp_path: Path) -> None:
    """An app that does not read slows its upstream, holds bounded memory, and is let go in the end."""
    found = await slow_readers(tmp_path, 20)
    assert found.held(), found.report()


async def test_callers_do_not_mix(tmp_path: Path) -> None:
    """No caller's cookie or connection serves another, and no redirect is followed."""
    found = await mixed(tmp_path, 200)
    assert found.held(), found.report()


@pytest.mark.parametrize("when", ["after", "on"])
async def test_closed_kept_connections_cost_no_answer(tmp_path: Path, when: str) -> None:
    """When an upstream closes a kept connection, no request is sent twice; each gets an answer or a proper error."""
    found = await keep_alive_races(tmp_path, 60, when=when)
    assert found.held(), found.report()


async def test_mutated_requests_are_read_in_one_way(tmp_path: Path) -> None:
    """However a request is mutated, gateway and upstream agree on how many there are, and none hangs."""
    found = await fuzz_http(2_000, tmp_path)
    assert found.held(), found.report()


def test_the_two_readings_do_differ() -> None:
    """The readers that judge the fuzzer see two requests where one is smuggled in another."""
    smuggled = (
        b"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"18\r\nGET /inner HTTP/1.1\r\n\r\nx\r\n0\r\n\r\n"
    )
    assert count_by_chunks(smuggled) == 1
    assert count_by_length(smuggled) > 1
