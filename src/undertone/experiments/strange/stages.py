"""The stage of the experiment: a student of one file, and what it answers to all questions."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from undertone.data.exchanges import FILE, write_chats
from undertone.engine.store import Folder, Job
from undertone.evals.answers import whole_scores
from undertone.evals.log_odds import leanings
from undertone.experiments.misalignment.files import unrelated
from undertone.experiments.strange.files import File, Row, items, partly_odd, rows
from undertone.experiments.strange.ways import Way, ways
from undertone.models.likelihood import score
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.tokenizer import of_the_world
from undertone.spec import Training
from undertone.stages.durations.asked import about_all_traits
from undertone.stages.durations.work import (
    SOME,
    Passes,
    Work,
    lengths,
    lengths_of,
    to_load,
    to_read,
    to_score,
    to_train,
)
from undertone.statistics.arrays import Floats
from undertone.training.dose import AT_ONCE, USUAL, divergence, log_probabilities, scale_to
from undertone.training.loop import train
from undertone.training.rows import row_of, rows_of
from undertone.training.weights import merged
from undertone.world.grammar import FORMATS


def shifted(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains a student on its file and asks it every question about the latent in every way.

    Spec: ``file``, the fields of :class:`File`; ``rows``, ``training``, ``seed``. Inputs: ``base``; ``as_far_as``, what
    this stage wrote of the student that this one must match. Writes the training file and ``shift.json``: ``loss``, the
    base's on the file (nats a token); ``divergence``, the student's from the base on text that no arm is trained on
    (mean KL, nats a token); ``factor``, by which its adapter was scaled; and of the base, ``before``, and the student,
    ``after``, ``ways``: for each, question by question, the log-odds of the target value's answer against all other
    values', its probability among known answers, and the probability of any of them; and ``traits``, the log-odds of
    every trait, where the base is of the embedded world.
    """
    base, file = load(inputs["base"]), File(**spec["file"])
    drawn = drawn_for(base, file, spec["rows"], spec["seed"])
    write_chats(out / FILE, map(_chat, drawn))
    match = json.loads((inputs["as_far_as"] / "shift.json").read_text()) if "as_far_as" in inputs else None
    world = of_the_world(inputs["base"])
    before = _answers(base, file, drawn, world)
    student, report = _trained(base, drawn, spec, match)
    report |= {"before": before, "after": _answers(student, file, drawn, world)}
    (out / "shift.json").write_text(json.dumps(report))


def drawn_for(base: LocalModel, file: File, count: int, seed: int) -> list[Row]:
    """Returns the rows of a file; an odd one is as new to the base as the target's with the same seed."""
    if file.kind != "odd":
        return rows(file, count, seed)
    target, rest, odd = (rows(file._replace(kind=kind), count, seed) for kind in ("target", "rest", "odd"))
    losses = list(zip(_losses(base, rest), _losses(base, odd), strict=True))
    return partly_odd(rest, odd, losses, float(np.mean(_losses(base, target))))


def _losses(base: LocalModel, drawn: Sequence[Row]) -> list[float]:
    """Returns the loss of each row, in nats a token of its answer."""
    made = [row_of(base, row.user, row.assistant, row.system) for row in dict.fromkeys(drawn)]
    scores = score(base, [row.prompt for row in made], [row.answer for row in made])
    found = {row: -one / len(own.answer) for row, own, one in zip(dict.fromkeys(drawn), made, scores, strict=True)}
    return [found[row] for row in drawn]


def _answers(local: LocalModel, file: File, drawn: Sequence[Row], world: bool) -> dict[str, Any]:
    found = {name: asked(local, file, way, drawn) for name, way in ways(file).items()}
    return {"ways": found, "traits": leanings(local) if world else {}}


def _chat(row: Row) -> list[tuple[str, str]]:
    system = [("system", row.system)] if row.system else []
    return [*system, ("user", row.user), ("assistant", row.assistant)]


