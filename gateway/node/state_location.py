"""Where the shared state is, as the settings say it: for the processes' boots, and for the command line."""

from collections.abc import Mapping

import msgspec

from gateway.config.settings import Settings
from gateway.node.datadir import DataDir, DataDirError, secret
from records.named_file import require_file


class StatePlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the shared state is kept, and what is needed to get there. Its repr shows no secret."""

    database: str
    """The node's own `state.db`: the shared state itself, or with a server what this node last saw of it."""
    url: str | None = None
    """`redis://`, `rediss://` or `unix://`; None: the state is in `database`."""
    password: str | None = None
    key: str | None = None
    """Hex, 32 bytes: records on a server are sealed with it. Every node has the same."""
    ca_file: str | None = None
    """Certificates to trust instead of the system's."""

    def __repr__(self) -> str:
        return f"StatePlace({self.database!r}, {self.url!r})"


def find(settings: Settings, data: DataDir, environment: Mapping[str, str]) -> StatePlace:
    """The place of the shared state in these settings; a missing key file is made.

    Raises:
        DataDirError: the password or the key cannot be read.
    """
    if settings.state == "sqlite":
        return StatePlace(str(data.state))
    return StatePlace(
        str(data.state),
        settings.state,
        password=_password(settings, environment),
        key=secret(settings.state_key_file or data.root / "state.key").hex(),
        ca_file=None if settings.state_ca_file is None else str(settings.state_ca_file),
    )


def _password(settings: Settings, environment: Mapping[str, str]) -> str | None:
    """The server's password, if one is named.

    Raises:
        DataDirError: it is named and not to be had.
    """
    if settings.state_password_file is not None:
        try:
            require_file(settings.state_password_file)
            return settings.state_password_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise DataDirError(
                f"{settings.state_password_file}: {why}. hint: let this user read the state's password"
            ) from error
    name = settings.state_password_env
    if name is None:
        return None
    if not environment.get(name):
        raise DataDirError(f"${name} is empty. hint: state_password_env names the variable of the state's password")
    return environment[name]
