"""What messages mean and what to do, where that is too long to be printed each time: read by `tools/messages.py`.

Keys are checked against the code: one that no message has, or a message without one, fails the build.
"""

# ruff: noqa: E501 -- tables: a sentence stands on its line

_MORE = "Wait. `crossfade explain ROUTE` says how many more conversations it would take."
_LOOK = "Look at pairs on the console's page Pairs, or with `crossfade records show ID`."
_WORSE = f"Train again, and give the new weights a new `revision`. {_LOOK}"

SENTENCES = {
    "… conversations are open; the first counts … (assign.close_after)": (
        "Wait. A conversation counts once it was silent for `assign.close_after` (30 minutes unless set). For a trial, set "
        "`assign: {close_after: 10s}`."
    ),
    "no conversation has come yet": (
        "Send traffic that the policy's `match` takes. `crossfade routes` shows what arrives without a route; "
        "`crossfade records tail` shows what came, and with which route."
    ),
    "… of the … conversations that this stage wants have counted": "Wait, or lower `min_units` of the stage.",
    "every check passed; the stage lasts … at least, … to go (hold)": (
        "Wait. Each stage lasts an hour (a day from 25 %) unless the policy says otherwise (`hold`). "
        "`crossfade promote ROUTE` does not wait."
    ),
    "every check passed; it moves up within seconds": "Nothing: it moves within seconds.",
    "every check passed; it moves up only within … (advance)": (
        "Nothing: it waits for the hours that the policy names. `crossfade promote` moves it at once."
    ),
    "its policy asks for no check (mode: split), and it goes to its share within seconds": (
        "Nothing. `mode: split` asks for no certificate; `mode: apply` does."
    ),
    "Every check passed …; … waits for your word": "Approve with `crossfade promote ROUTE --reason …`.",
    "today's budget for comparing is spent (shadow.budget)": "Wait for midnight UTC, or raise `shadow.budget`.",
    "no controller is deciding, so evidence cannot take it back": (
        "As below. The workers' own breakers still act, and `crossfade rollback ROUTE` works."
    ),
    "no controller is deciding, so it cannot move up": (
        "Start `crossfade serve`, or see why its controller ended: its log lines are named controller.*. Several nodes "
        "share one leader: `crossfade status` names it."
    ),
    "the controller has not looked at it yet": "Wait some seconds. If it stays: `crossfade policy lint`.",
    "none of the checks that this stage asks for has been made yet": "Wait for the first conversations.",
    "the comparisons are … s behind the traffic, and … s are allowed": (
        "The shadow or the recorder is slow or stopped. `crossfade status` names processes that do not run; the metric "
        "`crossfade_journal_lag_seconds` says how late it is."
    ),
    "no node has reported yet how far it has read the traffic": "Wait some seconds after a start. If it stays, see the log's controller.* lines.",
    "… reads its journals … s late, and … s are allowed": "That node's recorder is slow or stopped: see its log.",
    "… failed its last … requests (…)": (
        "Call the candidate's server yourself, with the same model name. See its own log. Then "
        "`crossfade resume ROUTE --reason …`."
    ),
    "… answered … of the last … requests assigned to it": "As above; the brackets say how its last requests failed.",
    "Suspended …": (
        "Nothing at first: it serves nobody, and comes back by itself within minutes if it answers well again. If it keeps "
        "failing it is rolled back; see the candidate's server meanwhile. `crossfade rollback ROUTE` keeps it out."
    ),
    "in … it is tried on … requests, while apps get the baseline's answers": "Wait a minute. The candidate is asked nothing meanwhile.",
    "it is being tried on copies of requests: … of … went well": (
        "Wait. If nothing comes: is there traffic, and is `shadow.budget` spent?"
    ),
    "it was suspended, tried, and still fails: …": "See the candidate's server, mend it, then `crossfade resume ROUTE`.",
    "it was suspended, and its trial did not come to its end": (
        "Too few requests came to try it on, or none could be asked beside the baseline. Then `crossfade resume ROUTE`."
    ),
    "it was suspended … times within a day before": "It fails now and then. See the candidate's server, then resume.",
    "Back …: … trial requests went well": "Nothing. See the candidate's log for what failed.",
    "Rolled back … ago by …": "Somebody did it on purpose; the reason follows.",
    "Rolled back … times": "After `rollback.quarantine_after` rollbacks only a new revision or `crossfade resume` goes on.",
    "Rejected …": "It did harm before any user saw it. Train again, and give it a new `revision`.",
    "Paused …": "It used up its conversations or its time, or an operator held it. `crossfade resume ROUTE` goes on.",
    "… conversations are this stage's limit": "More is not tried by itself (`max_units`). Resume to grant as many again.",
    "more conversations would not help": "The candidate is too near the limit, or beyond it. Train again, or allow more.",
    "it could not be judged for …": "What should be measured was not. Mend what follows the colon, then resume.",
    "Moved up to …": "Nothing: this is what it is for.",
    "Starts in the shadow, attempt …": "Nothing: evidence is gathered from the beginning.",
    "Stays promoted, and counts from zero again": "Nothing: old counts would hide what changes.",
    "The policy was edited": "Nothing: an edit may lower a weight and never raises one.",
    "Not done: …": "The word makes no sense where the rollout stands; the sentence says why.",
    "Cannot be read: …": "The state is damaged or of another version. Every node has to run the same version.",
    "wait quality": _MORE,
    "wait vectors": f"{_MORE} If it stays: is it the same model, pooled and normalised in the same way?",
    "wait likeness": f"{_MORE} If it stays: let a judge, a scorer or people say which answer is better.",
    "wait validity": _MORE,
    "wait errors": _MORE,
    "wait latency": _MORE,
    "wait cost": "See `crossfade records stats`, and prices in `crossfade.yaml`.",
    "unmeasured quality": "Wait for the first scores. A judge scores a share of the pairs only (`sample`).",
    "unmeasured vectors": "Wait for the first comparisons.",
    "unmeasured likeness": "Wait for the first comparisons.",
    "unmeasured validity": "Wait. Answers are checked only where a request states a schema or tools.",
    "unmeasured errors": "Wait for the first requests.",
    "unmeasured latency": "Wait: the baseline's own speed is measured first.",
    "unmeasured cost": "State both prices under `prices` in `crossfade.yaml`.",
    "overdue quality": "See the log's shadow.* lines: a judge's key, its server, or a scorer's own error.",
    "overdue vectors": "See the log's shadow.* lines, and `crossfade_shadow_total` in `/metrics`.",
    "overdue likeness": "See the log's shadow.* lines, and `crossfade_shadow_total` in `/metrics`.",
    "overdue validity": "Do requests state a `response_format` or tools? If not, take out the gate.",
    "overdue errors": "See the log's controller.* lines: this should not happen.",
    "overdue latency": "See the log's controller.* lines: this should not happen.",
    "overdue cost": "State both prices under `prices` in `crossfade.yaml`.",
    "harm quality": _WORSE,
    "harm vectors": "Give another model an index of its own, and have the app ask for it there.",
    "harm likeness": _WORSE,
    "harm validity": _WORSE,
    "harm errors": "Look at the candidate's server: its log, its memory, its timeouts.",
    "harm latency": "Give the candidate more room, or allow more under `gates.latency`.",
    "harm cost": "See `crossfade records stats --hours`: idle hours are charged, too.",
    "guard outputs": f"One answer for everything, most often a broken upload or template. {_LOOK}",
    "guard length": f"{_LOOK} A judge may like long answers whatever they say.",
    "guard empty": _LOOK,
    "guard refusal": _LOOK,
    "guard loop": f"{_LOOK} Often a wrong chat template or end token.",
    "guard truncated": "Raise the engine's `max_model_len`, or set `max_tokens` for the candidate.",
    "guard language": _LOOK,
    "guard echo": f"{_LOOK} Often a wrong chat template.",
    "guard unknown_tool": _LOOK,
    "guard leak": _LOOK,
    "guard drops": "Lower `shadow.sample`, or raise `shadow.queue` and `shadow.max_in_flight`.",
    "guard late": "Raise `assign.close_after`, or give the variants a deadline (`candidate: {total: …}`).",
    "guard unscored": "See the log's shadow.* lines: what scores fails.",
    "guard abstained": "Sharpen the rubric, or take a stronger judge.",
    "guard controls": "The judge cannot tell good from bad here. Sharpen the rubric, or take a stronger judge.",
    "guard incident": "Wait until the baseline is well again.",
    "guard judge_bias": "Label judged pairs: the console's page Label, or `crossfade label ROUTE --pool judged`.",
    "guard concentration": "Name what tells conversations apart in `assign.by`, such as a header with the session's id.",
    "guard shares": "Something in front of Crossfade treats requests unevenly, or a worker does not ask the candidate.",
    "detector errors": (
        "`crossfade doctor` says whether the candidate's server can be reached, `crossfade_shadow_total` in `/metrics` how "
        "copied requests failed. Then look at the server: its log, its memory, its timeouts."
    ),
    "detector validity": _WORSE,
    "detector empty": "Ask the candidate by hand: are its weights those that were tested, does its template end the turn?",
    "detector quality": f"Did the traffic or the served model change? {_LOOK}",
    "detector latency": "Give the candidate more room: replicas, or a lower weight for now.",
}

