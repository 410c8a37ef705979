"""The policy file: one file, one migration. Short and long form are one schema; what is left out has the default here.

Everything is checked before anything is used: unknown keys are refused, amounts carry their unit, and what no single
key is wrong about stands in `policies.lint`. Nothing here is ever written back: the file is what is wished for, the
rollout's state is what is.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Literal, Self, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    RootModel,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from policies.candidates import MOST as MOST_CANDIDATES
from policies.language.amounts import PPM, Hours, Seconds, SharePpm, TimeZone, UsdPerDay, WeekDays, share_ppm
from policies.language.base import (
    HeaderName,
    Name,
    Section,
    Several,
    Text,
    TextForm,
    describe,
    header_name,
    with_options,
)
from policies.language.candidates import Candidate, NamedCandidate
from policies.language.compare import Named
from policies.language.gates import Gates, Guards, Rollback
from policies.matching import FORBIDDABLE, ROUTABLE

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
SHADOW = "shadow"
_ADDRESS = (
    r"https?://([^@/?#\s]{1,512}@)?(\[[0-9A-Fa-f:.]{2,64}\]|[A-Za-z0-9._-]{1,255})(:[0-9]{1,5})?([/?][!-~]{0,2048})?"
)


def _routable(path: str) -> str:
    if path not in ROUTABLE:
        raise ValueError(f"{path!r} cannot be mirrored. hint: {', '.join(ROUTABLE)}")
    return path


def _forbiddable(name: str) -> str:
    if name not in FORBIDDABLE:
        raise ValueError(f"{name!r} is nothing that can be forbidden. hint: {', '.join(FORBIDDABLE)}")
    return name


Routable = Annotated[str, AfterValidator(_routable), Field(json_schema_extra={"enum": [*ROUTABLE]})]
Forbidden = Annotated[str, AfterValidator(_forbiddable), Field(json_schema_extra={"enum": [*FORBIDDABLE]})]


class SystemPrompt(Section):
    """Conditions on the system prompt: all leading system and developer turns, joined by newlines."""

    contains: Several[Text] = ()
    """It contains any of these texts."""
    sha256: Several[Annotated[str, TextForm("[0-9a-f]{64}", "64 hexadecimal digits in lower case")]] = ()
    """It has any of these hashes: limits the route to a version of the prompt."""


class Match(Section):
    """Which requests belong to the route: everything stated must match; a list means any of its entries."""

    model: Several[Text] = ()
    """The model the app asks for; `*` stands for any number of characters, as in `gpt-4o-mini*`, and `?` for one."""
    path: Several[Routable] = ()
    """The endpoint. Default: any that a candidate can answer."""
    header: Mapping[HeaderName, Several[Text]] = Field(default={})
    """Request headers and their values."""
    key: Several[Text] = ()
    """Names of gateway keys, never the keys."""
    metadata: Mapping[Text, Several[Text]] = Field(default={})
    """The request body's own `metadata`."""
    system_prompt: SystemPrompt | None = None
    """The system prompt."""

    @property
    def is_empty(self) -> bool:
        """Whether every request would do."""
        stated = (self.model, self.path, self.header, self.key, self.metadata)
        prompt = self.system_prompt
        return not any(stated) and (prompt is None or not (prompt.contains or prompt.sha256))


class Eligible(Section):
    """What the candidate may be asked; all else is the baseline's, counted with the reason."""

    max_input_tokens: int | None = Field(default=None, ge=1)
    """Longest request, in tokens as far as they can be told from bytes."""
    bytes_per_token: float = Field(default=3.0, gt=0, le=16)
    """How many bytes of a request make a token: workers carry no tokenizer. English is near 4, code and JSON near 3."""
    forbid: Several[Forbidden] = ()
    """What else the candidate cannot do. Always forbidden is what an engine would ignore without a word."""
    stateless: bool = False
    """Requests whose answers the frontier is to keep (Responses without `store: false`, chats with `store: true`) may
    be answered by the candidate all the same."""
    media_hosts: Several[Text] = ()
    """Hosts whose images, videos and files an engine may fetch: `cdn.example.com`, `*.example.com` for all below it,
    `*` for all. By default it fetches none: such requests are the baseline's. `file:` and tensors are never sent."""


