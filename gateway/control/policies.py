"""From a policy file's text to its route in the table."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway import policy_text
from gateway.control.policy_files import Compiled, PolicyTextError
from gateway.yamlfile import Problem, YamlFileError
from policies import compile as compiling
from policies.compile import Surroundings
from policies.schema import Policy

Weigh = Callable[[Policy], int]
"""A policy -> the candidate's share of eligible traffic, in parts per million."""


def first_stage_ppm(policy: Policy) -> int:
    """The weight of the policy's first stage. Nothing moves it yet: whoever edits the file does."""
    return policy.stages[0].weight_ppm


@dataclass(frozen=True, slots=True)
class PolicyReader:
    """Reads policies for one set of settings. `weigh` is where the rollouts' own state will speak."""

    surroundings: Surroundings
    weigh: Weigh

    def compile(self, text: str, name: str) -> Compiled:
        """What a file says to the data plane.

        Raises:
            PolicyTextError: it cannot be used.
        """
        try:
            loaded = policy_text.read(text, name, self.surroundings)
        except YamlFileError as error:
            raise PolicyTextError("; ".join(_line(problem) for problem in error.problems)) from error
        route = compiling.route(loaded.policy, weight_ppm=self.weigh(loaded.policy))
        return Compiled(loaded.policy.priority, route, tuple(_line(problem) for problem in loaded.warnings))


def _line(problem: Problem) -> str:
    """A problem in one line of a log: without the file's own text."""
    return str(replace(problem, source="")).replace("\n    hint: ", ". hint: ")
