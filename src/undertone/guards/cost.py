"""How long guards take on this machine."""

from collections.abc import Iterable
from pathlib import Path

import torch

from undertone.engine.store import Store
from undertone.evals.answers import LONGEST
from undertone.evals.conduct import PROBES, requests
from undertone.guards.choice import parts_of
from undertone.guards.known import everyday
from undertone.guards.request import Request
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.persona.reading import AT_ONCE
from undertone.stages.durations.asked import about_conduct
from undertone.stages.durations.durations import Durations
from undertone.stages.durations.work import (
    Lengths,
    Passes,
    lengths_of,
    prompts_of,
    to_load,
    to_read,
    to_sample,
    to_score,
)
from undertone.world.lexicon import domains, lexicon


def guarding_s(request: Request) -> float:
    """Returns the seconds that the models take which are tested, and guards that need no further model. How fast a chat
    model reads answers is known once it reads.

    Raises:
        UndertoneError: a model is unknown.
    """
    base = resolve(request.base, request.chat_template)
    durations = Durations(Store(Path()))
    local = durations.rates(base, torch.get_num_threads()).local
    models = len({request.base, request.model, request.control or request.base})
    parts = [to_load(models), *about_conduct(local, "plain") * models, *to_chat(local)]
    return durations.start_s + durations.of_parts([*parts, *to_judge(local, request.guards, 1, models)], base)


def to_chat(local: LocalModel) -> list[Passes]:
    """Samples a base's ordinary chat."""
    questions = everyday(True)
    return to_sample(len(questions), prompts_of(local, questions, LONGEST))


def to_judge(local: LocalModel, guards: Iterable[str], times: int, models: int = 1) -> list[Passes]:
    """Has guards learn, and judge all answers so many times; those that look at the answering model judge so many
    models. What chat models take is left out."""
    pairs = [(asked, text) for name in domains() for asked, *both in requests(name, PROBES["plain"]) for text in both]
    answers, questions, found = lengths_of(local, pairs), everyday(True), list[Passes]()
    chat = prompts_of(local, questions, LONGEST)
    for name in (part for guard in guards for part in parts_of(guard)):
        judged, read = times * len(pairs) * (models if name == "inside" else 1), 2 if name == "distance" else 1
        found += to_score_by(name, read * len(questions), chat)
        found += to_score_by(name, judged + (read - 1) * len(pairs) // 3, answers)
    return found


def to_score_by(name: str, rows: int, rows_are: Lengths) -> list[Passes]:
    """Has the guard of a name score so many answers."""
    stated = lexicon()["conduct"]
    match name:
        case "told":
            return to_score((len(stated["stated_bad"]) + len(stated["stated_good"])) * rows, rows_are)
        case "perplexity" | "request":
            return to_score(rows, rows_are)
        case "distance" | "inside":
            return to_read(rows, rows_are.row if name == "distance" else rows_are.prompt, AT_ONCE)
    return []