class Baseline(Section):
    """The variant that is trusted now."""

    upstream: Name
    """An upstream of `crossfade.yaml`."""
    model: Text | None = None
    """Default: what the app asked for, and its bytes as they are."""
    deterministic: bool = False
    """Your word that it gives the same answer to the same request: then a likeness comparator need not ask it twice. If
    it does not, the gate only asks too much."""


def _dimension(value: object) -> object:
    """One of the words, a header's name, or a key of the request's metadata.

    Raises:
        ValueError: none of them.
    """
    if not isinstance(value, str) or value in ("tool", "language", "length"):
        return value
    kind, colon, name = value.partition(":")
    if kind == "header" and colon:
        return f"header:{header_name(name)}"
    if kind != "metadata" or not name:
        raise ValueError(f"{value!r} is nothing to slice by. hint: tool, language, length, header:NAME or metadata:KEY")
    return value


class Slices(Section):
    """Parts of the traffic that must each hold by themselves, or the whole does not rise: each at three times the
    margin. At most ten, the largest; what has less than a twentieth of the traffic is held together, as `other`. Or,
    with `mode: partial`, parts that each move once they are certified by themselves.
    """

    by: Several[Annotated[str, BeforeValidator(_dimension)]] = Field(min_length=1, max_length=5)
    """`tool` (the one that is offered or called for), `language` (of the first user turn), `length` (short to 1,000
    tokens, medium to 8,000, long), `header:NAME`, `metadata:KEY`. Each value of each is a slice; of one with more than
    32 values, those that a stage sees after the first 32 are in `other`."""
    mode: Literal["whole", "partial"] = "whole"
    """`whole`: nothing rises before all of them hold. `partial`: those that are certified at the margin by themselves
    move, whatever the others do; the rest stays with the baseline, and is compared on. By one dimension, and not by
    language."""


def _unit(value: object) -> object:
    """One of the words, or a header's name.

    Raises:
        ValueError: neither.
    """
    if not isinstance(value, str) or value in ("user", "conversation", "request"):
        return value
    kind, colon, name = value.partition(":")
    if kind != "header" or not colon:
        raise ValueError(f"{value!r} is no unit. hint: header:NAME, user, conversation or request")
    return f"header:{header_name(name)}"


class Assign(Section):
    """What stays on one variant, and how it is drawn."""

    by: Several[Annotated[str, BeforeValidator(_unit)]] = Field(default=("user", "conversation"), min_length=1)
    """The first of these that a request carries: `header:NAME`, `user` (also safety_identifier, prompt_cache_key),
    `conversation` (the key, the user, the system prompt and the first user turn), `request` (nothing stays). It
    says what is counted: edited, the rollout begins in the shadow again."""
    salt: Text | None = None
    """Change it to reshuffle, on purpose only. Default: the route's name."""
    close_after: Seconds = Field(default=1800.0, gt=0, le=DAY_S)
    """A conversation ends, and counts, after this time without a request; with `by: request`, after a second."""
    max_pairs: int = Field(default=20, ge=1, le=1000)
    """A conversation counts after this many requests at the latest."""
    population: Literal["open", "fixed"] = "open"
    """`open`: more users will come than are seen now, so that the next conversation of one user, or with one prompt,
    has less and less to say. `fixed`: the same ones are all there will ever be, and each conversation counts whole."""


class PauseWhen(Section):
    """When mirroring waits."""

    engine_waiting: int = Field(default=4, ge=0)
    """If more requests than this wait in the candidate's engine, the shadow asks nothing."""


