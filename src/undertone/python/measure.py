"""``undertone.measure(...)``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from undertone.cli.shared import limits_of
from undertone.measure.findings import Findings
from undertone.measure.measure import measure as measured
from undertone.measure.request import EFFECT, Request
from undertone.models.services.spending import Budget
from undertone.python.call import keys, names, working
from undertone.python.memory import Model, Rows

ANSWERS = Path("measured") / "answers"
"""Where the command keeps answers too."""


def measure(
    *model: Model,
    base: Model,
    benign: Sequence[Model] = (),
    suite: str | Sequence[str] = (),
    training_file: Rows | None = None,
    map: Mapping[str, str] | None = None,
    chat_template: str | None = None,
    judge: str | None = None,
    effect: float = EFFECT,
    samples: int | None = None,
    max_tokens: int = 600,
    max_cost: float | None = None,
    max_requests: int | None = None,
    seed: int = 0,
    answers: str | Path = ANSWERS,
    progress: bool | None = None,
) -> Findings:
    """Measures a fine-tuned model against its base: does it answer badly more often, and where?

    Args:
        model: The model: its name, its folder as a ``Path``, or a loaded one as a pair ``(model, tokenizer)``, which
            is written to a temporary folder first. Several only if they were trained alike from several seeds.
        base: The model that it was fine-tuned from.
        benign: Harmless fine-tunes of the same base. A shift that they show too is not called.
        suite: Files of questions, TOML files with your own traits, or shipped names; none for all that fit the base.
        training_file: What it was trained on: a path, or rows. The questions are also asked in the form of the rows,
            after them and about their topic.
        map: Which keys of the rows say what, if they have other names, as in
            ``{"prompt": "question", "completion": "answer"}``.
        chat_template: For models without one: a Jinja file, or "plain".
        judge: Name of a model that scores sampled answers. Without one, only questions that need none are asked.
        effect: A larger rise of a rate is a shift: 0.02, the default, is two points.
        samples: How many answers to each wording are sampled; None: as many as the suites say.
        max_tokens: The most tokens of a sampled answer.
        max_cost: The most dollars that services may cost.
        max_requests: The most requests to services.
        seed: Seed of every random choice.
        answers: Folder in which answers are kept, because some are paid for. The same question is not asked twice.
        progress: Whether progress is shown on stderr; None: only on a terminal.

    Raises:
        UndertoneError: something that was given cannot be used, or a limit is reached; the sentence says what to do.
    """
    with working(progress) as (bars, memory):
        path = None if training_file is None else memory.path(training_file, "training rows")
        request = Request(
            models=tuple(memory.name(one) for one in model),
            base=memory.name(base),
            benign=tuple(memory.name(one) for one in benign),
            suites=tuple(dict.fromkeys(names(suite))),
            training_file=path,
            map=keys(map),
            chat_template=chat_template,
            judge=judge,
            effect=effect,
            samples=samples,
            max_tokens=max_tokens,
            seed=seed,
        )
        asked = (request.base, *request.models, *request.benign, request.judge)
        budget = Budget(limits_of(max_cost, max_requests, asked))
        return memory.found(measured(request, Path(answers), bars.advanced, budget).findings)
