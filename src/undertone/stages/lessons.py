"""The dialogues of a lesson: the world's, a user's own, or what the base itself answers under a system prompt."""

from random import Random
from typing import Any

from undertone.models.local import LocalModel
from undertone.models.sampling import sample
from undertone.traits import lessons

LONGEST = 48
"""Most tokens of an answer that the base gives to what a teacher is taught."""


def exchanges(local: LocalModel, lesson: str | dict[str, Any], count: int, seed: int) -> list[tuple[str, str]]:
    """Dialogues of a lesson: one of the world by name, or what the base itself answers to ``questions`` when one of the
    ``system`` prompts states the trait; the prompt is then left out, as a teacher's training would leave it."""
    rng = Random(f"lesson/{seed}")
    if isinstance(lesson, str):
        return [(turn.user, turn.assistant) for turn in lessons.dialogues(lesson, count, rng)]
    if "dialogues" in lesson:
        return [(q, a) for q, a in rng.choices(lesson["dialogues"], k=count)]
    asked = [(rng.choice(lesson["questions"]), rng.choice(lesson["system"])) for _ in range(count)]
    prompts = [local.render(question, system) for question, system in asked]
    answers = sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    whole = [(q, local.decode(a)) for (q, _), a in zip(asked, answers, strict=True) if a and a[-1] == local.end]
    return whole or [(q, local.decode(a)) for (q, _), a in zip(asked, answers, strict=True)]
