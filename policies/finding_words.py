"""What gates, guards and detectors find, in everyday words: by the name of the gate, guard or detector."""

GATES = {
    "quality": "that its answers are good enough, compared with the baseline's",
    "likeness": "that its answers are as similar to the baseline's as two answers of the baseline are to each other",
    "vectors": "that its vectors fit an index of the baseline's vectors",
    "validity": "that its answers keep to their format as often as the baseline's",
    "errors": "that its requests fail no more often than the baseline's",
    "latency": "that it answers fast enough",
    "cost": "that it is cheap enough",
}
UNMEASURED = {
    "quality": "no pair of answers has a score yet",
    "likeness": "no pair of answers has been compared yet",
    "vectors": "no vectors have been compared yet",
    "validity": "no answer has been checked against its format yet",
    "errors": "no request has been counted yet",
    "latency": "too few requests have been timed yet to know what is fast enough",
    "cost": "no pair of answers has both prices yet",
}
OVERDUE = {
    "quality": "answers come, but no scores. Is the judge or scorer running?",
    "likeness": "answers come, but no comparisons. Is the shadow running?",
    "vectors": "answers come, but no comparisons. Is the shadow running?",
    "validity": "answers come, but none is checked against its format",
    "errors": "conversations come, but no requests are counted",
    "latency": "answers come, but no timings",
    "cost": "answers come, but no prices",
}
HARM = {
    "quality": "its answers are worse than the baseline's by more than the policy allows",
    "likeness": "its answers are less like the baseline's than the policy allows",
    "vectors": "more of its vectors than the policy allows do not fit an index of the baseline's vectors",
    "validity": "its answers break their format more often than the policy allows",
    "errors": "its requests fail more often than the policy allows",
    "latency": "it answers more slowly than the policy allows",
    "cost": "it costs more than the policy allows",
}
DIFFERENT = "Different is not worse: let a judge, a scorer or people score the pairs."
"""What to do where likeness alone was asked for and cannot be certified."""
GUARDS = {
    "outputs": "it gives the same answer too often",
    "length": "its answers are much longer or shorter than the baseline's",
    "empty": "it gives empty answers more often than the baseline",
    "refusal": "it refuses to answer more often than the baseline",
    "loop": "it repeats itself more often than the baseline",
    "truncated": "its answers are cut short more often than the baseline's",
    "language": "it answers in another language more often than the baseline",
    "echo": "it repeats the question more often than the baseline",
    "unknown_tool": "it calls tools that do not exist more often than the baseline",
    "leak": "it gives away its instructions more often than the baseline",
    "hang_ups": "apps hang up on it more often than on the baseline",
    "drops": "too many comparisons were lost. Can the candidate keep up?",
    "busy": "the candidate has no room for some of its requests. Can it take more at once?",
    "late": "too many requests ended after their conversation had been counted",
    "unscored": "too many pairs of answers have no score",
    "abstained": "the judge could not decide on too many pairs of answers",
    "controls": "the judge got too many of its hidden test pairs wrong",
    "incident": "the baseline itself fails too often right now, so nothing can be compared with it",
    "judge_bias": "it is not shown yet that the judge agrees with people. Label some pairs",
    "concentration": "one conversation makes too much of the traffic. Give sessions an id (assign.by)",
    "shares": "the candidate gets a different share of the conversations than it should",
}
UNSURE = {"outputs": "it is not certain yet that its answers are as varied as the baseline's"}
UNSEEN = {
    "outputs": "no answers have been seen yet",
    "length": "no answers have been measured yet",
}
DETECTORS = {
    "errors": "the candidate failed too many of its latest requests",
    "validity": "too many of its latest answers broke their format",
    "empty": "too many of its latest answers are empty",
    "quality": "its latest answers are worse than those with which it passed its checks",
    "latency": "too many of its latest answers were slower than the limit",
}
