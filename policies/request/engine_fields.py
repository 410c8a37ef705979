"""What only an engine of one's own obeys: fields that no frontier has, and media that it would have to fetch.

A frontier refuses these fields or ignores them; an engine does what they say. An app, or whoever writes its prompts,
could so replace the chat template, jump the queue, keep a model busy for ever, or have the engine read an address of
its choice. One list for the data plane and the shadow: such a request is the baseline's.

Source: vLLM 0.33 (`protocol.py` of its OpenAI server, "Extra parameters") and SGLang 0.5, both up to November 2026
(their main branches), TensorRT-LLM 1.1 and Dynamo; vLLM GHSA-rxc4-3w6r-4v47 (media URLs).
"""

import re
from collections.abc import Iterable
from typing import Any, Final, Literal, cast

import msgspec

ENGINE_FIELDS: Final = frozenset({
    # the prompt as the model sees it
    "chat_template", "chat_template_kwargs", "documents", "add_generation_prompt", "continue_final_message",
    "add_special_tokens", "prompt_embeds", "input_embeds", "input_ids", "truncate_prompt_tokens", "truncation_side",
    "mm_processor_kwargs", "media_io_kwargs", "image_data", "video_data", "audio_data", "images_config",
    "use_audio_in_video", "embed_overrides", "embed_override_token_id",
    # how long it writes, and in what form
    "ignore_eos", "min_tokens", "stop_token_ids", "include_stop_str_in_output", "no_stop_trim", "allowed_token_ids",
    "bad_words", "bad_words_token_ids", "use_beam_search", "length_penalty", "skip_special_tokens",
    "spaces_between_special_tokens", "logits_processors", "custom_logit_processor", "custom_params",
    "guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_decoding_backend",
    "guided_whitespace_pattern", "structured_outputs", "structural_tag", "regex", "ebnf", "json_schema", "stop_regex",
    "repetition_detection", "thinking_token_budget", "watermarking",
    # who comes first, what is shared, where it runs
    "priority", "request_id", "rid", "cache_salt", "extra_key", "kv_transfer_params", "bootstrap_host",
    "bootstrap_port", "bootstrap_room", "disaggregated_params", "data_parallel_rank", "session_params", "lora_path",
    "lora_request",
    "vllm_xargs", "nvext", "ec_transfer_params", "routed_dp_rank", "disagg_prefill_dp_rank", "ngram_corpus_id",
    # what it tells of itself
    "prompt_logprobs", "return_tokens_as_token_ids", "return_token_ids", "return_hidden_states", "include_reasoning",
    "separate_reasoning", "stream_reasoning", "logprob_token_ids", "return_prompt_text", "return_prompt_token_ids",
    "return_meta_info", "return_cached_tokens_details", "return_routed_experts", "routed_experts_start_len",
    "routed_experts_prompt_start",
})  # fmt: skip
"""Top-level fields of a request; what else engines understand (`top_k`, `repetition_penalty`) does no harm."""

Media = Literal["media_url", "file_url"]
"""A URL of media whose host is not allowed; an address that is none of the web (`file:`), or tensors in the request."""

ANY_HOST: Final = "*"
_ADDRESSES: Final = frozenset({"image_url", "video_url", "audio_url", "file_url"})
_TENSORS: Final = frozenset({"image_embeds", "audio_embeds", "video_embeds"})
_MARK: Final = re.compile(rb'"(?:%b)"' % "|".join(sorted(_ADDRESSES | _TENSORS)).encode())
_ESCAPED: Final = re.compile(rb"\\u00[2-7]")
"""How a plain letter of a field's name may be written, too."""
_SCHEME: Final = re.compile(r"\s*(?!https?:)[a-z][a-z0-9+.\-]*:", re.IGNORECASE)
_WEB: Final = re.compile(r"https?://(?P<host>[a-z0-9.\-]+)(?::[0-9]{1,5})?(?:[/?#][^\s\\]*)?", re.IGNORECASE)
"""An address that all readers read alike: no user, no blank, no backslash."""


def engine_field(raw: bytes, names: Iterable[str], allowed: Iterable[str] = ()) -> str:
    """The first of the fields `names` of the request `raw` that only an engine obeys, and that says something.

    `allowed`: fields that the candidate is not sent. Empty: there is none.

    Raises:
        msgspec.MsgspecError: the request is no JSON object.
    """
    found = sorted(ENGINE_FIELDS.intersection(names).difference(allowed))
    if not found:
        return ""
    fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    return next((name for name in found if bytes(fields.get(name, _NULL)) != b"null"), "")


_NULL: Final = msgspec.Raw(b"null")


def named_media(body: bytes, hosts: Iterable[str] = ()) -> Media | None:
    """What a request, or its conversation, names that is not in it; None: nothing that `hosts` do not allow.

    Raises:
        msgspec.MsgspecError, UnicodeError, RecursionError: it speaks of media, and cannot be read.
    """
    if _MARK.search(body) is None and _ESCAPED.search(body) is None:
        return None  # a quick look, which most requests pass
    allowed = tuple(host.lower() for host in hosts)
    waiting: list[Any] = [msgspec.json.decode(body)]
    worst: Media | None = None
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            fields = cast("dict[str, Any]", found)
            for name in fields.keys() & (_ADDRESSES | _TENSORS):
                how = "file_url" if name in _TENSORS and fields[name] else _elsewhere(fields[name], allowed)
                if how == "file_url":
                    return how
                worst = worst or how
            waiting += fields.values()
        elif isinstance(found, list):
            waiting += cast("list[Any]", found)
    return worst


def _elsewhere(value: object, hosts: tuple[str, ...]) -> Media | None:
    """What is wrong with an address, or an object that has one."""
    if isinstance(value, dict):
        value = cast("dict[str, Any]", value).get("url")
    if not isinstance(value, str) or value.lstrip().lower().startswith("data:"):
        return None
    match = _WEB.fullmatch(value)
    if match is None:
        return "media_url" if _SCHEME.match(value) is None else "file_url"
    return None if _is_allowed(match["host"].lower(), hosts) else "media_url"


def _is_allowed(host: str, hosts: tuple[str, ...]) -> bool:
    return any(
        one in (ANY_HOST, host) or (one.startswith("*.") and host.endswith(one[1:]) and len(host) > len(one) - 1)
        for one in hosts
    )
