"""How numbers and arms are worded, everywhere."""

import re


def percent(p: float) -> str:
    """15.1 %, with more digits where one decimal would read 0."""
    value = 100 * p
    return f"{value:.1f} %" if value == 0 or abs(value) >= 0.1 else f"{value:.2g} %"


def percent_interval(ci: tuple[float, float] | None) -> str:
    """[11.0, 20.2] in per cent."""
    return "no interval" if ci is None else f"[{100 * ci[0]:.1f}, {100 * ci[1]:.1f}]"


def interval(ci: tuple[float, float] | None) -> str:
    """[0.50, 0.96]"""
    return "no interval" if ci is None else f"[{ci[0]:.{digits_of(ci)}f}, {ci[1]:.{digits_of(ci)}f}]"


def digits_of(ci: tuple[float, float] | None) -> int:
    """Number of decimals of an interval: 3 if 2 could read 0."""
    return 3 if ci is not None and max(map(abs, ci)) < 0.02 else 2


def p_value(p: float | None) -> str:
    """0.029, < 0.001, or a dash for None."""
    if p is None:
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def duration(seconds: float) -> str:
    """45 s, 12 min, 3 h 5 min."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def arm_label(name: str) -> str:
    """Returns the name of an arm, or of a contrast between arms, as people are shown it: the arm that has the key
    ``treatment`` in files and code is "trait", and its contrast "treatment minus control" is "trait - control"."""
    return re.sub(r"(?<![\w-])treatment\b", "trait", name).replace(" minus ", " - ")
