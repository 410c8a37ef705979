"""What messages mean and what to do, where that is too long to be printed each time: read by `tools/messages.py`.

Keys are checked against the code: one that no message has, or a message without one, fails the build.
"""

# ruff: noqa: E501 -- tables: a sentence stands on its line

_MORE = "Wait. `crossfade explain ROUTE` says how many more conversations it would take."
_LOOK = "Look at pairs on the console's page Pairs, or with `crossfade records show ID`."
_WORSE = f"Train again, and give the new weights a new `revision`. {_LOOK}"

SENTENCES = {
    "… conversations are open; the first counts … (assign.close_after)": (
        "Wait. A conversation counts after `assign.close_after` without a request (30 minutes unless set). For a trial, set "
        "`assign: {close_after: 10s}`."
    ),
    "no conversation has come yet": (
        "Send traffic that the policy's `match` takes. `crossfade routes` shows traffic without a route; "
        "`crossfade records tail` shows each request with its route."
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
        "Nothing. `mode: split` makes no checks; `mode: apply` does."
    ),
    "Every check passed …; … waits for your approval": "Approve with `crossfade promote ROUTE --reason …`.",
    "today's budget for comparing is spent (shadow.budget)": "Wait for midnight UTC, or raise `shadow.budget`.",
    "no controller is deciding, so evidence cannot take it back": (
        "Start `crossfade serve`, or see why its controller ended: its log lines are named controller.*. Meanwhile workers stop "
        "asking a candidate that fails, and `crossfade rollback ROUTE` works."
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
        "Call the candidate's server yourself, with the same model name, and read its log. Then "
        "`crossfade resume ROUTE --reason …`."
    ),
    "… answered … of the last … requests assigned to it": "The brackets say how its last requests failed. Call the candidate's server yourself, with the same model name.",
    "Suspended …": (
        "Nothing at first: within minutes it gets its traffic back, if it answers well again. If it keeps "
        "failing, it is rolled back. Look at the candidate's server meanwhile. `crossfade rollback ROUTE` keeps it out."
    ),
    "in … it is tested on …, while apps get the baseline's answers": "Wait a minute. The candidate is asked nothing meanwhile.",
    "it is being tested on copies of requests: … of … went well": (
        "Wait. If nothing comes: is there traffic, and is `shadow.budget` spent?"
    ),
    "it was suspended, tried, and still fails: …": "Repair the candidate's server, then `crossfade resume ROUTE --reason …`.",
    "it was suspended, and its test did not end within …": (
        "Too few requests came to test it with, or the shadow could not ask it. Remove the cause, then `crossfade resume ROUTE --reason …`."
    ),
    "it was suspended … times within a day before": "It fails again and again. Repair the candidate's server, then `crossfade resume ROUTE --reason …`.",
    "Back …: … test requests went well": "Nothing. See the candidate's log for what failed.",
    "Rolled back … ago by …": "An operator rolled it back; the reason follows.",
    "Rolled back … times": "It was rolled back `rollback.quarantine_after` times. Give it a new `revision`, or `crossfade resume ROUTE --reason …`.",
    "Rejected …": "It proved worse in the shadow, before any user saw it. Train again, and give it a new `revision`.",
    "Paused …": "It used up its conversations or its time, or an operator held it. `crossfade resume ROUTE --reason …` continues.",
    "… conversations are this stage's limit": "The stage has used up `max_units`. `crossfade resume ROUTE --reason …` allows as many again.",
    "more conversations would not help": "The candidate is too near the limit, or beyond it. Train again, or allow more.",
    "it could not be judged for …": "A check got no data. Repair what follows the colon, then `crossfade resume ROUTE --reason …`.",
    "Moved up to …": "Nothing.",
    "Starts in the shadow, attempt …": "Nothing. Evidence is counted from zero.",
    "Stays promoted, and counts from zero again": "Nothing. Old counts would hide a change.",
    "The policy was edited": "Nothing. An edit can lower a weight, never raise one.",
    "Not done: …": "The order is not possible in this phase; the sentence says why.",
    "Cannot be read: …": "The state is damaged, or of another version. Run the same version on every node.",
    "wait quality": _MORE,
    "wait vectors": f"{_MORE} If it stays: check that it is the same model, with the same pooling and normalisation.",
    "wait likeness": f"{_MORE} If it stays: add a judge or a scorer, or label pairs.",
    "wait validity": _MORE,
    "wait errors": _MORE,
    "wait latency": _MORE,
    "wait cost": "Compare the costs with `crossfade records stats`; check `prices` in `crossfade.yaml`.",
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
    "overdue validity": "Check that requests state a `response_format` or tools. If they do not, remove the gate.",
    "overdue errors": "This should not happen: read the log's controller.* lines.",
    "overdue latency": "This should not happen: read the log's controller.* lines.",
    "overdue cost": "State both prices under `prices` in `crossfade.yaml`.",
    "harm quality": _WORSE,
    "harm vectors": "Give the other model an index of its own, and let the app ask for it by its name.",
    "harm likeness": _WORSE,
    "harm validity": _WORSE,
    "harm errors": "Look at the candidate's server: its log, its memory, its timeouts.",
    "harm latency": "Give the candidate more capacity, or allow more under `gates.latency`.",
    "harm cost": "Run `crossfade records stats --hours`: idle hours are charged, too.",
    "guard outputs": f"It gives one answer to everything: most often a broken upload or chat template. {_LOOK}",
    "guard length": f"{_LOOK} A judge may prefer long answers, whatever they say.",
    "guard empty": _LOOK,
    "guard refusal": _LOOK,
    "guard loop": f"{_LOOK} Often a wrong chat template or end token.",
    "guard truncated": "Raise the engine's `max_model_len`, or set `max_tokens` for the candidate.",
    "guard language": _LOOK,
    "guard echo": f"{_LOOK} Often a wrong chat template.",
    "guard unknown_tool": _LOOK,
    "guard leak": _LOOK,
    "guard hang_ups": "Ask the candidate by hand as the app does, streamed: is it slow between its words, or wrong from the start?",
    "guard busy": "Let the candidate take more requests at once (replicas, `--max-num-seqs`), or raise `server.in_flight`.",
    "guard drops": "Lower `shadow.sample`, or raise `shadow.queue` and `shadow.max_in_flight`.",
    "guard late": "Raise `assign.close_after`, or give the variants a deadline (`candidate: {total: …}`).",
    "guard unscored": "Read the log's shadow.* lines: the judge or scorer fails.",
    "guard abstained": "Make the rubric more precise, or use a stronger judge.",
    "guard controls": "The judge cannot tell good answers from bad ones here. Make the rubric more precise, or use a stronger judge.",
    "guard incident": "Wait until the baseline is well again.",
    "guard judge_bias": "Label judged pairs: the console's page Label, or `crossfade label ROUTE --pool judged`.",
    "guard concentration": "Set `assign.by` to what tells conversations apart, such as a header with the session's id.",
    "guard shares": "Look for a proxy in front of Crossfade that treats requests differently, and for a worker that does not ask the candidate (`crossfade status`).",
    "detector errors": (
        "`crossfade doctor` says whether the candidate's server can be reached, `crossfade_shadow_total` in `/metrics` how "
        "copied requests failed. Then look at the server: its log, its memory, its timeouts."
    ),
    "detector validity": _WORSE,
    "detector empty": "Ask the candidate by hand: are its weights those that were tested, does its template end the turn?",
    "detector quality": f"Did the traffic or the served model change? {_LOOK}",
    "detector latency": "Give the candidate more capacity (replicas), or a lower weight for now.",
}

