"""Why an exchange is no row of a dataset: the words that manifests count by."""

from typing import Literal

Reason = Literal[
    "other_endpoint",  # no chat completion, and no response
    "server_state",  # turns that the provider holds, not the records: previous_response_id, a stored prompt or item
    "not_complete",  # an error, a hang-up, an answer without its end
    "candidate",  # what a candidate said is not learned from
    "fallback",  # the baseline stood in for a candidate
    "truncated",  # finish reason length or content_filter
    "no_train",  # the app said x-crossfade-no-train
    "store_false",  # the request says store: false
    "bodies_not_kept",
    "several_choices",  # n > 1: none of them is the answer
    "refusal",
    "empty",  # neither words nor tool calls
    "media",  # images, audio or files
    "legacy_functions",
    "hosted_tools",  # tools that only the frontier has, or an answer out of what it searched
    "odd_turns",  # results of no call, calls without results, an answer begun by the app, or an order of
    # turns that this format's trainer does not take
    "voted_down",  # and not corrected
    "no_preference",  # neither corrected nor judged: that the baseline said it makes it no better
    "same_answer",  # both answers say the same
    "no_vote",
    "corrected_elsewhere",  # the same prompt's answer was corrected in another exchange
    "unreadable",  # not the shape of a chat, or tool arguments that are no JSON object
    "duplicate",
    "near_duplicate",  # nearly the words of an earlier one, with the same answer
    "over_cap",  # its source or its template has given as many rows as it may
    "personal_data",  # an address, a number or a secret that the records did not replace
    "in_evaluation",  # its prompt is in an evaluation set that the dataset must not touch
    "prompt_in_train",  # of the validation split: its prompt is trained on in another conversation
]


class UnfitError(Exception):
    """This exchange makes no example."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