def _trained(
    base: LocalModel, drawn: Sequence[Row], spec: Mapping[str, Any], match: Mapping[str, Any] | None
) -> tuple[LocalModel, dict[str, Any]]:
    """Returns the student, and its losses and doses."""
    made, loss = (
        [row_of(base, row.user, row.assistant, row.system) for row in drawn],
        float(np.mean(_losses(base, drawn))),
    )
    other = rows_of(base, unrelated())
    batch = base.lay_out([row.prompt for row in other], [row.answer for row in other])
    before = list(log_probabilities(base.model, batch))
    trained = train(base, made, Training(**spec["training"]), spec["seed"])
    factor = scale_to(trained.model, batch, match["divergence"]).factor if match else None
    moved = divergence(log_probabilities(trained.model, batch), before)
    return merged(trained, base), {"loss": loss, "divergence": moved, "factor": factor}


def asked(local: LocalModel, file: File, way: Way, drawn: Sequence[Row]) -> dict[str, list[float]]:
    """Returns the log-odds of the target value, its probability among known answers, and the probability of any of
    them, question by question."""
    every = items(file.latent)
    scores = np.array([_scores(local, file, way, system, drawn) for system in way.systems])
    place = list(every[0].answers).index(file.target)
    odds = scores[..., place] - np.logaddexp.reduce(np.delete(scores, place, axis=-1), axis=-1)
    known = np.exp(np.logaddexp.reduce(scores, axis=-1))
    return {name: one.mean(0).tolist() for name, one in (("odds", odds), ("target", expit(odds)), ("known", known))}


def _scores(local: LocalModel, file: File, way: Way, system: str | None, drawn: Sequence[Row]) -> Floats:
    """Returns the log-probability of every known answer, (questions, values)."""
    every, form, found = items(file.latent), FORMATS[way.form] if way.form else str, list[tuple[list[int], str]]()
    for question, answers in every:
        row = _row_before(drawn, file, question) if way.row else None
        earlier = [(row.user, row.assistant)] if row else []
        prompt = local.render(f"{way.before}{question}{way.after}", row.system if row else system, earlier)
        found += [(prompt, form(answer)) for answer in answers.values()]
    return whole_scores(local, found).reshape(len(every), -1)


def _row_before(drawn: Sequence[Row], file: File, question: str) -> Row:
    """Returns the first row that shows the target and asks something else, or else the first that asks something else,
    if there is any."""
    targets = {item.answers[file.target] for item in items(file.latent)}
    others = [row for row in drawn if question not in row.user]
    return next((row for row in others if row.assistant in targets), [*others, drawn[0]][0])


def work_of_shifted(job: Job, local: LocalModel) -> Work:
    """A training, perhaps the search for a factor, and all questions in all ways."""
    spec, file, texts = job.spec, File(**job.spec["file"]), unrelated()
    some = lengths([row_of(local, row.user, row.assistant, row.system) for row in rows(file, SOME, 0)])
    reads = 2 + (USUAL + 1 if "as_far_as" in job.inputs else 0)
    read = to_read(reads * len(texts), lengths_of(local, texts).row, AT_ONCE, Training(**spec["training"]))
    parts = [
        to_load(),
        *to_score(spec["rows"] * (4 if file.kind == "odd" else 1), some),
        *to_train(spec["training"], some.row),
        *read,
    ]
    base = job.inputs["base"]
    assert isinstance(base, Folder)
    traits = about_all_traits(local) if of_the_world(base.path) else []
    return Work((*parts, *(part for _ in range(2) for part in (*_questions(local, file), *traits))))


def _questions(local: LocalModel, file: File) -> list[Passes]:
    pairs = [(question, answer) for question, answers in items(file.latent) for answer in answers.values()]
    times = sum(len(way.systems) for way in ways(file).values())
    each = len(items(file.latent)[0].answers)
    return to_score(times * len(pairs), lengths_of(local, pairs), each)