class Shadow(Section):
    """How the candidate is tested on copies of requests. No app sees its answers or waits for them."""

    sample: SharePpm = Field(default=PPM, gt=0)
    """Share of eligible conversations that are mirrored, chosen at random."""
    max_in_flight: int = Field(default=8, ge=1, le=1024)
    """Mirrored calls at the same time."""
    queue: int = Field(default=256, ge=1, le=65536)
    """Mirrored calls that wait; more are dropped and counted."""
    budget: UsdPerDay = 20.0
    """What mirroring and judging may cost."""
    pause_when: PauseWhen = PauseWhen()
    """When mirroring waits."""
    noise_floor: SharePpm = PPM // 50
    """Share of mirrored requests that the baseline is asked a second time, to know how often it agrees with itself.
    At least 1% of them where likeness certifies quality, so that a change of the baseline is seen; 0% turns it off only
    elsewhere. Needs the upstream's background key."""


class StageOptions(Section):
    """What one stage asks for."""

    min_units: int = Field(default=100, ge=1)
    """Conversations that must have ended here before anything advances."""
    hold: Seconds | None = None
    """Least time here. Default: none in the shadow, 1h below 25%, 24h from there on."""
    days: int | None = Field(default=None, ge=0, le=28)
    """Whole days of 24h it takes at least. Default: 1 in the shadow, 0 else; 7 where weeks matter, 0 for a try. From a
    stage's first whole day on a certificate counts only if it also held at the end of the last one."""
    approve: Literal["auto", "manual"] = "auto"
    """`manual`: an operator's word is needed to enter this stage."""
    holdback: SharePpm = 0
    """Share of all traffic that stays with the baseline for good, as something to compare with."""
    reverse_shadow: SharePpm | None = None
    """Share of the candidate's exchanges that also ask the baseline, unseen. Default: 5% from 25% on, if the
    baseline's upstream has a background key. From 25% on it is all of them until quality is certified there."""
    max_units: int | None = Field(default=None, ge=1)
    """Conversations after which it is inconclusive, and asks for you. Default: each gate counts those that it compared,
    and has had its chance after twice what nine of ten good candidates need, at least 2000."""
    max_time: Seconds = 14 * DAY_S
    """Time after which it is inconclusive, and asks for you."""


def _weight(text: str) -> str:
    if text != SHADOW and not share_ppm(text):
        raise ValueError("a weight of 0% is no stage. hint: write `shadow`")
    return text


