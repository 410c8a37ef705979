"""What a policy may compare by: each comparator's name is the name of the metric it yields."""

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from policies.language.amounts import PPM, Seconds, SharePpm
from policies.language.base import Name, Pointer, PolicyPath, Section, Several, Text, TextForm, with_options

SCORES = ("exact", "json_fields", "tool_calls", "vectors", "judge", "python", "promptfoo")
"""Metrics that a quality gate may certify."""
LIKENESS = ("exact", "json_fields", "tool_calls")
"""Scores that say how alike two answers are, and not which is better: certified against the baseline's likeness to
itself, and never harm."""
CHECKS = ("schema", "tool_calls")
"""Comparators that say whether an answer is valid, and so feed the validity gate."""
DIAGNOSTIC = ("embedding", "feedback")
"""Shown, and used for alarms, but calibrated to nothing: no gate may rest on them."""
GAMEABLE = ("judge", "python", "promptfoo")
"""Scores that an answer can be made to please: the output guards must have seen the outputs."""


class SchemaCheck(Section):
    """Whether the answer satisfies its JSON Schema."""

    file: PolicyPath | None = None
    """The schema, from the policy's folder on; default: what the request's response_format says."""


class Exact(Section):
    """Whether the answers are equal."""

    normalize: bool = True
    """Ignore case, white space, Unicode form and Markdown."""


class JsonFields(Section):
    """The share of equal fields in two JSON answers."""

    ignore: Several[Pointer] = ()
    """JSON pointers of fields that do not count, as `/explanation`."""
    numeric_tolerance: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """How far apart two numbers may be and still be equal, relative to the larger."""


class ToolCalls(Section):
    """Whether the same functions are called with the same arguments."""

    ignore: Several[Pointer] = ()
    """JSON pointers of arguments that do not count."""


class Vectors(Section):
    """Whether embeddings fit the index that the baseline's have filled: no quality."""

    least_cosine: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.999
    """Least cosine of each vector with the baseline's for the same text."""


class Embedding(Section):
    """The cosine of two embeddings: a diagnostic."""

    upstream: Name
    """Where the embedding model is served; calls use that upstream's background key."""
    model: Text
    """The embedding model."""
    sample: SharePpm = PPM // 10
    """Share of pairs that are embedded."""


def _enough(sample_ppm: int) -> int:
    if sample_ppm < PPM // 4:
        raise ValueError("is too little for a certificate. hint: at least 25%")
    return sample_ppm


class Judge(Section):
    """A model that says which answer is better, asked blind and in both orders."""

    upstream: Name
    """Where the judge is served; calls use that upstream's background key."""
    model: Text
    """The judge. It may not be the baseline or the candidate."""
    sample: Annotated[SharePpm, AfterValidator(_enough)] = PPM // 4
    """Share of the remaining pairs that are judged, chosen at random; at least 25%, or proof takes too long."""
    rubric: PolicyPath | None = None
    """A file that says what a good answer is, from the policy's folder on."""
    version: Text = "1"
    """Change it when the rubric changes: that is another judge, so evidence starts again."""


class PythonScore(Section):
    """The user's own scorer."""

    ref: Annotated[PolicyPath, TextForm(r"[\w./-]+\.py:[A-Za-z_]\w*", "file.py:function, as evals/triage.py:score")]
    """`file.py:function`, from the policy's folder on; it gets both answers and returns -1 to 1."""
    version: Text = "1"
    """Change it when the scorer changes, so that evidence starts again."""


class Promptfoo(Section):
    """How many assertions of a promptfoo configuration each answer keeps to."""

    file: PolicyPath
    """The configuration, from the policy's folder on: its `defaultTest`, or a bare list of assertions."""
    version: Text = "1"
    """Change it when the file changes, so that evidence starts again."""


class Feedback(Section):
    """Users' votes (POST /v1/feedback): an alarm for people, shown by `crossfade explain`. No gate can use it."""

    window: Seconds = Field(default=30 * 86_400.0, gt=0)
    """How far back votes are compared."""


class Comparator(Section):
    """One comparator: its name, or its name with options."""

    schema_: SchemaCheck | None = Field(default=None, alias="schema")
    """Valid against a JSON Schema or not: feeds the validity gate."""
    exact: Exact | None = None
    """Equal or not."""
    json_fields: JsonFields | None = None
    """The share of equal fields."""
    tool_calls: ToolCalls | None = None
    """The same calls; feeds the validity gate too."""
    vectors: Vectors | None = None
    """Whether vectors fit the baseline's index."""
    judge: Judge | None = None
    """A model's preference."""
    python: PythonScore | None = None
    """Your own function."""
    promptfoo: Promptfoo | None = None
    """Your assertions."""
    embedding: Embedding | None = None
    """Likeness in meaning; a diagnostic."""
    feedback: Feedback | None = None
    """Users' votes; an alarm."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self._given()) != 1:
            raise ValueError("must be one comparator. hint: one name per list item, as `- json_fields: {…}`")
        return self

    def _given(self) -> list[tuple[str, Section]]:
        fields = type(self).model_fields
        return [(fields[name].alias or name, value) for name, value in self if value is not None]

    @property
    def name(self) -> str:
        """The comparator's, and so its metric's."""
        return self._given()[0][0]

    @property
    def options(self) -> Section:
        """What the comparator is told."""
        return self._given()[0][1]

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Either just a name, or a name with options."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        names = [name for name in schema["properties"] if name not in ("judge", "python", "promptfoo", "embedding")]
        long_form = dict(schema) | {"minProperties": 1, "maxProperties": 1}
        description = long_form.pop("description", "")
        schema.clear()
        schema.update({"description": description, "anyOf": [{"enum": names}, long_form]})
        return schema


Named = Annotated[Comparator, BeforeValidator(with_options)]
