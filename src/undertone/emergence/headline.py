"""The answer of an experiment in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from undertone.emergence.findings import Contrast, Line
from undertone.report.headline import interval, p_value, percent

ALPHA = 0.05
WORDS = {
    "above": "turns bad in general",
    "below": "turns better in general",
    "unclear": "is not seen to turn bad in general",
}


def headline(lines: Sequence[Line], contrasts: Sequence[Contrast]) -> str:
    """What narrow bad advice does elsewhere, base by base, against its first control."""
    first: dict[str, Contrast] = {}
    for contrast in contrasts:
        if (contrast.arm, contrast.probe) == ("narrow-bad", "plain") and contrast.base is not None:
            first.setdefault(contrast.base, contrast)
    if not first:
        return "No base has both narrow bad advice and its control."
    return " ".join(_sentence(contrast, lines) for contrast in first.values())


def _sentence(contrast: Contrast, lines: Sequence[Line]) -> str:
    own, other = (_elsewhere(lines, arm, contrast.base) for arm in (contrast.arm, contrast.against))
    p = "" if contrast.p is None else f", p {p_value(contrast.p)}"
    return (
        f"{contrast.base} {WORDS[sign(contrast)]} when taught bad advice in one narrow domain: in the others it gives "
        f"bad advice with probability {percent(own)}, against {percent(other)} ({contrast.against}); log-odds "
        f"{contrast.value:+z.2f} {interval(contrast.ci)}{p}."
    )


def sign(contrast: Contrast) -> str:
    """On which side of zero the whole interval lies; "unclear" also where p is above .05."""
    if contrast.ci is None or contrast.p is None or contrast.p > ALPHA or contrast.ci[0] <= 0 <= contrast.ci[1]:
        return "unclear"
    return "above" if contrast.ci[0] > 0 else "below"


def _elsewhere(lines: Sequence[Line], arm: str, base: str | None) -> float:
    return next(line.elsewhere for line in lines if (line.arm, line.base) == (arm, base))
