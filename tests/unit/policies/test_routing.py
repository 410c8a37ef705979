"""The routing table as bytes: whole, or refused with a reason."""

import contextlib
import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.routing import (
    FORMAT,
    PPM,
    Assign,
    Breaker,
    Capture,
    Eligible,
    Key,
    Lease,
    Match,
    Route,
    RoutingError,
    Table,
    Upstream,
    Variant,
    decode,
    encode,
)

UPSTREAMS = (Upstream("openai", "https://api.openai.com/v1"), Upstream("vllm", "http://127.0.0.1:8000/v1", "vllm"))


def table(**fields: Any) -> Table:
    plain: dict[str, Any] = {
        "version": 3, "lease": Lease(1.5), "upstreams": UPSTREAMS, "default_upstream": "openai",
    }  # fmt: skip
    return Table(**(plain | fields))


FULL = table(
    routes=(
        Route(
            "triage",
            Variant("openai"),
            match=Match(model=("gpt-4o",), header={"x-app": ("support",)}, metadata={"feature": ("a", "b")}),
            mode="observe",
            eligible=Eligible(7000, ("images", "n>1"), stateless=True),
            candidate=Variant(
                "vllm", "triage-7b", "r1", {"temperature": msgspec.Raw(b"1e-7")}, ("store",), 1.5, 60.0, "actual"
            ),
            weight_ppm=PPM // 3,
            assign=Assign(("header:x-session-id", "user"), "salt"),
            breaker=Breaker(consecutive=2),
            expose_variant=False,
            pin_keys=("team",),
        ),
    ),
    keys_mode="virtual",
    keys=(Key("k1", "team", "ab" * 32, ("pin",), revoked=True),),
    capture=Capture(500_000, 1024, "keep"),
    expose_variant=False,
)


def sealed(value: object) -> bytes:
    """A file whose checksum fits, whatever it holds."""
    body = json.dumps(value).encode()
    return b'{"sha256":"%b","table":%b}' % (hashlib.sha256(body).hexdigest().encode(), body)


@pytest.mark.parametrize("found", [table(), FULL], ids=["plain", "full"])
def test_a_table_comes_out_as_it_went_in(found: Table) -> None:
    """Every field survives the file, numbers as they were written."""
    assert decode(encode(found)) == found


@given(st.integers(min_value=0), st.data())
def test_a_torn_or_altered_file_is_refused(at: int, data: st.DataObject) -> None:
    """Cut anywhere, or with any byte changed, it is no table: never another one."""
    whole = encode(FULL)
    at %= len(whole)
    with pytest.raises(RoutingError):
        decode(whole[:at])
    changed = bytearray(whole)
    changed[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    with contextlib.suppress(RoutingError):
        assert decode(bytes(changed)) == FULL  # a changed envelope may still say the same


def test_a_newer_format_says_what_to_do() -> None:
    """A table of a later version is refused before its shape is looked at."""
    with pytest.raises(RoutingError, match=f"format {FORMAT + 1}, this process reads up to {FORMAT}: upgrade"):
        decode(sealed({"format": FORMAT + 1, "shape": "unheard of"}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"default_upstream": "nobody"}, "default_upstream 'nobody' is not among the upstreams"),
        ({"routes": (Route("r", Variant("nobody")),)}, "route 'r': upstream 'nobody' is not defined"),
        ({"routes": (Route("r", Variant("openai"), candidate=Variant("no")),)}, "route 'r': upstream 'no'"),
        ({"routes": (Route("r", Variant("openai"), weight_ppm=PPM + 1),)}, "weight 1000001 is not within"),
        ({"routes": (Route("r", Variant("openai"), weight_ppm=-1),)}, "weight -1 is not within"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(change: dict[str, Any], says: str) -> None:
    """What a table names it must define, and weights are shares; the message says where."""
    with pytest.raises(RoutingError, match=says):
        decode(encode(table(**change)))


@pytest.mark.parametrize(
    "value",
    [{}, [], None, "x", {"version": 1}, {**msgspec.to_builtins(table()), "surprise": 1}],
)
def test_a_table_of_another_shape_is_refused(value: object) -> None:
    """A missing or unknown field is no table, even with a checksum that fits."""
    with pytest.raises(RoutingError, match="not a routing table"):
        decode(sealed(value))


def test_an_edit_by_hand_is_noticed() -> None:
    """A weight changed in the file without its checksum changes nothing."""
    data = encode(FULL).replace(b"333333", b"999999")
    with pytest.raises(RoutingError, match="edited by hand"):
        decode(data)


def test_slices_that_move_are_few_and_short() -> None:
    """They come out as they went in, a table that does not know them has none, and too many are refused."""
    route = Route("r", Variant("openai"), moves_by="tool", moving=("tool=a",))
    assert decode(encode(table(routes=(route,)))).routes == (route,)
    assert b"moving" not in encode(table(routes=(Route("r", Variant("openai")),)))

    for moving in (tuple(f"tool={n}" for n in range(65)), ("tool=" + "a" * 300,)):
        with pytest.raises(RoutingError, match="more slices than 64, or longer than 256"):
            decode(encode(table(routes=(msgspec.structs.replace(route, moving=moving),))))
