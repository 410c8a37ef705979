"""What a policy's meaning depends on beside its file."""

from policies.surroundings import KnownUpstream, Surroundings


def test_prices_are_known_if_both_variants_are():
    """A price for one of them compares nothing."""
    priced = KnownUpstream(is_priced=True)

    assert Surroundings({"openai": priced, "vllm": priced}).price("openai", "vllm")
    assert not Surroundings({"openai": priced, "vllm": KnownUpstream()}).price("openai", "vllm")
    assert not Surroundings({"openai": priced}).price("openai", "vllm")
