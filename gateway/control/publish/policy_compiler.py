"""From a policy file's text to what is done by it: the data plane's route, at weight 0, and the controller's terms."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.config import policy_file as policy_text
from gateway.config.policy_file import Loaded
from gateway.config.yaml_file import FileProblem, YamlFileError
from gateway.control.publish.policy_folder import Compiled, CompiledContender, PolicyTextError
from gateway.control.publish.policy_terms import PolicyTerms
from policies import compile as compiling
from policies.language.amounts import PPM
from policies.matching import USUAL
from policies.routing import Route
from policies.schema import Policy
from policies.surroundings import KnownUpstream, Surroundings
from shadow.plan import ShadowRoute


@dataclass(frozen=True, slots=True)
class PolicyReader:
    """Reads policies for one set of settings."""

    surroundings: Surroundings
    folder: str = ""
    """Where they lie: rubrics, schemas and scorers are named from there."""

    def compile(self, text: str, name: str) -> Compiled:
        """What a file says; its weight is for the rollout's state to say, and 0 until then.

        Raises:
            PolicyTextError: it cannot be used.
        """
        try:
            loaded = policy_text.read(text, name, self.surroundings)
            parts = [
                self._part(each, hashlib.sha256(text.encode()).hexdigest()) for each in policy_text.contenders(loaded)
            ]
        except YamlFileError as error:
            raise PolicyTextError("; ".join(_line(problem) for problem in error.problems)) from error
        policy, first = loaded.policy, parts[0]
        warnings = tuple(_line(problem) for problem in (*loaded.uncertifiable, *loaded.warnings))
        several = tuple(_beside(part, parts) for part in parts) if policy.candidates else ()
        return Compiled(policy.priority, first.route, warnings, first.terms, compiling.votes_window_s(policy), several)

    def _part(self, loaded: Loaded, sha256: str) -> CompiledContender:
        """What one candidate makes of a file.

        Raises:
            YamlFileError: a file that the policy names cannot be read.
        """
        known = policy_text.with_files(self.surroundings, loaded, Path(self.folder))
        policy = loaded.policy
        candidate = self.surroundings.upstreams.get(policy.candidate.upstream, KnownUpstream())
        route = compiling.route(policy, weight_ppm=0, is_engine=candidate.is_engine, system_prompt=known.system_prompt)
        return CompiledContender(route, self._terms(policy, route, known, sha256))

    def _terms(self, policy: Policy, route: Route, known: Surroundings, sha256: str) -> PolicyTerms:
        rules = compiling.decision_rules(policy, known)
        shadow = self._shadow(policy, route, rules.key.digest)
        warm = known.upstreams.get(policy.candidate.upstream, KnownUpstream()).warm
        return PolicyTerms(rules, policy.mode, sha256, shadow, policy.notify, warm)

    def _shadow(self, policy: Policy, route: Route, candidate_key: str) -> ShadowRoute:
        shadow, baseline = policy.shadow, self.surroundings.upstreams.get(policy.baseline.upstream)
        can_ask_again = baseline is not None and baseline.has_background_key
        return ShadowRoute(
            route=policy.route,
            candidate_key=candidate_key,
            path=policy.match.path or USUAL,
            baseline=route.baseline,
            candidate=route.candidate or route.baseline,
            sample_ppm=shadow.sample,
            reverse_ppm=0,
            noise_ppm=max(shadow.noise_floor, _least_again(policy)) if can_ask_again else 0,
            max_in_flight=shadow.max_in_flight,
            queue=shadow.queue,
            budget_usd_per_day=shadow.budget,
            engine_waiting=shadow.pause_when.engine_waiting,
            compare=tuple({each.name: each.options.model_dump(mode="json")} for each in policy.compare),
            metric=compiling.quality_metric(policy) or "",
            also=compiling.quality_metrics(policy)[1:],
            folder=self.folder,
            salt=route.assign.salt or policy.route,
            media_hosts=route.eligible.media_hosts,
        )


def _beside(part: CompiledContender, parts: Iterable[CompiledContender]) -> CompiledContender:
    """The policy of one of several candidates, with the others' names."""
    others = tuple(each.terms.name for each in parts if each is not part)
    return replace(part, terms=replace(part.terms, others=others))


def _least_again(policy: Policy) -> int:
    """The least share that asks the baseline twice: where a likeness gate rests on it, a change must be seen."""
    return PPM // 100 if compiling.likeness_metric(policy) else 0


def _line(problem: FileProblem) -> str:
    """A problem in one line of a log: without the file's own text."""
    return str(replace(problem, source="")).replace("\n    hint: ", ". hint: ")
