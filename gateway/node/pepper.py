"""The pepper: callers' keys, users and conversations are kept as HMACs under it, so assignments follow from it, too."""

import hmac

from gateway.config.settings import Settings
from gateway.node.datadir import DataDir, keep_secret, secret


def pepper_of(settings: Settings, data: DataDir) -> bytes:
    """The 32 bytes of these settings; the data directory's own are made when they are first asked for.

    Nodes that share a state have to share it: with two peppers a user is another one on each node, and may get another
    variant. Where nothing else is said, a node makes its own from the key that it shares with the others.

    Raises:
        DataDirError: it cannot be read or made, or a file holds something else.
    """
    own = data.root / "pepper"
    if settings.keys.pepper_file is None and settings.state != "sqlite" and not own.exists():
        keep_secret(own, shared_pepper(settings, data))
    return secret(settings.keys.pepper_file or own)


def shared_pepper(settings: Settings, data: DataDir) -> bytes:
    """What the nodes that share a state's key all have by default.

    Raises:
        DataDirError: the key cannot be read.
    """
    key = secret(settings.state_key_file or data.root / "state.key")
    return hmac.digest(key, b"crossfade pepper", "sha256")
