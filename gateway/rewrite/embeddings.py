"""Embeddings on their way to a candidate and back: as many vectors as were asked for, in the encoding asked for.

Source: OpenAI API reference, "Embeddings"; SDKs ask for base64 by default, and some engines answer in floats whatever
they are asked for.
"""

import sys
from array import array
from base64 import b64decode, b64encode
from typing import Final

import msgspec

from gateway.rewrite.form import vectors_fault
from gateway.rewrite.problem import CandidateFailure, classify_event
from gateway.rewrite.shapes import NULL, Adapted, AnswerShape, EmbeddingsAnswer, EmbeddingsFields, Fields, Unfit
from gateway.rewrite.surface import UNREADABLE, is_empty
from policies.routing import Variant
from policies.upstream_kinds import ENGINES, Kind

_KEPT: Final = ("user", "safety_identifier", "store", "metadata", "service_tier")
"""What only the frontier keeps or sells."""
_FIELDS: Final = msgspec.json.Decoder(Fields)
_ASK: Final = msgspec.json.Decoder(EmbeddingsFields)
_ANSWER: Final = msgspec.json.Decoder(EmbeddingsAnswer)
_FLOATS: Final = msgspec.json.Decoder(list[float])
_TEXTS: Final = msgspec.json.Decoder(str | list[str])
_encode: Final = msgspec.json.Encoder().encode


def adapt_request(body: bytes, variant: Variant, *, kind: Kind) -> Adapted | Unfit:
    """The candidate's copy of a request, as `request.adapt_request` has it."""
    try:
        fields, ask = _FIELDS.decode(body), _ASK.decode(body)
        texts = _TEXTS.decode(ask.input)  # tokens are of the baseline's own tokenizer: no texts
    except UNREADABLE:
        return Unfit("malformed")
    if not texts:
        return Unfit("malformed")
    for name in variant.drop:
        fields.pop(name, None)
    if kind in ENGINES:
        for name in [name for name, value in fields.items() if value == NULL or name in _KEPT]:
            del fields[name]
    fields.update(variant.set)
    if variant.model is not None:
        fields["model"] = msgspec.Raw(_encode(variant.model))
    inputs = 1 if isinstance(texts, str) else len(texts)
    asked = AnswerShape("embeddings", ask.model, inputs=inputs, is_base64=ask.encoding_format == "base64")
    return Adapted(_encode(fields), asked)


def adapt_whole(body: bytes, asked: AnswerShape, variant: Variant) -> bytes | CandidateFailure:
    """The candidate's vectors for the app, or why the baseline has to give them."""
    try:
        answer = _ANSWER.decode(body)
        if isinstance(answer.error, msgspec.Raw) and not is_empty(answer.error):
            return classify_event(body) or CandidateFailure("failure", "error_event")
        if not answer.data:
            return CandidateFailure("failure", "empty")
        lengths: set[int] = set()
        for item in answer.data:
            item.embedding = _encoded(item.embedding, lengths, is_base64=asked.is_base64)
    except (*UNREADABLE, ValueError, OverflowError):
        return CandidateFailure("failure", "malformed")
    fault = vectors_fault(answer.data, lengths, asked.inputs)
    if fault is not None:
        return CandidateFailure("failure", fault)
    by_order = all(not item.index for item in answer.data)
    for place, item in enumerate(answer.data):
        item.index = place if by_order else item.index or 0
    answer.error = msgspec.UNSET
    answer.model = asked.model if variant.report_model == "requested" else answer.model
    return _encode(answer)


def _encoded(vector: msgspec.Raw, lengths: set[int], *, is_base64: bool) -> msgspec.Raw:
    """A vector in the encoding that was asked for; its bytes as they came where that is theirs. Notes its length.

    Raises:
        ValueError, UNREADABLE: it is none.
    """
    raw = bytes(vector)
    numbers = array("f")
    if raw.startswith(b'"'):
        numbers.frombytes(b64decode(msgspec.json.decode(raw, type=str), validate=True))
    else:
        numbers.extend(_FLOATS.decode(raw))
    if not numbers:
        raise ValueError
    lengths.add(len(numbers))
    if raw.startswith(b'"') == is_base64:
        return vector
    if sys.byteorder == "big":  # float32 is little-endian on the wire
        numbers.byteswap()
    told = b64encode(numbers.tobytes()).decode() if is_base64 else numbers.tolist()
    return msgspec.Raw(_encode(told))