STATUS = {
    "KILLED: the baseline alone answers": "Somebody ran `crossfade kill`. `crossfade kill --off` ends it.",
    "nothing serves from …": "No gateway runs on this data directory. Start `crossfade serve`, or name another with `--data`.",
    "no routing table: …": "The controller has not written one yet, or cannot. See its log lines.",
    "lease … (… s old)": (
        "`stale`: the controller is late with renewing the table. After it has expired only the baseline answers. See the log's "
        "controller.* lines."
    ),
    "no routes: every request goes to the default upstream": "There is no policy file yet: `crossfade init` wrote an example.",
    "… not ask the candidate (breaker open)": (
        "The candidate failed several times in a row, so the worker asks it only now and then. The baseline answers."
    ),
    "the candidate answered …% of what was lately assigned to it": "`crossfade explain ROUTE` says how the others failed.",
    "the candidate's upstream refused our key … times in a row": "Give the upstream an `api_key_file` in `crossfade.yaml`.",
    "the shared state cannot be used, so no weight rises and no lease is renewed": (
        "See the state's server (Redis), or the disk of `state.db`. Apps are served; `crossfade kill` works."
    ),
    "not running: …": "That process ended and is started again. Its last log lines say why it ended.",
    "policy not loaded, the last good version stays: …": "`crossfade policy lint` says more.",
    "records … s behind": "Above some seconds: the recorder is too slow for this traffic, or stopped. See the sizing page.",
}

