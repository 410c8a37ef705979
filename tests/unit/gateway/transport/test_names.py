"""Names: one look-up at a time, its answer used for a while, and an old answer sooner than none."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gateway.transport.names import (
    FAILED_S,
    FRESH_S,
    MOST_LOOKUPS,
    SHUNNED_S,
    STALE_S,
    ForbiddenAddressError,
    NameNotFoundError,
    NameResolver,
    ResolvedAddress,
    by_turns,
    check_address,
    look_up,
)
from tests.rooms.waiting import PATIENCE_S


def v4(text: str) -> ResolvedAddress:
    return ResolvedAddress(socket.AF_INET, (text, 80))


def v6(text: str) -> ResolvedAddress:
    return ResolvedAddress(socket.AF_INET6, (text, 80))


@dataclass
class Names:
    """Knows what a test says; `answers` set: it answers, else it hangs until it is."""

    found: dict[str, list[ResolvedAddress]] = field(default_factory=dict[str, list[ResolvedAddress]])
    asked: list[str] = field(default_factory=list[str])
    answers: threading.Event = field(default_factory=threading.Event)
    now: float = 100.0

    def __post_init__(self) -> None:
        self.answers.set()
        self.resolver = NameResolver(now=lambda: self.now, lookup=self.look_up)

    def look_up(self, host: str, port: int) -> Sequence[ResolvedAddress]:
        self.asked.append(host)
        assert self.answers.wait(PATIENCE_S)
        if host not in self.found:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return self.found[host]

    async def addresses(self, host: str = "a") -> list[str]:
        return [address.where[0] for address in await self.resolver.addresses(host, 80)]


async def test_an_address_that_did_not_answer_stands_last_for_a_while() -> None:
    """Each new connection would wait for it again; it stays among the others, and comes back to its place."""
    names = Names({"a": [v4("10.0.0.1"), v4("10.0.0.2"), v4("10.0.0.3")]})
    tried = await names.resolver.addresses("a", 80)
    names.resolver.answered("a", 80, tried, ("10.0.0.2", 80))
    assert await names.addresses() == ["10.0.0.2", "10.0.0.3", "10.0.0.1"]
    names.now += FRESH_S
    assert await names.addresses() == ["10.0.0.2", "10.0.0.3", "10.0.0.1"], "a look-up brings it back to its place"
    names.now += SHUNNED_S
    assert await names.addresses() == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]

    names.resolver.answered("a", 80, tried, ("10.0.0.3", 80))
    assert await names.addresses() == ["10.0.0.3", "10.0.0.1", "10.0.0.2"]
    names.resolver.answered("a", 80, await names.resolver.addresses("a", 80), ("10.0.0.1", 80))
    assert (await names.addresses())[0] == "10.0.0.1", "it is back before its time"
    names.found["a"] = [v4("10.0.0.3"), v4("10.0.0.9")]
    names.resolver.doubt("a", 80)
    assert await names.addresses() == ["10.0.0.9", "10.0.0.3"]


async def test_one_look_up_per_name_is_under_way() -> None:
    """A hundred who ask for one name at once make one look-up, and all have its answer."""
    names = Names({"a": [v4("10.0.0.1")]})
    names.answers.clear()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(names.addresses()) for _ in range(100)]
        await asyncio.sleep(0)
        names.answers.set()
    assert [task.result() for task in asking] == [["10.0.0.1"]] * 100
    assert names.asked == ["a"]


async def test_addresses_are_used_for_a_while() -> None:
    """What is fresh is not asked for again; what is not, is."""
    names = Names({"a": [v4("10.0.0.1")]})
    await names.addresses()
    names.now += FRESH_S - 0.1
    await names.addresses()
    assert names.asked == ["a"]
    names.now += 0.2
    names.found["a"] = [v4("10.0.0.2")]
    assert await names.addresses() == ["10.0.0.2"]


async def test_an_old_answer_is_better_than_none() -> None:
    """Where the name is no longer found, or nobody answers in time, what was known last serves on."""
    names = Names({"a": [v4("10.0.0.1")]})
    await names.addresses()
    names.now += FRESH_S
    del names.found["a"]
    assert await names.addresses() == ["10.0.0.1"]
    names.now += FAILED_S
    names.answers.clear()
    late = asyncio.ensure_future(names.addresses())
    await asyncio.sleep(0)
    names.now += STALE_S  # the look-up hangs: who comes now does not wait for it
    assert await names.addresses() == ["10.0.0.1"]
    assert not late.done()
    names.answers.set()
    assert await late == ["10.0.0.1"]


async def test_a_name_that_is_not_found_is_not_asked_for_by_each() -> None:
    """Its absence is known for a moment."""
    names = Names()
    for _ in range(5):
        with pytest.raises(NameNotFoundError):
            await names.addresses()
    assert names.asked == ["a"]
    names.now += FAILED_S
    with pytest.raises(OSError, match="a"):
        await names.addresses()
    assert names.asked == ["a", "a"]


async def test_one_names_silence_is_not_anothers() -> None:
    """While every other name's server is silent, a name that is known has its address."""
    names = Names({"good": [v4("10.0.0.1")]})
    assert await names.addresses("good") == ["10.0.0.1"]
    names.answers.clear()
    silent = [asyncio.ensure_future(names.addresses(f"bad-{number}")) for number in range(MOST_LOOKUPS)]
    await asyncio.sleep(0)
    assert await names.addresses("good") == ["10.0.0.1"]
    with pytest.raises(NameNotFoundError):
        await names.addresses("one-too-many")
    names.answers.set()
    for asking in silent:
        with pytest.raises(NameNotFoundError):
            await asking


