"""How people write sizes and addresses in the settings, and what they mean (the rest: `policies.language.amounts`)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

_DECIMAL = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BYTES = _DECIMAL | {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)([A-Za-z]+)")


def size_bytes(text: object) -> int:
    """What a size means: `8MiB`, `10GB`.

    Raises:
        ValueError: no size; a bare number has no unit and is none either.
    """
    match = _SIZE.fullmatch(text) if isinstance(text, str) else None
    if match is None or match[2] not in _BYTES:
        raise ValueError("must be a size. hint: a number and its unit: 512KiB, 8MiB, 10GiB, or 10GB in powers of ten")
    return int(float(match[1]) * _BYTES[match[2]])


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def address(text: object) -> Address:
    """What `host:port` or `[v6]:port` means.

    Raises:
        ValueError: no such thing.
    """
    if isinstance(text, Address):
        return text
    host, colon, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ValueError("must be an address. hint: host:port: 127.0.0.1:8080, 0.0.0.0:8080, [::1]:8080")
    return Address(host, int(port))


Bytes = Annotated[int, BeforeValidator(size_bytes)]
Listen = Annotated[Address, BeforeValidator(address)]


def _url(text: str) -> str:
    """An upstream's URL without the things a base cannot have.

    Raises:
        ValueError: it has them, or is none.
    """
    parts = urlsplit(text)  # raises ValueError by itself for what is far off
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not a URL: write it as https://host[:port]/v1")
    if parts.query or parts.fragment:
        raise ValueError("a base URL has no query: put it under `query`")
    if parts.username or parts.password:
        raise ValueError("no credentials in a URL: name a file as `api_key_file`")
    return text.rstrip("/")


def _proxy(text: str) -> str:
    """A forward proxy's URL.

    Raises:
        ValueError: not `http://host:port`.
    """
    parts = urlsplit(text)
    if parts.username or parts.password:
        raise ValueError("no credentials in a proxy's URL: it is asked without any, so let it know us by our address")
    if parts.scheme != "http" or not parts.hostname or not parts.port or parts.path.strip("/"):
        raise ValueError("a forward proxy is http://host:port")
    return text.rstrip("/")


def _from_file(path: Path, info: ValidationInfo) -> Path:
    """A path as the settings file means it: from its own folder on."""
    context = cast("dict[str, Path] | None", info.context)
    path = path.expanduser()
    return context["folder"] / path if context else path


LocalPath = Annotated[Path, AfterValidator(_from_file)]
Url = Annotated[str, AfterValidator(_url)]
ProxyUrl = Annotated[str, AfterValidator(_proxy)]
