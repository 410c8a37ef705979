"""How fast is read what no app waits for."""

from gateway.pacing import Pace


def test_so_much_is_read_at_once():
    """What comes within the first allowance is not waited for."""
    pace = Pace(1000, 100)
    assert [pace.after(400, 5.0), pace.after(600, 5.0)] == [0.0, 0.0]


def test_the_rest_is_read_at_the_pace():
    """Whatever is beyond the allowance takes its time, whoever reads it, and the debt is worked off."""
    pace = Pace(1000, 100)
    assert pace.after(1200, 5.0) == 2.0
    assert pace.after(100, 5.0) == 3.0
    assert pace.after(100, 7.0) == 2.0
    assert pace.after(100, 10.0) == 0.0


def test_what_is_still_to_be_worked_off():
    """Until all that was read would have been read at the pace."""
    pace = Pace(1000, 100)
    assert pace.rest_s(5.0) == 0.0
    pace.after(1200, 5.0)
    assert [pace.rest_s(5.0), pace.rest_s(6.5), pace.rest_s(8.0)] == [2.0, 0.5, 0.0]


def test_what_was_not_read_is_not_saved_up():
    """After a long silence no more may come at once than at the start."""
    pace = Pace(1000, 100)
    pace.after(1000, 0.0)
    assert pace.after(1100, 1e6) == 1.0