async def test_a_look_up_that_finds_no_thread_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system lets us have no thread for a moment, the name is not waited for until the next restart."""
    names = Names({"a": [v4("10.0.0.1")]})

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with asyncio.timeout(PATIENCE_S):
        with monkeypatch.context() as patched, pytest.raises(NameNotFoundError):
            patched.setattr(threading.Thread, "start", refuse)
            await names.addresses()
        names.now += FAILED_S
        assert await names.addresses() == ["10.0.0.1"]


async def test_what_nobody_answered_at_is_asked_for_again() -> None:
    """An address that is doubted is looked up before it is used again."""
    names = Names({"a": [v4("10.0.0.1")]})
    await names.addresses()
    names.found["a"] = [v4("10.0.0.9")]
    names.resolver.doubt("a", 80)
    assert await names.addresses() == ["10.0.0.9"]


async def test_a_waiter_that_gives_up_takes_nobody_along() -> None:
    """A deadline ends one's own waiting; the look-up goes on for the others."""
    names = Names({"a": [v4("10.0.0.1")]})
    names.answers.clear()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await names.addresses()
    names.answers.set()
    assert await names.addresses() == ["10.0.0.1"]
    assert names.asked == ["a"]


async def test_addresses_are_not_looked_up() -> None:
    """What spells out an address is one."""
    names = Names()
    assert await names.addresses("127.0.0.1") == ["127.0.0.1"]
    assert await names.addresses("::1") == ["::1"]
    assert not names.asked


def test_the_families_take_turns() -> None:
    """One family that is dead does not come before all of the other (RFC 8305 §4)."""
    found = by_turns([v6("::1"), v6("::2"), v6("::1"), v4("10.0.0.1"), v4("10.0.0.2"), v4("10.0.0.3")])
    assert [address.where[0] for address in found] == ["::1", "10.0.0.1", "::2", "10.0.0.2", "10.0.0.3"]


@pytest.mark.parametrize(
    "spelt",
    [
        "169.254.169.254", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "::169.254.169.254",
        "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "fd00:ec2::254", "fd00:0ec2:0:0::0254",
    ],
)  # fmt: skip
async def test_no_spelling_of_a_forbidden_address_passes(spelt: str) -> None:
    """Neither a name's address nor one that is written in another way leads to a cloud's metadata service."""
    address = v6(spelt) if ":" in spelt else v4(spelt)
    with pytest.raises(ForbiddenAddressError):
        await Names({"a": [v4("10.0.0.1"), address]}).addresses()


async def test_what_the_configuration_names_itself_is_allowed() -> None:
    """An address that stands in the settings as such is meant."""
    check_address("169.254.169.254", v4("169.254.169.254"))
    with pytest.raises(ForbiddenAddressError):
        await Names().addresses("::ffff:169.254.169.254")


def test_the_systems_addresses_are_those_of_its_own_look_up() -> None:
    """The system is asked as every program asks it."""
    assert ("127.0.0.1", 80) in [address.where for address in look_up("localhost", 80)]
    with pytest.raises((OSError, ValueError)):
        look_up("." * 300, 80)
