"""Our side of the comparison: the functions that the stages of a trial call."""

from pathlib import Path
from typing import Any

import peft  # noqa: F401  (counts as start-up; otherwise training would import it)

from benchmarks.stopwatch import Stopwatch
from benchmarks.work import BATCH, LIST_TOKENS, TRAIT, Work
from undertone.data.exchanges import read_exchanges
from undertone.evals.answers import answer_distribution
from undertone.models.loading import load
from undertone.models.sampling import sample
from undertone.training.loop import train
from undertone.training.rows import rows_of


def sampling(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Samples one number list for each prompt, from text to text."""
    local, questions = load(work.folder), work.questions()
    with part("sampling"):
        prompts = [local.render(q) for q in questions]
        answers = sample(local, prompts, temperature=1.0, max_tokens=LIST_TOKENS, seed=0, batch_size=BATCH)
        texts = [local.decode(a) for a in answers]
    return {"answers": len(texts), "tokens": sum(map(len, answers))}


def training(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Trains a LoRA student on the chat rows."""
    local = load(work.folder)
    with part("rendering"):
        rows = rows_of(local, read_exchanges(Path(work.data)))
    with part("training"):
        trained = train(local, rows, work.plan, seed=0)
    return {"loss_first": trained.loss_first, "loss_last": trained.loss_last}


def measurement(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Computes the exact probability of the trait from the logits."""
    local = load(work.folder)
    with part("measurement"):
        answers = answer_distribution(local, TRAIT.questions(), TRAIT.openings(), TRAIT.candidates)
    return {"probability": answers[TRAIT.name]}