STATUS = {
    "KILLED: the baseline alone answers": "Somebody ran `crossfade kill`. When the cause is gone, `crossfade kill --off` ends it.",
    "nothing serves from …": "No gateway runs on this data directory. Start `crossfade serve`, or name another with `--data`.",
    "no routing table: …": "The controller has not written one yet, or cannot. Read the log's controller.* lines.",
    "lease … (… s old)": (
        "`stale`: the controller is late in renewing it. Once expired, only the baseline answers. Read the log's "
        "controller.* lines."
    ),
    "no routes: every request goes to the default upstream": "Add a policy file: `crossfade init` writes an example.",
    "… not ask the candidate (breaker open)": (
        "The candidate failed several times in a row, so the worker asks it only now and then. The baseline answers."
    ),
    "the candidate answered …% of what was lately assigned to it": "`crossfade explain ROUTE` says how the other requests failed.",
    "the candidate's upstream refused our key … times in a row": "Give the upstream an `api_key_file` in `crossfade.yaml`.",
    "the shared state cannot be used, so no weight rises and no lease is renewed": (
        "Check the state's server (Redis), or the disk of `state.db`. Apps are served; `crossfade kill` works."
    ),
    "starting: …": "That process comes up, after a start or a reload: wait a few seconds.",
    "not running: …": "That process ended, and is started again. Its last log lines say why.",
    "policy not loaded, the last good version stays: …": "Run `crossfade policy lint`.",
    "records … s behind": "If it stays above some seconds, the recorder is stopped, or too slow for this traffic: see the page Sizing.",
}

