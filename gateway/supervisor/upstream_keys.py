"""The gateway's own keys for upstreams, read from where the settings name them."""

from collections.abc import Mapping
from pathlib import Path

from gateway.config.settings import Settings, Upstream
from gateway.transport.key_file import read_key


def names_a_key(upstream: Upstream) -> bool:
    """Whether it is to have a key of a file."""
    return upstream.kind != "litellm" and (upstream.background_key_file or upstream.api_key_file) is not None


def own_key(upstream: Upstream, environment: Mapping[str, str]) -> str | None:
    """An upstream's own key.

    Raises:
        OSError: its file cannot be read.
    """
    if upstream.api_key_file is not None:
        return _key_in(upstream.api_key_file)
    return environment.get(upstream.api_key_env or "")


def _key_in(path: Path) -> str:
    """The key in a file.

    Raises:
        OSError: it cannot be read, or is none.
    """
    return read_key(path).decode()


def key_files(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """The files that keys of `background_keys` stand in, by upstream: they may be rotated."""
    found: dict[str, str] = {}
    for name, upstream in settings.upstreams.items():
        path = upstream.background_key_file
        if path is None and not environment.get(upstream.background_key_env or ""):
            path = upstream.api_key_file
        if path is not None and upstream.kind != "litellm":
            found[name] = str(path.absolute())
    return found


def background_keys(settings: Settings, environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The gateway's own keys for calls nobody waits for, by upstream, and which could not be read.

    litellm's process has its own. An upstream without a key that it was to have is not asked in the background; the
    others are.
    """
    found: dict[str, str] = {}
    problems: list[str] = []
    for name, upstream in settings.upstreams.items():
        if upstream.kind == "litellm":
            continue
        try:
            if upstream.background_key_file is not None:
                key = _key_in(upstream.background_key_file)
            else:
                key = environment.get(upstream.background_key_env or "") or own_key(upstream, environment)
        except OSError as error:
            problems.append(f"upstream {name}: {error.filename}: {error.strerror}")
            continue
        if key:
            found[name] = key
    return found, problems