VERDICTS = {
    "`PASS`": "It is shown, and stays shown however often one looks.",
    "`INCONCLUSIVE`": "Not shown yet, in either direction. Nothing moves because of it.",
    "`ERROR`": "What should be measured is missing. If it lasts while the candidate answers, it counts as a failure.",
    "`FAIL`": "Harm is shown. Traffic goes back at once.",
    "`ALARM`, `quiet`": "A detector that watches single requests: it has seen too many bad ones, or not.",
    "`ILL`, `serving`": "Whether the candidate answers what is assigned to it.",
}

LINES = {
    "quality": "How much better the candidate's answers are on average (below 0: worse), in brackets how far off that may "
    "be, then the limit. It passes when the left end of the brackets is above the limit.",
    "validity": "The same for answers that keep to their schema or tools.",
    "errors": "The same for requests that fail.",
    "latency": "The share of requests within the limit, or how it compares with the baseline at the same time.",
    "cost": "What the candidate costs, over what the baseline costs. It is computed, and shown beside the gates.",
    "log10 e 1.10 of 1.30": "How strong the evidence is, as a power of ten. The gate passes when the first number reaches "
    "the second.",
    "about 300 more units": "Conversations still wanted if the next are like those so far.",
    "outputs": "How many different answers there are, and how common the commonest is, beside the baseline.",
    "length": "How long answers are beside the baseline's.",
    "empty, refusal, loop, truncated, language, echo, unknown_tool, leak": "How many answers have that fault, beside the "
    "baseline.",
    "drops": "Pairs that were drawn for comparing and lost in a full queue. Above 1 % nothing advances.",
    "unscored, abstained": "Pairs without a verdict, and pairs the judge could not decide.",
    "controls": "Hidden pairs with a known answer, by which the judge itself is tested.",
    "incident": "How often the baseline fails. Beside a baseline that is down nothing is shown.",
    "judge_bias": "Whether the judge agrees with what people labelled.",
    "concentration": "The share of requests that one conversation made.",
    "shares": "Whether the candidate got the share of conversations it should.",
    "detector": "The height of an alarm over single requests, and the height at which it rings. It rings wrongly at most "
    "once in `rollback.arl` requests.",
    "likeness": "How alike the baseline's answers are when it is asked twice, and the candidate's beside them. It decides "
    "nothing.",
    "votes": "What users said of the answers. It alarms a person, and moves nothing.",
    "here": "What this node alone sees, such as an open breaker.",
}