class Stage(RootModel[dict[Annotated[str, BeforeValidator(_weight)], StageOptions]]):
    """One rung: `shadow`, `5%`, or either with options, as `25%: {hold: 24h}`."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        """`5%` is short for `{5%: {}}`, and so is `{5%: }`."""
        return with_options(value)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if len(self.root) != 1:
            raise ValueError("must be one stage. hint: one weight per list item, as `- 5%: {hold: 6h}`")
        return self

    @property
    def name(self) -> str:
        """The weight as it is written."""
        return next(iter(self.root))

    @property
    def weight_ppm(self) -> int:
        """The candidate's share."""
        return 0 if self.name == SHADOW else share_ppm(self.name)

    @property
    def options(self) -> StageOptions:
        """What it asks for."""
        return self.root[self.name]

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Either just a weight, or a weight with options."""
        options = handler.resolve_ref_schema(handler(core_schema))
        weight = r"^(shadow|[0-9]{1,3}(\.[0-9]{1,4})?%)$"
        inner = options.pop("additionalProperties")
        long_form = {"type": "object", "patternProperties": {weight: inner}, "additionalProperties": False}
        options.pop("type")
        options["anyOf"] = [{"type": "string", "pattern": weight}, long_form | {"minProperties": 1, "maxProperties": 1}]
        return options


class Advance(Section):
    """When certificates may raise the weight. It may fall at any time, and an operator may raise it at any time."""

    days: WeekDays = tuple(range(7))
    """Days of the week: `mon-fri`, or a list. Default: all."""
    hours: Hours = (0, 24 * 60)
    """Hours of the day: `9-17`, `9:30-17:45`; `22-6` goes over midnight, and belongs to the day on which it begins."""
    tz: TimeZone = "UTC"
    """The time zone of both, as in `Europe/Berlin`."""


class Webhook(Section):
    """Whom to tell."""

    webhook: Annotated[str, TextForm(_ADDRESS, "a URL: https://…")]
    """Where to POST the decision, as `explain` shows it."""
    on: Several[Literal["advance", "join", "suspend", "return", "rollback", "reject", "inconclusive", "await"]] = (
        "advance",
        "join",
        "suspend",
        "return",
        "rollback",
        "inconclusive",
    )
    """Which decisions."""


class Policy(Section):
    """One migration: which requests move, from which variant to which, how answers compare, what must be proved."""

    route: Name
    """The route's name, in metrics, records and commands."""
    description: str = ""
    """A description for people."""
    owner: str = ""
    """The person or team to ask about it."""
    mode: Literal["observe", "apply", "bypass", "split"] = "apply"
    """`apply`: move traffic. `observe`: decide and log, but serve the baseline. `bypass`: baseline only, no shadow.
    `split`: a fixed share (`stages: [30%]`) without gates, shadow or comparison: called uncertified everywhere."""
    priority: int = Field(default=0, ge=-1000, le=1000)
    """If several routes match, the higher one wins; then the file name decides."""
    match: Match
    """Which requests belong to the route."""
    eligible: Eligible = Eligible()
    """Which of these requests may go to the candidate."""
    baseline: Baseline
    """The variant that is trusted now."""
    candidate: Candidate = cast("Candidate", None)
    """The variant that wants the traffic; this, or several as `candidates`, of which it then is the first."""
    candidates: Several[NamedCandidate] = Field(default=(), max_length=MOST_CANDIDATES)
    """Instead of `candidate`, several, each with a `name`: all answer the same mirrored requests, each with evidence
    of its own. Of those that are certified the one with the best mean goes on, or the one you name; the others rest."""
    assign: Assign = Assign()
    """What keeps the same variant: a user, a conversation, …"""
    shadow: Shadow = Shadow()
    """How the candidate is tested on copies of requests."""
    compare: Several[Named] = ()
    """How answers are compared; a comparator's name is its metric's name."""
    gates: Gates = Gates()
    """What must be proved to advance."""
    slices: Slices | None = None
    """Parts of the traffic that must each pass, too."""
    guards: Guards = Guards()
    """Limits that must hold to stay."""
    stages: Several[Stage] = Field(min_length=1)
    """The stages, with rising weights, beginning with the shadow."""
    advance: Advance | None = None
    """Hours in which the weight may rise. Default: always."""
    rollback: Rollback = Rollback()
    """What happens after a rollback."""
    notify: Several[Webhook] = ()
    """Webhooks that get decisions."""
    pin_keys: Several[Text] = ()
    """Names of gateway keys that may choose a variant by header; such requests leave the evidence."""
    expose_variant: bool = True
    """Whether answers say which variant they are."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["candidate"]}, {"required": ["candidates"]}]},
    )

    @model_validator(mode="after")
    def _who(self) -> Self:
        """One candidate, or several, of whom the first stands for what is the same for all."""
        if "candidate" not in self.model_fields_set:
            if not self.candidates:
                raise ValueError("`candidate` is missing")
            object.__setattr__(self, "candidate", self.candidates[0])  # it is being made, and nobody has it yet
        return self


def json_schema() -> str:
    """The JSON Schema of a policy file, as `policies/policy.schema.json` ships it for editors."""
    describe()
    policy = Policy.model_json_schema()
    del policy["properties"]["candidate"]["default"]  # there is none: it stands there, or `candidates` do
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **policy}
    return json.dumps(schema, indent=1, ensure_ascii=False)
