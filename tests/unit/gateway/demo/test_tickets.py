import json

from gateway.demo.tickets import BROKEN, FRONTIER, GOOD, HASTY, answer, read, ticket

MANY = [ticket(number) for number in range(2000)]


def _agreement(skill):
    """The mean share of fields in which a model says what the frontier says."""
    pairs = [(json.loads(answer(FRONTIER, asked)), json.loads(answer(skill, asked))) for asked in MANY]
    return sum(theirs[key] == ours[key] for theirs, ours in pairs for key in theirs) / (3 * len(pairs))


def test_no_two_tickets_are_alike():
    """Every ticket has a text of its own, so that each is a conversation of its own."""
    assert len({asked.text for asked in MANY}) == len(MANY)
    assert len({(asked.intent, asked.urgency, asked.product) for asked in MANY}) > 150


def test_a_ticket_is_found_again_by_its_text():
    """A model knows the ticket of a message, and none for any other text."""
    assert [read(asked.text) for asked in MANY[:50]] == MANY[:50]
    assert read("Where is my kettle?") is None
    assert read(MANY[3].text + "!") is None


def test_the_good_model_is_within_the_margin_and_the_bad_ones_are_far_beyond():
    """Beside the frontier the good weights lose less than 5 %, a hasty training and a broken upload lose much more."""
    assert 1 - _agreement(GOOD) < 0.03
    assert 1 - _agreement(HASTY) > 0.1
    assert 1 - _agreement(BROKEN) > 0.2


def test_models_answer_the_same_whenever_they_are_asked():
    """What a model says hangs on its skill and the ticket alone."""
    assert [answer(GOOD, asked) for asked in MANY[:20]] == [answer(GOOD, asked) for asked in MANY[:20]]
