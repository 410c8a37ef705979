"""Names of upstreams, made addresses: what one name's servers do is felt by nobody who asks for another's.

The loop's own look-ups share four threads among all names and cannot be stopped: one name whose servers are silent
would hold them all. Here each look-up has a thread of its own, of which there is one per name at most.

Rules:
1. One look-up per name is under way; whoever else asks for it waits for the same.
2. Addresses are used for `FRESH_S`. Later they are asked for again, and serve on if no answer comes within `STALE_S`.
3. An address that did not answer is tried after the name's others for `SHUNNED_S`: each new connection would else wait
   for it again. It stays among them: it may be back, and it may be all there is.
4. Whoever waits is bound by its own deadline; a look-up that hangs holds its own thread, and nothing else.
Source: RFC 8767 §5, for answers that are past their time; RFC 8305 §4, for the order of addresses.
"""

import asyncio
import contextlib
import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, takewhile, zip_longest
from typing import Final, NamedTuple

FRESH_S: Final = 10.0
"""How long addresses are used without asking again: getaddrinfo does not tell how long they are good for."""
STALE_S: Final = 1.0
"""How long a new answer is waited for where there is an old one."""
FAILED_S: Final = 1.0
"""How long a name that was not found is not looked up again."""
SHUNNED_S: Final = 30.0
"""How long an address that did not answer stands behind the name's others."""
MOST_LOOKUPS: Final = 64
MOST_NAMES: Final = 1024
FORBIDDEN: Final = frozenset(
    map(ipaddress.ip_address, ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "169.254.170.2"))
)
"""Metadata services of clouds: no upstream, unless the configuration names the address itself."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


class ResolvedAddress(NamedTuple):
    """Where to connect."""

    family: int
    where: tuple[str, int]


class NameNotFoundError(OSError):
    """No address of the name is known, now."""


class ForbiddenAddressError(Exception):
    """The name has an address that no upstream may have."""


Lookup = Callable[[str, int], Sequence[ResolvedAddress]]
"""Addresses of a host and port. Blocks; raises OSError or ValueError where there are none."""


def look_up(host: str, port: int) -> Sequence[ResolvedAddress]:
    """The addresses the system knows.

    Raises:
        OSError: none; ValueError: it is no name.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ResolvedAddress(family, (str(where[0]), port)) for family, *_, where in found]


def by_turns(addresses: Sequence[ResolvedAddress]) -> tuple[ResolvedAddress, ...]:
    """Each address once, the families taking turns from the first one's on (RFC 8305 §4)."""
    once = dict.fromkeys(addresses)
    first = [address for address in once if address.family == addresses[0].family]
    others = [address for address in once if address.family != addresses[0].family]
    return tuple(address for address in chain(*zip_longest(first, others)) if address is not None)


