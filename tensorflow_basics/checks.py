"""The check of an argument that modules of every package need."""

import numpy as np


def check_int(name, value, low, high=None):
    """Raise TypeError unless `value` is an integer (a bool is not), ValueError unless it lies from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be {allowed}, got {value}")