VERDICTS = {
    "`PASS`": "The check has passed. This stays valid however often you look.",
    "`INCONCLUSIVE`": "Neither passed nor failed yet. Nothing moves because of it.",
    "`ERROR`": "There is no data. If that lasts while the candidate serves, it counts as a failure.",
    "`FAIL`": "Harm is proved. Traffic goes back at once.",
    "`ALARM`, `quiet`": "A detector, which watches single requests, has seen too many bad ones (`ALARM`), or not (`quiet`).",
    "`ILL`, `serving`": "Whether the candidate answers the requests assigned to it (`serving`) or not (`ILL`).",
}

LINES = {
    "quality": "How much better the candidate's answers are on average (below 0: worse); in brackets the range of the true "
    "value; then the limit. The check passes when the left end of the brackets is above the limit.",
    "validity": "The same, for the share of answers that keep to their schema or tools.",
    "errors": "The same, for the share of requests that do not fail.",
    "latency": "The share of requests within the time limit; without a limit, how that compares with the baseline at the same time.",
    "cost": "The candidate's cost divided by the baseline's. It is computed from prices.",
    "log10 e 1.10 of 1.30": "How strong the evidence is, as a power of ten. The check passes when the first number reaches "
    "the second.",
    "about 300 more units": "Conversations still needed, if they are like those so far.",
    "outputs": "How many different answers there are, and how frequent the most frequent is, compared with the baseline.",
    "length": "How long the answers are, compared with the baseline's.",
    "empty, refusal, loop, truncated, language, echo, unknown_tool, leak": "How many answers have that fault, beside the "
    "baseline.",
    "hang_ups": "How often apps hung up on the answers of each. Answers that nobody waited for are in no other number.",
    "busy": "Requests assigned to the candidate that the baseline answered, since too many of its own were under way.",
    "drops": "Pairs that were chosen for comparing, but lost in a full queue. Above 1 % the route does not advance.",
    "unscored, abstained": "Pairs without a verdict, and pairs the judge could not decide.",
    "controls": "Hidden test pairs with a known answer: how many the judge gets wrong.",
    "incident": "How often the baseline fails. While it is down, nothing can be compared with it.",
    "judge_bias": "Whether the judge agrees with what people labelled.",
    "concentration": "The share of requests that one conversation made.",
    "shares": "Whether the candidate got the share of conversations it should.",
    "detector": "How strong the sign of a fault is, and the limit at which it raises an alarm. A false alarm comes at most "
    "once in `rollback.arl` requests.",
    "likeness": "How alike the baseline's answers are when it is asked twice, and the candidate's beside them. It decides "
    "nothing.",
    "votes": "How users voted on the answers. Votes raise an alert, and move no traffic.",
    "here": "What only this node sees, such as an open breaker.",
}
