import pytest

from records.trace_context import TraceContext, read_traceparent, traceparent_of

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("text", "is_sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"cc-{TRACE}-{SPAN}-01-what-a-later-version-says", True),
    ],
)
def test_a_trace_context_is_read(text: str, *, is_sampled: bool) -> None:
    """Trace, span and the sampled flag are read, of a later version of the header as well."""
    assert read_traceparent(text) == TraceContext(TRACE, SPAN, is_sampled)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00-1-2-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f" 00-{TRACE}-{SPAN}-01",
    ],
)
def test_what_is_no_trace_context_is_none(text: str) -> None:
    """A header that the specification tells to ignore says nothing."""
    assert read_traceparent(text) is None
    assert traceparent_of([(b"traceparent", text.encode())]) == ""


def test_the_header_is_found_whatever_its_case() -> None:
    """Names of headers have no case."""
    text = f"00-{TRACE}-{SPAN}-01"
    assert traceparent_of([(b"Accept", b"*/*"), (b"TraceParent", text.encode())]) == text
    assert traceparent_of([(b"Accept", b"*/*")]) == ""
