import pytest

from gateway.quantities import Address, address, seconds, share_ppm, size_bytes


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 0.5), ("30s", 30.0), ("1.5h", 5400.0), ("90d", 7_776_000.0), (" 1w ", 604_800.0)]
)
def test_durations(text: str, expected: float) -> None:
    """A duration is a number and a unit."""
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["30", "s", "1 fortnight", "-1s", "", 30.5, None, True])
def test_what_is_no_duration(text: object) -> None:
    """A bare number has no unit, and is refused rather than guessed at."""
    with pytest.raises(ValueError, match="a number and a unit"):
        seconds(text)


@pytest.mark.parametrize(("text", "expected"), [("8MiB", 8 * 2**20), ("10GB", 10**10), ("512B", 512), ("1.5KiB", 1536)])
def test_sizes(text: str, expected: int) -> None:
    """A size is a number and a unit, in powers of two or of ten as it says."""
    assert size_bytes(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("100%", 1_000_000), ("0.5%", 5_000), ("0%", 0), ("1 %", 10_000)])
def test_shares(text: str, expected: int) -> None:
    """A share is a percentage, kept in parts per million."""
    assert share_ppm(text) == expected


@pytest.mark.parametrize("text", ["0.05", 5, "101%", "five%"])
def test_what_is_no_share(text: object) -> None:
    """Nobody can know whether a bare 5 is 5 % or 500 %: it is refused."""
    with pytest.raises(ValueError, match="a share is"):
        share_ppm(text)


@pytest.mark.parametrize(
    ("text", "expected", "loopback"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080), True),
        ("localhost:1", Address("localhost", 1), True),
        ("[::1]:8080", Address("::1", 8080), True),
        ("0.0.0.0:80", Address("0.0.0.0", 80), False),  # noqa: S104 -- never listened on
        ("[::]:80", Address("::", 80), False),
        ("10.0.0.5:0", Address("10.0.0.5", 0), False),
    ],
)
def test_addresses(text: str, expected: Address, *, loopback: bool) -> None:
    """An address knows whether only this machine reaches it, and prints as it was written."""
    found = address(text)
    assert (found, found.is_loopback, str(found)) == (expected, loopback, text)


@pytest.mark.parametrize("text", ["8080", ":8080", "host", "host:x", "host:70000", 80])
def test_what_is_no_address(text: object) -> None:
    """Half an address is refused."""
    with pytest.raises(ValueError, match="host:port"):
        address(text)
