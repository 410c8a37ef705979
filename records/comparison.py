"""Rows of the control plane: what the shadow found, what the leader counted, and what was decided.

Field order is the journal's format: append only. Each is one row of the records' table of the same name.
"""

from typing import Annotated, Literal

import msgspec

Asked = Literal["candidate", "baseline", "baseline_again"]
"""`candidate`: the mirror of a baseline's answer. `baseline`: the reverse shadow, of a candidate's.
`baseline_again`: the noise floor."""

Came = Literal[
    "answered",  # with a whole good answer
    "failed",  # with an error, or a broken or malformed answer
    "timed_out",
    "dropped",  # drawn and lost: the queue was full, it grew too old; counts against the candidate
    "skipped",  # drawn and not asked for what says nothing of the candidate: budget, pause, kill; does not count
]


def _about(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange put beside what the shadow got for the same request. Texts are redacted before they come here."""

    exchange_id: Annotated[str, _about("of the exchange that was mirrored")]
    asked: Annotated[Asked, _about("who was asked in the background")]
    route: Annotated[str, _about("of the exchange; of one of several candidates its rollout, as `triage@small`")]
    unit: Annotated[str, _about("hash of the conversation")]
    candidate_key: Annotated[str, _about("digest of all that makes the candidate what it is")]
    compared_us: Annotated[int, _about("moment the comparison was done, UTC")]
    p_mirror: Annotated[float, _about("probability with which the conversation was drawn")]
    came: Annotated[Came, _about("what became of the background call")]
    reason: Annotated[str, _about("for all but answered: which failure or shedding, from a closed list")] = ""
    status: Annotated[int, _about("of the background answer; 0: none")] = 0
    metric: Annotated[str, _about("comparator whose score `q` is; empty: nothing was scored")] = ""
    q: Annotated[float | None, _about("candidate's score less the baseline's, -1 to 1; null: not scored")] = None
    p_sample: Annotated[float, _about("probability with which this pair was scored; 1: always")] = 1.0
    scores_json: Annotated[str, _about("JSON: every comparator's own outcome, diagnostics included")] = "{}"
    agree: Annotated[float | None, _about("likeness of the two answers, 0 to 1; null: not compared")] = None
    valid_candidate: Annotated[bool | None, _about("schema or tool signatures hold; null: nothing to check")] = None
    valid_baseline: Annotated[bool | None, _about("the same of the baseline's answer")] = None
    first_byte_ms: Annotated[float | None, _about("of the background call, where it streams: to its first token")] = (
        None
    )
    total_ms: Annotated[float | None, _about("of the background call")] = None
    timing_void: Annotated[bool, _about("the shadow was too busy itself for its timing to count")] = False
    prompt_tokens: Annotated[int | None, _about("of the background call")] = None
    completion_tokens: Annotated[int | None, _about("of the background call")] = None
    cost_usd: Annotated[float | None, _about("of the background call; null: unknown")] = None
    cost_served_usd: Annotated[float | None, _about("of the answer the app got; null: unknown")] = None
    judge_cost_usd: Annotated[float, _about("of judging this pair")] = 0.0
    judge_json: Annotated[str, _about("JSON: both orders' verdicts, prompt hash, version; empty: not judged")] = ""
    abstained: Annotated[bool, _about("the judge was asked and gave no verdict")] = False
    control: Annotated[bool | None, _about("a hidden control beside this pair: whether the judge got it right")] = None
    output_candidate_json: Annotated[str, _about("JSON of policies.events.Output: digest, length, flags")] = ""
    output_baseline_json: Annotated[str, _about("the same of the baseline's answer")] = ""
    answer_json: Annotated[str | None, _about("the background answer, redacted; null: not kept")] = None
    agree_other: Annotated[
        float | None, _about("likeness to the other background answer to the same request; null: there is none yet")
    ] = None
    also_json: Annotated[
        str, _about("JSON list of policies.events.AlsoScored: further metrics that gates rest on; empty: none")
    ] = ""
    traceparent: Annotated[str, _about("of the request, where it has one that can be read; else empty")] = ""
    endpoint: Annotated[str, _about("of the exchange, as in `exchanges`; empty: an earlier version wrote the row")] = ""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the leader counted it, in its order: evidence is made of these again by `crossfade rebuild`."""

    seq: Annotated[int, _about("the leader's own order, per route")]
    observed_us: Annotated[int, _about("moment it was counted, UTC")]
    route: Annotated[str, _about("whose evidence it is")]
    candidate_key: Annotated[str, _about("digest of the candidate's key")]
    attempt: Annotated[int, _about("of the rollout")]
    weight_ppm: Annotated[int, _about("of the stage")]
    epoch: Annotated[int, _about("of the rollout")]
    watermark: Annotated[float | None, _about("Unix seconds up to which units were closed before it; null: none")]
    event_json: Annotated[
        str,
        _about("JSON of policies.events.PairEvent; empty: forgotten, or (`node` empty) its stage or rules end here"),
    ]
    held_json: Annotated[str, _about("JSON of policies.rules.Held: what the detectors were held to")]
    node: Annotated[str, _about("whose journal it came from")] = ""
    leader_epoch: Annotated[int, _about("fencing epoch of who counted it: of two rows of one seq the later counts")] = 0
    number: Annotated[int, _about("of the event, at its node")] = 0
    history: Annotated[str, _about("first decision of the kept rollout: a state that was lost began another")] = ""


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One decision that moved something or changed its reason."""

    decision_id: Annotated[str, _about("UUIDv7")]
    decided_us: Annotated[int, _about("moment of the decision, UTC")]
    route: Annotated[str, _about("whose")]
    candidate_key: Annotated[str, _about("digest of the candidate's key")]
    move: Annotated[str, _about("policies.terms.Move")]
    outcome: Annotated[str, _about("ROLLBACK, REJECTED, PROMOTE, INCONCLUSIVE or HOLD")]
    rule: Annotated[str, _about("which rule decided")]
    reason: Annotated[str, _about("in a sentence")]
    by: Annotated[str, _about("`evidence`, or an operator")]
    from_stage: Annotated[str, _about("where the rollout stood")]
    to_stage: Annotated[str, _about("where it stands since")]
    weight_ppm: Annotated[int, _about("since")]
    version: Annotated[int, _about("of the rollout's stored state")]
    record_json: Annotated[str, _about("the whole decision record: `crossfade policy explain --replay` makes it again")]
