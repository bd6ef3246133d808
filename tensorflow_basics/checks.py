"""The checks of an argument that modules of every package need."""

import math

import numpy as np


def check_bool(name, value):
    """Raise TypeError unless `value` is a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be a bool, got {value!r}")


def check_int(name, value, low, high=None):
    """Raise TypeError unless `value` is an integer (a bool is not), ValueError unless it lies from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {allowed}, got {value}")


def check_number(name, value, low, high=math.inf, *, above=False, below=False):
    """Raise TypeError unless `value` is a real number (a bool is not), ValueError unless it is finite and lies from `low`
    (`above` it, if True) to `high` (`below` it, if True).

    >>> check_number("momentum", 1.0, 0, 1, below=True)
    Traceback (most recent call last):
    ValueError: momentum must be at least 0 and below 1, got 1.0
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {value!r}")
    high_fits = value < high if below or high == math.inf else value <= high
    if not (high_fits and (value > low if above else value >= low)):  # also refuses NaN
        ends = f"{'above' if above else 'at least'} {low} and " if low > -math.inf else ""
        ends += "finite" if high == math.inf else f"{'below' if below else 'at most'} {high}"
        raise ValueError(f"{name} must be {ends}, got {value}")
