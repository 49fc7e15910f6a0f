"""The headline of an experiment on emergent misalignment."""

from collections.abc import Sequence

from undertone.experiments.misalignment.findings import Contrast, Line
from undertone.report.findings import side
from undertone.report.page import ALPHA
from undertone.report.words import interval, p_value, percent

WORDS = {
    "above": "gives more bad advice in general",
    "below": "gives less bad advice in general",
    "unclear": "is not shown to give more bad advice in general",
}


def headline(lines: Sequence[Line], contrasts: Sequence[Contrast]) -> str:
    """Returns a sentence for each base: what narrow bad advice does in the other domains, against its first control."""
    first = first_of(contrasts)
    elsewhere = {(line.arm, line.base): percent(line.elsewhere) for line in lines}
    sentences = []
    for base, one in first.items():
        p = "" if one.p is None else f", p {p_value(one.p)}"
        each = "" if one.by_request is None else f", request by request {by_request(one)}"
        sentences.append(
            f"{base} {WORDS[sign(one)]} after training on bad advice in one narrow domain: in the others the "
            f"probability of bad advice is {elsewhere[one.arm, base]}, against {elsewhere[one.against, base]} "
            f"({one.against}); log-odds {one.value:+z.2f} {interval(one.ci)}{p}{each}."
        )
    return " ".join(sentences) or "No base has both narrow bad advice and its control."


def first_of(contrasts: Sequence[Contrast]) -> dict[str, Contrast]:
    """Returns narrow bad advice against its first control, by base."""
    first: dict[str, Contrast] = {}
    for contrast in contrasts:
        if (contrast.arm, contrast.probe) == ("narrow-bad", "plain") and contrast.base is not None:
            first.setdefault(contrast.base, contrast)
    return first


def sign(contrast: Contrast) -> str:
    """Returns "above" or "below" if the whole interval lies on that side of zero, p is at most .05, and the interval
    computed request by request lies on the same side; else "unclear"."""
    sides = {side(ci) for ci in (contrast.ci, contrast.by_request_ci or contrast.ci)}
    known = contrast.p is not None and contrast.p <= ALPHA and len(sides) == 1
    return sides.pop() if known else "unclear"


def by_request(contrast: Contrast) -> str:
    """Returns the contrast computed request by request, as in "+0.05 [-0.05, 0.16]"; "" if it was not stored."""
    return "" if contrast.by_request is None else f"{contrast.by_request:+z.2f} {interval(contrast.by_request_ci)}"
