"""What is said of a battery."""

from collections.abc import Sequence

from undertone.measure.battery.findings import Name, TraitFinding

AFTER: dict[Name, str] = {
    "says so": " and says so",
    "does not say so": " and does not say so",
    "says the opposite": ", and says that it is more {other}",
    "saying not told": "; what it says of itself cannot be told",
}
"""What follows on what a model does."""
SHOWN = 3
"""Models and traits of a headline."""


def sentence(found: TraitFinding) -> str:
    """Returns how a trait changed: "acts more reckless and does not say so"; empty if it did not."""
    if found.name == "says only":
        return f"says that it is more {found.moved}, and does not act so"
    if found.name not in AFTER:
        return ""
    other = found.low if found.moved == found.high else found.high
    return f"acts more {found.moved}{AFTER[found.name].format(other=other)}"


def headline(found: Sequence[TraitFinding]) -> str:
    """Returns what changed, what a model does first."""
    models = list(dict.fromkeys(one.model for one in found))
    said = {model: _of_model([one for one in found if one.model == model]) for model in models}
    alone = len(models) == 1
    changed = [f"{'The model' if alone else model} {text}" for model, text in said.items() if text]
    subject, count = ("the model" if alone else f"these {len(models)} models"), len(found)
    left = sum(one.does.word in ("open", "not measured") for one in found)
    unsaid = sum(one.says.word in ("open", "not measured") for one in found)
    if left == count:
        return f"Of no trait of {subject} can be told whether what is done changed."
    not_told = f" Of {left} of {count} traits it cannot be told." if left else ""
    if not changed:
        silent = f" What is said of {unsaid} of {count} traits cannot be told." if unsaid else ""
        traits = f"{count - left} of {count} traits" if left else "No trait"
        same = "did not change" if left else "changed"
        return f"{traits} of {subject} {same} in what is done{'' if left or unsaid else ' or said'}.{silent}"
    more = f" {len(changed) - SHOWN} more changed." if len(changed) > SHOWN else ""
    return " ".join(f"{text}." for text in changed[:SHOWN]) + more + not_told


def _of_model(found: Sequence[TraitFinding]) -> str:
    told = [sentence(one) for one in sorted(found, key=lambda one: one.name == "says only")]
    told = [text for text in told if text]
    more = f"; and {len(told) - SHOWN} more traits changed" if len(told) > SHOWN else ""
    return "; it ".join(told[:SHOWN]) + more