def check_address(host: str, address: ResolvedAddress) -> None:
    """Refuse what no upstream may have.

    Raises:
        ForbiddenAddressError: `address` is, in any spelling, a forbidden one, and `host` is not that address itself.
    """
    found = ipaddress.ip_address(address.where[0].partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        found = _embedded(found) or found
    if found in FORBIDDEN and host != str(found):
        raise ForbiddenAddressError(host)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one stands for (RFC 4291 §2.5.5, RFC 6052 §2.1, RFC 3056)."""
    if address in _NAT64 or 1 < int(address) <= 0xFFFF_FFFF:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _literal(host: str, port: int) -> ResolvedAddress | None:
    """The address that `host` spells out, if it does."""
    with contextlib.suppress(ValueError):
        version = ipaddress.ip_address(host).version
        return ResolvedAddress(socket.AF_INET if version == 4 else socket.AF_INET6, (host, port))
    return None


@dataclass(slots=True, eq=False)
class _Name:
    """What is known of one."""

    addresses: tuple[ResolvedAddress, ...] = ()
    found_s: float = float("-inf")
    failed_s: float = float("-inf")
    began_s: float = 0.0
    shunned_until_s: dict[ResolvedAddress, float] = field(default_factory=dict["ResolvedAddress", float])
    lookup: asyncio.Future[None] | None = field(default=None, repr=False)
    """The look-up that is under way; it ends without a word, what it brought stands here."""


class NameResolver:
    """Makes addresses of names, for one loop."""

    def __init__(self, *, now: Callable[[], float], lookup: Lookup = look_up) -> None:
        self._now = now
        self._lookup = lookup
        self._names: dict[tuple[str, int], _Name] = {}
        self._under_way = 0

    async def addresses(self, host: str, port: int) -> Sequence[ResolvedAddress]:
        """Where `host` is, in the order in which to try. It waits as long as it takes: the caller has a deadline.

        Raises:
            NameNotFoundError: nobody knows. ForbiddenAddressError: at least one is no upstream's.
        """
        literal = _literal(host, port)
        found = (literal,) if literal is not None else await self._known(host, port)
        for address in found:
            check_address(host, address)
        return found

    def doubt(self, host: str, port: int) -> None:
        """Nobody was there: ask again before the next use."""
        known = self._names.get((host, port))
        if known is not None:
            known.found_s = float("-inf")

    def answered(self, host: str, port: int, tried: Sequence[ResolvedAddress], where: tuple[str, int]) -> None:
        """Of the addresses that were `tried`, in this order, the one at `where` answered: those before it did not."""
        known = self._names.get((host, port))
        if known is None:
            return
        before = list(takewhile(lambda address: address.where != where, tried))
        if len(before) == len(tried):
            return  # it is none of them, as far as we can tell
        known.shunned_until_s.pop(tried[len(before)], None)
        until_s = self._now() + SHUNNED_S
        known.shunned_until_s |= dict.fromkeys(before, until_s)

    async def _known(self, host: str, port: int) -> Sequence[ResolvedAddress]:
        known = self._names.get((host, port))
        if known is None:
            known = self._remember(host, port)
        now = self._now()
        if known.addresses and now - known.found_s < FRESH_S:
            return self._in_order(known)
        if known.lookup is None and now - known.failed_s >= FAILED_S and self._under_way < MOST_LOOKUPS:
            self._begin(known, host, port)
        lookup = known.lookup
        if lookup is not None:
            patience_s = known.began_s + STALE_S - now if known.addresses else None
            if patience_s is None or patience_s > 0:
                await asyncio.wait((lookup,), timeout=patience_s)
        if not known.addresses:
            raise NameNotFoundError(host)
        return self._in_order(known)

    def _in_order(self, known: _Name) -> Sequence[ResolvedAddress]:
        """The name's addresses, those that did not answer of late behind the others."""
        if not known.shunned_until_s:
            return known.addresses
        now, there = self._now(), set(known.addresses)
        known.shunned_until_s = {
            address: until_s for address, until_s in known.shunned_until_s.items() if now < until_s and address in there
        }
        return sorted(known.addresses, key=lambda address: known.shunned_until_s.get(address, 0.0))

    def _remember(self, host: str, port: int) -> _Name:
        if len(self._names) >= MOST_NAMES:
            self._names = {key: name for key, name in self._names.items() if name.lookup is not None}
        known = self._names[host, port] = _Name()
        return known

    def _begin(self, known: _Name, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        known.began_s = self._now()
        known.lookup = loop.create_future()
        self._under_way += 1

        def run() -> None:
            found: Sequence[ResolvedAddress] = ()
            try:
                found = self._lookup(host, port)
            except (OSError, ValueError):
                pass  # what is not found is told by there being nothing
            finally:
                with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                    loop.call_soon_threadsafe(self._ended, known, found)

        try:
            threading.Thread(target=run, name=f"look-up {host}", daemon=True).start()
        except RuntimeError:  # the system lets us have no thread, now: the next to ask tries again
            self._ended(known, ())

    def _ended(self, known: _Name, found: Sequence[ResolvedAddress]) -> None:
        self._under_way -= 1
        lookup, known.lookup = known.lookup, None
        if found:
            known.addresses, known.found_s, known.failed_s = by_turns(found), self._now(), float("-inf")
        else:
            known.failed_s = self._now()
        if lookup is not None:
            lookup.set_result(None)
