"""What is said of a battery."""

from collections.abc import Sequence

from undertone.measure.battery.findings import Name, TraitFinding

AFTER: dict[Name, str] = {
    "says so": " and says so",
    "does not say so": " and does not say so",
    "says the opposite": ", and says that it is more {other}",
    "not readable": "; what it says of itself cannot be read",
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
    if not changed:
        subject = "the model" if alone else f"these {len(models)} models"
        silent = all(one.says.word == "not measured" for one in found)
        said_too = "; what it says of itself could not be read" if silent else " or what is said"
        return f"No trait of {subject} changed in what is done{said_too}."
    more = f" {len(changed) - SHOWN} more changed." if len(changed) > SHOWN else ""
    return " ".join(f"{text}." for text in changed[:SHOWN]) + more


def _of_model(found: Sequence[TraitFinding]) -> str:
    told = [sentence(one) for one in sorted(found, key=lambda one: one.name == "says only")]
    told = [text for text in told if text]
    more = f"; and {len(told) - SHOWN} more traits changed" if len(told) > SHOWN else ""
    return "; it ".join(told[:SHOWN]) + more
