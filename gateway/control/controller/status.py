"""What the controller says of itself, in `run/controller.json`."""

from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from gateway.control.publish.policy_folder import PolicyFile
from policies.routing import Route, Variant


class CandidateStatus(msgspec.Struct, frozen=True):
    """One of several candidates of a route."""

    name: str
    """Of its rollout, as `triage@small`."""
    upstream: str
    model: str | None
    revision: str | None
    serves: bool
    """Whether the table gives it any traffic."""


class PolicyStatus(msgspec.Struct, frozen=True):
    """What `status` shows of a policy file."""

    file: str
    route: str | None
    error: str | None
    votes_window_s: float | None = None
    """How far back votes on the route's answers are compared; None: they are not."""
    candidates: tuple[CandidateStatus, ...] = ()
    """Of a route that has several."""


class ControllerStatus(msgspec.Struct, frozen=True):
    """What the controller says of itself, in `run/controller.json`."""

    version: int
    policies: tuple[PolicyStatus, ...]
    error: str | None
    """Why it cannot do its work now."""


def status_of(
    version: int, files: Iterable[PolicyFile], trouble: str | None, serving: Collection[str] = ()
) -> ControllerStatus:
    """The status of a controller that published table `version` from these policy files.

    `serving`: rollouts that the table gives traffic.
    """
    return ControllerStatus(version, tuple(_policy_status(file, serving) for file in files), trouble)


def by_candidate(routes: Iterable[Route], status: ControllerStatus | None) -> list[Route]:
    """The table's routes as people look at them: one that has several candidates once for each, by its rollout."""
    known = {policy.route: policy.candidates for policy in (status.policies if status else ()) if policy.candidates}
    return [row for route in routes for row in _rows(route, known.get(route.name, ()))]


def _rows(route: Route, candidates: Collection[CandidateStatus]) -> list[Route]:
    return [
        msgspec.structs.replace(
            route,
            name=each.name,
            weight_ppm=route.weight_ppm if each.serves else 0,
            candidate=Variant(each.upstream, each.model, each.revision),
        )
        for each in candidates
    ] or [route]


def _policy_status(file: PolicyFile, serving: Collection[str]) -> PolicyStatus:
    known = file.compiled
    if known is None:
        return PolicyStatus(file.name, None, file.error)
    several = tuple(
        CandidateStatus(
            contender.terms.name, who.upstream, who.model, who.revision, serves=contender.terms.name in serving
        )
        for contender in known.contenders
        if (who := contender.route.candidate) is not None
    )
    return PolicyStatus(file.name, known.route.name, file.error, known.votes_window_s, several)


def read_status(path: Path) -> ControllerStatus | None:
    """What a controller last wrote; None if nothing can be made of it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ControllerStatus)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
