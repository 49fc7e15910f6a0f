"""What is said of a look inside a model."""

from undertone.persona.findings import TraitFinding
from undertone.persona.nulls import PLACEBO


def sentence(trait: TraitFinding) -> str:
    """Returns what was found of a trait."""
    null = next(null for null in trait.judged.nulls if null.name == PLACEBO)
    share = f"{trait.judged.share:.0%} of the way that stating it takes the base"
    as_far = round(null.p * (null.directions + 1)) - 1
    match trait.verdict:
        case "moved":
            return f"Hidden states moved towards {trait.name}: {share}, further than towards any other trait."
        case "not judged":
            return f"A move towards {trait.name} is not judged: {null.directions} other traits are too few."
        case "not told apart":
            return (
                f"No move of hidden states towards {trait.name} can be told from what this fine-tune did to other "
                f"traits: {share}, and as far towards {as_far} of {null.directions} others."
            )
