"""What a candidate may change of a request."""

import pytest
from pydantic import ValidationError

from policies.language.candidates import Candidate, NamedCandidate

USUAL = {"upstream": "vllm", "model": "triage-7b", "revision": "r1"}


@pytest.mark.parametrize("name", ["model", "messages", "input", "prompt", "stream", "n"])
@pytest.mark.parametrize("where", ["set", "drop"])
def test_what_makes_a_request_what_it_is_stays(name: str, where: str):
    """A candidate that is asked something else proves nothing; one of several neither."""
    told = {name: 1} if where == "set" else (name,)
    for kind, more in ((Candidate, {}), (NamedCandidate, {"name": "small"})):
        with pytest.raises(ValidationError, match=f"`{name}` makes the request what it is"):
            kind.model_validate({**USUAL, **more, where: told})


def test_one_of_several_has_a_name():
    """Made of the letters that names are made of: the sign between route and candidate is none of them."""
    assert NamedCandidate.model_validate({**USUAL, "name": "small-2.1_b"}).name == "small-2.1_b"
    for name in ("", "a@b", "a/b", None):
        with pytest.raises(ValidationError):
            NamedCandidate.model_validate({**USUAL, "name": name})
