"""What `crossfade doctor` looks at of the shared state: whether it is there, ours, and can be read."""

from collections.abc import Iterator, Mapping

from gateway.config.settings import Settings
from gateway.control.state.open import open_state
from gateway.control.state.port import StateDownError
from gateway.doctor.result import CheckResult
from gateway.node import state_location as state_place
from gateway.node.datadir import DataDir, DataDirError, secret
from gateway.node.pepper import shared_pepper

SUBJECT = "state"


def shared_state(settings: Settings, data: DataDir, environment: Mapping[str, str]) -> Iterator[CheckResult]:
    """The server of the shared state, if there is one; nothing is written there."""
    if settings.state == "sqlite":
        yield CheckResult("ok", SUBJECT, "in the data directory: this is the only node")
        return
    key = settings.state_key_file or data.root / "state.key"
    if not key.exists():
        hint = "make it once (openssl rand -hex 32), copy it to every node, and name it as state_key_file"
        level = "failure" if settings.state_key_file else "warning"
        yield CheckResult(level, "state_key_file", f"{key} does not exist", hint)
        return
    if settings.state_key_file is None:
        hint = "copy it to the other nodes, and name it there as state_key_file"
        yield CheckResult(
            "warning",
            "state_key_file",
            f"entries are sealed with this node's own {key}, which the other nodes do not have",
            hint,
        )
    yield from _pepper(settings, data)
    try:
        state = open_state(state_place.find(settings, data, environment))
    except DataDirError as error:
        yield CheckResult("failure", SUBJECT, str(error))
        return
    try:
        yield CheckResult("ok", SUBJECT, f"{len(state.rollouts())} rollouts on {settings.state}")
    except StateDownError as error:
        hint = "apps are served; no weight rises until it can be used"
        yield CheckResult("failure", SUBJECT, str(error), hint)
    finally:
        state.close()


def _pepper(settings: Settings, data: DataDir) -> Iterator[CheckResult]:
    """A pepper that was here before the nodes shared a state is not the one that they have by default."""
    own = data.root / "pepper"
    if settings.keys.pepper_file is not None or not own.exists():
        return
    try:
        is_shared = secret(own) == shared_pepper(settings, data)
    except DataDirError as error:
        yield CheckResult("failure", "pepper", str(error))
        return
    if not is_shared:
        hint = "give every node the same file, as keys.pepper_file"
        yield CheckResult(
            "warning",
            "pepper",
            f"{own} belongs to this node only: on another node a user may get another variant",
            hint,
        )
