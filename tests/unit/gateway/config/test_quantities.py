import pytest

from gateway.config.quantities import Address, address, size_bytes


@pytest.mark.parametrize(("text", "expected"), [("8MiB", 8 * 2**20), ("10GB", 10**10), ("512B", 512), ("1.5KiB", 1536)])
def test_sizes(text: str, expected: int) -> None:
    """A size is a number and a unit, in powers of two or of ten as it says."""
    assert size_bytes(text) == expected


@pytest.mark.parametrize("text", ["8", "MiB", "8 parsecs", "-1B", "", "8mib", 8.5, None])
def test_what_is_no_size(text: object) -> None:
    """A bare number has no unit, and is refused rather than guessed at."""
    with pytest.raises(ValueError, match="must be a size"):
        size_bytes(text)


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
    with pytest.raises(ValueError, match="must be an address"):
        address(text)
