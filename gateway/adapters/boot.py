"""What the supervisor hands to a litellm process; apart from it, so that who starts it loads nothing of it."""

import msgspec


class LitellmBoot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the supervisor hands to this process: one JSON object on an inherited pipe."""

    model: str
    """As litellm names it: `anthropic/claude-…`."""
    uds: str
    api_key: str | None = None
    api_key_file: str = ""
    """Where it stands, and is read again when it was rotated; empty: in no file."""
    api_base: str | None = None
    timeout_s: float = 600.0
    ready_fd: int = -1
    """One byte is written to it when requests are accepted."""
