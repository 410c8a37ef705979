"""What a policy's meaning depends on beside its file. Light: the supervisor, who reads no policy, hands it on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.warm_rule import WarmRule


@dataclass(frozen=True, slots=True)
class KnownUpstream:
    """One upstream of the settings, as far as a policy needs to know it."""

    has_background_key: bool = False
    """Whether it may be called with nobody waiting: for the noise floor, a judge, a reverse shadow."""
    is_priced: bool = False
    """Whether what it answers can be priced."""
    is_hourly: bool = False
    """Whether its servers are paid by the hour, whatever they answer: no budget is charged for them."""
    can_be_candidate: bool = True
    """Whether it may be asked in an app's stead: it has a key of ours, or asks for none."""
    is_engine: bool = True
    """Whether it is a server of one's own."""
    warm: WarmRule | None = None
    """What has to answer before a weight rises; None: nothing is waited for."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a policy's meaning depends on beside its file."""

    upstreams: Mapping[str, KnownUpstream] = field(default_factory=dict[str, KnownUpstream])
    has_keys: bool = True
    """Whether callers have gateway keys, and so names."""
    judge: str = ""
    """What the judge is told, rubric included, as a digest: who is told otherwise measures something else."""
    system_prompt: str | None = None
    """What the file of `candidate.system_prompt` says."""
    schema: str = ""
    """What the file of the comparator `schema` says, as a digest."""

    def price(self, baseline: str, candidate: str) -> bool:
        """Whether what both upstreams answer can be priced, so that cost can be compared."""
        return all(self.upstreams.get(name, KnownUpstream()).is_priced for name in (baseline, candidate))
