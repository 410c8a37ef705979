"""What a policy file says to the control plane, beside the route it gives to the data plane."""

from dataclasses import dataclass
from typing import Literal

from policies.rules import Rules
from policies.schema import Webhook
from policies.warm_rule import WarmRule
from shadow.plan import ShadowRoute


@dataclass(frozen=True, slots=True)
class PolicyTerms:
    """What the controller uses of one policy file."""

    rules: Rules
    mode: Literal["observe", "apply", "bypass", "split"]
    policy_sha256: str
    """Of the file's text: evidence files carry it."""
    shadow: ShadowRoute
    """The shadow's part, but for what the stage says: nothing is reversed."""
    webhooks: tuple[Webhook, ...] = ()
    warm: WarmRule | None = None
    """What has to answer before the weight rises; None: nothing is waited for."""
    others: tuple[str, ...] = ()
    """The other candidates' rollouts, where the route has several."""

    @property
    def name(self) -> str:
        """What the rollout is called: the route's name, with the candidate's where it has several."""
        return self.rules.route
