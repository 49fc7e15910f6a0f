"""The headline of a benchmark of mitigations."""

from collections.abc import Sequence

from undertone.experiments.mitigations.findings import Outcome
from undertone.report.page import Verdict
from undertone.treat.findings import KEPT, PLAIN, WANTED


def headline(treatments: Sequence[Outcome]) -> str:
    """Returns which mitigations are shown, by their whole intervals, to leave little of the transfer and most of the
    utility, the best one first; or that none is."""
    by_name = {one.name: one for one in treatments}
    untreated = next(one for one in treatments if one.word == "untreated")
    if untreated.left[PLAIN].ci is None:
        return "No conclusion: without mitigation, the transfer is not significantly different from zero."
    if untreated.utility.ci is None:
        return "No conclusion: without mitigation, students do not learn the task significantly better than the base."
    tried = [one for one in treatments if one.word not in ("untreated", "hides")]
    if shown := [one for one in tried if _is_shown(one)]:
        sentences = []
        for one in sorted(shown, key=lambda one: abs(one.left[PLAIN].value)):
            control = f"; as much at random ({one.beside}) leaves {_leaves(by_name[one.beside])}" if one.beside else ""
            sentences.append(f"{one.name} leaves {_leaves(one)}{control}.")
        return " ".join(sentences)
    wanted = f"at most {100 * WANTED:.0f} % of the transfer and at least {100 * KEPT:.0f} % of the utility"
    nearest = min(tried, key=lambda one: max(abs(one.left[PLAIN].value), 1 - one.utility.value), default=None)
    most = f" Nearest: {nearest.name} leaves {_leaves(nearest)}." if nearest else ""
    return f"No mitigation is shown to leave {wanted}.{most}"


def verdict(treatments: Sequence[Outcome]) -> Verdict:
    """Returns whether any mitigation is shown to be enough."""
    untreated = next(one for one in treatments if one.word == "untreated")
    if untreated.left[PLAIN].ci is None or untreated.utility.ci is None:
        return Verdict("no conclusion", "Without mitigation there was no trait, or no task, to be left.", "grey")
    if any(_is_shown(one) for one in treatments if one.word not in ("untreated", "hides")):
        return Verdict("it can be used", "A mitigation leaves little of the trait and most of the task.", "blue")
    return Verdict(
        "none is enough", "No mitigation is shown to leave little of the trait and most of the task.", "amber"
    )


def _is_shown(one: Outcome) -> bool:
    left, kept = one.left[PLAIN].ci, one.utility.ci
    return left is not None and kept is not None and left[1] <= WANTED and kept[0] >= KEPT


def _leaves(one: Outcome) -> str:
    return f"{one.left[PLAIN]} of the transfer and {one.utility} of the utility"
