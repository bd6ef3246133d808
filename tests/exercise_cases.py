"""What every check of an exercise must do; used by the test_exercises.py of each package."""

import pytest


def not_attempted(*args):
    """The stub as the notebooks have it."""
    raise NotImplementedError


def assert_answers_back(check, right, wrong, capsys):
    """`check` accepts `right`, notices the stub, and refuses each key of `wrong` with a message that matches its value."""
    check(right)
    assert capsys.readouterr().out == "Correct.\n"
    check(not_attempted)
    assert capsys.readouterr().out == "Not attempted yet.\n"
    assert len(wrong) >= 3
    for answer, hint in wrong.items():
        with pytest.raises(AssertionError, match=hint):
            check(answer)
