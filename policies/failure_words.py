"""What a failed request is called when people read it: each word of the closed lists, in plain English."""

from typing import Final

LONG_ANSWER: Final = "long_answer"
"""Said of vectors that are longer than we hold: a limit of ours, and no failure of whoever made them."""
TOO_SLOW: Final = "too_slow"
"""Said of a stream that drips: far slower than the baseline's, whether or not it came to an end."""
FAILURE_WORDS = {
    "aborted": "broke off",
    "app_gone": "the app gave up",
    "app_gone_waiting": "the app gave up waiting",
    "between_tokens_timeout": "stopped in the middle of an answer",
    "breaker": "not asked, after earlier failures",
    "broken": "broke off in the middle of an answer",
    "broken_arguments": "a tool call whose arguments cannot be read",
    "busy": "not asked, too many requests at once",
    "connect_timeout": "no connection in time",
    "context_length": "the request was too long for it",
    "empty": "an empty answer",
    "error_event": "an error inside a stream",
    "failed": "failed",
    "first_byte_timeout": "no first token in time",
    "forbidden_address": "its address is forbidden",
    "invalid_request": "it refused the request",
    "key_refused": "HTTP 401, 402 or 403, it refused our key",
    "left": "the app gave up",
    "malformed": "an answer that cannot be read",
    "no_answer": "closed the connection without an answer",
    "no_socket": "not asked, the gateway had no socket left",
    "not_found": "HTTP 404",
    "not_ready": "its key or address cannot be read",
    "overloaded": "HTTP 429 or 503, overloaded",
    "redirect": "a redirect",
    "saturated": "not asked, all connections in use",
    "server_error": "HTTP 5xx",
    "timeout": "timed out",
    "tls": "no trusted connection",
    "too_large": "HTTP 413, too large",
    TOO_SLOW: "far slower than the baseline",
    "total_timeout": "no whole answer in time",
    "truncated": "an answer cut short",
    "unasked_choice": "a choice that nobody asked for",
    "unasked_vectors": "not one vector for each text",
    "unreachable": "cannot be reached",
    "unusable_call": "a tool call without a name",
    "unusable_item": "an output item that cannot be read",
    "words_after_end": "words after the end of an answer",
}


def failure_phrase(word: str) -> str:
    """The phrase for a word; of one that only a newer version knows, the word itself."""
    return FAILURE_WORDS.get(word, word.replace("_", " "))
