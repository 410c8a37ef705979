"""From a policy with several candidates to one policy for each: its contender. What follows knows one candidate only.

Rules:
1. A contender differs in its candidate and its name (`policies.candidates`). What is drawn by lot is drawn by the
   route's own salt, so that all are asked the same, and nobody changes sides when one of them goes on.
2. What several candidates cannot mean is refused: where nothing says which of them it is about, or what they would be
   picked by.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from policies.candidates import contender_name
from policies.findings import Finding, Loc
from policies.schema import Candidate, NamedCandidate, Policy


def contenders(policy: Policy) -> tuple[Policy, ...]:
    """One policy for each candidate; a policy that has one is its own."""
    return tuple(_contender(policy, candidate) for candidate in policy.candidates) or (policy,)


def _contender(policy: Policy, candidate: NamedCandidate) -> Policy:
    assign = policy.assign.model_copy(update={"salt": policy.assign.salt or policy.route})
    name = contender_name(policy.route, candidate.name)
    return policy.model_copy(update={"route": name, "candidate": candidate, "candidates": (), "assign": assign})


def named_candidates(policy: Policy) -> Iterator[tuple[Loc, Candidate]]:
    """Every candidate, with where it stands in the file."""
    if not policy.candidates:
        yield ("candidate",), policy.candidate
    for position, candidate in enumerate(policy.candidates):
        yield ("candidates", position), candidate


def contender_findings(policy: Policy, said_of: Callable[[Policy], Iterable[Finding]]) -> tuple[Finding, ...]:
    """What there is to say of a policy with several candidates. `said_of`: of one of its contenders."""
    found = [*_refusals(policy)]
    for (loc, _), contender in zip(named_candidates(policy), contenders(policy), strict=True):
        found += [_placed(finding, loc) for finding in said_of(contender)]
    return tuple(dict.fromkeys(found))  # what holds for all is said once


def _placed(finding: Finding, loc: Loc) -> Finding:
    return replace(finding, loc=(*loc, *finding.loc[1:])) if finding.loc[:1] == ("candidate",) else finding


def _refusals(policy: Policy) -> Iterator[Finding]:
    several = policy.candidates
    if policy.candidate is not several[0]:
        yield Finding(
            ("candidates",), "both `candidate` and `candidates` are given", "move it into `candidates`, with a name"
        )
    if len(several) == 1:
        yield Finding(("candidates",), "`candidates` has one entry only", "write it as `candidate`, without a name")
    for position, candidate in enumerate(several):
        before = several[:position]
        if candidate.name in [each.name for each in before]:
            yield Finding(("candidates", position, "name"), f"{candidate.name} is listed twice", "rename one")
        same = next((each for each in before if _told(each) == _told(candidate)), None)
        if same is not None:
            message = f"{candidate.name} is {same.name} under another name"
            yield Finding(("candidates", position), message, "remove one, or state the difference: `revision: …`")
    yield from _meaningless(policy)


def _told(candidate: Candidate) -> object:
    """All that makes it another candidate."""
    return candidate.model_dump(mode="json", exclude={"name", "first_byte", "total", "report_model"})


def _meaningless(policy: Policy) -> Iterator[Finding]:
    """What says nothing where there are several."""
    if policy.mode == "split":
        yield Finding(
            ("mode",),
            "`mode: split` compares nothing, so it cannot choose among several candidates",
            "write `mode: apply`, or keep one `candidate`",
        )
    if policy.gates.quality is None:
        message = "quality chooses the best of several candidates, and quality is off"
        yield Finding(("gates", "quality"), message, "measure quality, or keep one `candidate`")
    if policy.slices is not None and policy.slices.mode == "partial":
        message = "`mode: partial` takes one candidate: among several, one could pass in a slice by luck"
        hint = "write `mode: whole`; or choose one candidate first, then write `partial`"
        yield Finding(("slices", "mode"), message, hint)
    if policy.pin_keys:
        message = 'a pinned request asks for "the candidate", and there are several'
        yield Finding(("pin_keys",), message, "remove it until one `candidate` is left")
