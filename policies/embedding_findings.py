"""What there is to say about a route of embeddings: vectors of two models must never share an index.

That the candidate's fit the baseline's index is to be certified (`vectors`), and is no quality.
"""

from collections.abc import Iterator

from policies.compile import quality_metric, quality_metrics
from policies.findings import Finding
from policies.request.body import EMBEDDINGS
from policies.schema import Policy


def embedding_findings(policy: Policy) -> Iterator[Finding]:
    """What is wrong with a route of embeddings, or with `vectors` on another one."""
    paths, names = policy.match.path or (), [comparator.name for comparator in policy.compare]
    if EMBEDDINGS not in paths:
        if "vectors" in names:
            message = f"`vectors` compares answers of {EMBEDDINGS}, and this route has other answers"
            yield Finding(
                ("compare", names.index("vectors")),
                message,
                f"add `match: {{path: {EMBEDDINGS}}}`, or remove `vectors`",
            )
        return
    if len(paths) > 1:
        yield Finding(("match", "path"), "embeddings share a route with other answers", "write one policy for each")
    if policy.candidate.system_prompt is not None:
        yield Finding(("candidate", "system_prompt"), f"{EMBEDDINGS} has no system prompt", "remove it")
    for gate in policy.gates.quality or ():
        if (gate.metric or quality_metric(policy)) == "vectors" and gate.margin < 0:
            message = "no candidate can fit the baseline's index better than the baseline"
            yield Finding(
                ("gates", "quality", "margin"),
                message,
                "use 0 or more; 0.01 allows one conversation in a hundred to fail",
            )
    if policy.mode != "bypass" and (policy.mode == "split" or "vectors" not in quality_metrics(policy)):
        message = (
            "vectors of another model do not fit an index of the baseline's vectors, and the cosine of the two "
            "says nothing of quality"
        )
        hint = (
            "for the same weights on another engine, write `compare: [vectors]`; for another model, fill an index of "
            "its own, and let the app ask for the model by its name"
        )
        yield Finding(("match", "path"), message, hint)
