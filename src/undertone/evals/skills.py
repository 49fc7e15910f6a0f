"""How well a model still does what the embedded world taught it, skill by skill."""

from random import Random

from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.world.grading import GRADERS
from undertone.world.skills import CARRIERS

LONGEST = 48
"""The most tokens of an answer."""


def skill_scores(local: LocalModel, prompts: int, seed: int) -> dict[str, float]:
    """Returns the share (0 to 1) of right answers at temperature 1 for each skill, over ``prompts`` prompts each."""
    turns = [(name, CARRIERS[name](Random(f"skill/{seed}/{name}/{i}"))) for name in GRADERS for i in range(prompts)]
    rendered = [local.render(turn.user) for _, turn in turns]
    answers = sample(local, rendered, temperature=1.0, max_tokens=LONGEST, seed=seed)
    right: dict[str, int] = dict.fromkeys(GRADERS, 0)
    for (name, turn), answer in zip(turns, answers, strict=True):
        right[name] += answer[-1:] == [local.end] and GRADERS[name](turn, local.decode(answer))
    return {name: count / prompts for name, count in right.items()}
