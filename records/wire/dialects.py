"""What servers that speak OpenAI's API say otherwise, and how it is read: the table of docs/reference/dialects.md.

Each row has a test of its name in tests/unit/records/wire/test_dialects.py, with the bytes that such a server sends.

Source: the servers' own documentation, and public reports of those who read them.
"""

from typing import NamedTuple


class Dialect(NamedTuple):
    """One oddity."""

    name: str
    """The test's."""
    engine: str
    oddity: str
    reading: str


DIALECTS = (
    Dialect(
        "usage-chunk",
        "OpenAI",
        "The usage of a stream stands in a last chunk with `choices: []`",
        "It is the answer's usage",
    ),
    Dialect("obfuscation", "OpenAI", "Chunks carry `obfuscation`, padding against traffic analysis", "Left out"),
    Dialect("custom-tool", "OpenAI", "A custom tool's `input` comes in pieces", "Joined, as arguments are"),
    Dialect(
        "served-tier",
        "OpenAI",
        "`service_tier` of the answer differs from the one asked for",
        "The answer's is recorded and priced",
    ),
    Dialect(
        "image-events",
        "OpenAI",
        "Image streams have typed events; the last one has the usage",
        "Its usage is the answer's; without a last event the answer is not complete",
    ),
    Dialect("image-error", "OpenAI", "An image stream ends with `event: error`", "Not complete, the error recorded"),
    Dialect(
        "prompt-filter",
        "Azure OpenAI",
        "The first chunk has `prompt_filter_results`, no choice, and empty `id` and `model`",
        "An empty value says nothing: the later ones hold",
    ),
    Dialect("null-choices", "servers in Go", "An empty list is written as null: `choices: null`", "As an empty list"),
    Dialect("continuous-usage", "vLLM", "With `continuous_usage_stats` each chunk has a usage", "The last one holds"),
    Dialect(
        "error-event",
        "vLLM",
        "An error in the middle of a stream that began with 200",
        "Not complete, the error recorded",
    ),
    Dialect(
        "flat-error",
        "vLLM before 0.10",
        "The error object's fields stand at the top, with `object: error`",
        "As an error object",
    ),
    Dialect("empty-finish", "SGLang", "`finish_reason` is an empty text until the end", "As null: the choice goes on"),
    Dialect("flat-reasoning", "SGLang", "`reasoning_tokens` stands in the usage itself", "Reasoning of the completion"),
    Dialect("no-space", "TGI", "`data:` without a space behind it", "The space may be left out"),
    Dialect("eos-token", "TGI", "`finish_reason: eos_token`", "A natural end"),
    Dialect("eos", "Together", "`finish_reason: eos`", "A natural end"),
    Dialect(
        "timings", "llama.cpp", "No `usage` but `timings`, with `prompt_n` and `predicted_n`", "They are the usage"
    ),
    Dialect("object-arguments", "Ollama", "A call's `arguments` are an object, not its text", "Written as JSON text"),
    Dialect(
        "index-always-0",
        "Ollama",
        "Every call of a stream has the index 0, and an id of its own",
        "Another id is another call",
    ),
    Dialect(
        "forced-call",
        "Triton",
        "Each delta of a forced call says its `name` again, none has an `id` or a `type`; it ends with `stop`",
        "One call, named once; a candidate's gets an id",
    ),
    Dialect(
        "answers-id",
        "Triton",
        "A forced call of a whole answer has the answer's own id, and `content` is an empty text",
        "Any id is one",
    ),
    Dialect("null-usage", "LiteLLM", "`usage: null` in every chunk but the last", "Null says nothing"),
    Dialect(
        "cache-fields",
        "LiteLLM",
        "`cache_read_input_tokens` beside `prompt_tokens` that hold them",
        "Cached tokens, counted once",
    ),
    Dialect(
        "thinking-parts",
        "Mistral",
        "`content` of a delta is a list of parts, some of type `thinking`",
        "The text is the content, thinking is reasoning",
    ),
    Dialect("model-length", "Mistral", "`finish_reason: model_length`", "As `length`: the answer was cut"),
    Dialect("x-groq", "Groq", "The usage of a stream stands in `x_groq`", "It is the answer's usage"),
    Dialect(
        "reasoning-beside",
        "xAI",
        "`completion_tokens` do not hold the reasoning; `total_tokens` do",
        "The total tells: reasoning is part of the completion",
    ),
    Dialect("keep-alive", "DeepSeek", "`: keep-alive` comments in a stream while it waits", "Comments are nothing"),
    Dialect(
        "blank-lines",
        "DeepSeek",
        "Blank lines before an unstreamed answer while it waits",
        "Blanks before JSON are nothing",
    ),
    Dialect("cache-hit", "DeepSeek", "`prompt_cache_hit_tokens` in the usage itself", "Cached tokens"),
    Dialect(
        "no-resource",
        "DeepSeek",
        "`finish_reason: insufficient_system_resource`",
        "The answer broke: no evidence, no training data",
    ),
    Dialect(
        "choice-usage", "Kimi (Moonshot)", "The usage of a stream stands in its last choice", "It is the answer's usage"
    ),
    Dialect("flat-cached", "Kimi (Moonshot)", "`cached_tokens` in the usage itself", "Cached tokens"),
    Dialect("processing", "OpenRouter", "`: OPENROUTER PROCESSING` comments", "Comments are nothing"),
    Dialect(
        "error-beside-choices",
        "OpenRouter",
        "A chunk has both `error` and a choice with `finish_reason: error`",
        "Not complete, the error recorded",
    ),
    Dialect(
        "empty-id",
        "DashScope, GLM",
        "Later deltas of a call repeat `id`, `type` and `name` as empty texts",
        "An empty value says nothing",
    ),
    Dialect("sensitive", "GLM (Zhipu)", "`finish_reason: sensitive`", "As `content_filter`"),
    Dialect(
        "no-index",
        "Gemini and others",
        "Deltas of calls have no `index`",
        "An id or a name begins a call, arguments alone go on with the last one",
    ),
    Dialect("error-list", "Gemini", "The error object stands in a list", "As the error in it"),
    Dialect(
        "total-tells",
        "Gemini",
        "Thinking is counted in `total_tokens` alone",
        "What is missing is part of the completion, and reasoning",
    ),
    Dialect("upper-case", "Gemini", "`finish_reason: STOP`, `MAX_TOKENS`", "Case does not matter"),
    Dialect("billed-units", "Cohere", "The usage holds `tokens` and `billed_units`", "`tokens` are the usage"),
    Dialect(
        "anthropic-cache",
        "Anthropic",
        "`input_tokens` do not hold what was read from the cache or written to it",
        "They are added to the input",
    ),
    Dialect(
        "float-counts", "relays", "Counts are numbers with a fraction, or texts", "Rounded up; a text is its number"
    ),
    Dialect("null-counts", "relays", "Counts are null", "Unknown: estimated, and never a reported 0"),
    Dialect("empty-data", "relays", "An event with empty `data:` keeps the connection alive", "Nothing"),
    Dialect("ping", "relays", "`data: ping` keeps the connection alive", "Nothing"),
    Dialect(
        "half-characters",
        "engines in JavaScript",
        "An emoji's two UTF-16 halves come in two deltas, as escapes",
        "Joined",
    ),
    Dialect(
        "cut-bytes", "engines that detokenize by byte", "A character's UTF-8 bytes are cut between two events", "Joined"
    ),
    Dialect("nan", "servers in Python", "`NaN` and `Infinity` among log probabilities", "Null"),
    Dialect("detail", "FastAPI", 'An error is `{"detail": …}`', "As the error's message"),
    Dialect("no-blank-line", "relays", "The blank line between two events is left out", "Each line is a chunk"),
    Dialect(
        "mislabelled-stream", "relays", "A stream says `content-type: application/json`", "Read as the events it is"
    ),
    Dialect(
        "mislabelled-body",
        "relays",
        "A whole answer, or an error, says `text/event-stream`",
        "Read as the object it is",
    ),
    Dialect(
        "own-ids",
        "vLLM before 0.8",
        "Each delta of a call has an id of its own",
        "Arguments without a name go on with their call; its first id holds",
    ),
    Dialect(
        "name-pieces",
        "relays",
        "A call's `name` comes in pieces before its arguments",
        "Joined, as SDKs join them",
    ),
    Dialect("one-call", "relays", "`tool_calls` of a delta is one call, in no list", "As a list of one"),
    Dialect("zero-usage", "relays", "The counts of a usage are all 0 where they are not known", "Unknown, never 0"),
    Dialect(
        "inner-usage", "relays", "The usage stands in `metadata`, or in a choice's message", "It is the answer's usage"
    ),
    Dialect("empty-error", "servers in Go", '`error: ""` or `error: {}` in each chunk', "No error"),
    Dialect(
        "empty-call",
        "servers in Go",
        "`function_call` with an empty name and empty arguments in each delta",
        "No call",
    ),
    Dialect("text-null", "DashScope, Baidu", '`finish_reason: "null"`, a text, until the end', "As null"),
    Dialect("enum-name", "Vertex", "`finish_reason: FINISH_REASON_STOP`, as the enumeration has it", "As `stop`"),
    Dialect("null-event", "servers in JavaScript", "`data: null` keeps the connection alive", "Nothing"),
    Dialect("lower-done", "relays", "`data: [done]`, or blanks around it", "The end"),
    Dialect("retry-first", "relays", "A mislabelled stream begins with `retry:`, `id:` or a comment", "Read as events"),
    Dialect("one-part", "relays", "`content` of a delta is one part, in no list", "As a list of one"),
    Dialect("whole-message", "relays", "A chunk has a whole `message` instead of a `delta`", "It is the message"),
)
