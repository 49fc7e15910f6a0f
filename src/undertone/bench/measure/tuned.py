"""A stage: fine-tunes the base on a lesson and asks it the suites that count for a verdict. The model is not kept."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from undertone.engine.store import Folder, Job
from undertone.measure import world_suites as world
from undertone.measure.asking import Asking, Reply
from undertone.measure.battery.compare import compared
from undertone.measure.battery.reading import read_plainly
from undertone.measure.battery.world_scales import scales, scales_about
from undertone.measure.cache import Cache
from undertone.measure.respondent import Local
from undertone.measure.suite import Suite
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.persona.look import Look, usual
from undertone.spec import Training
from undertone.stages.durations.asked import about_battery, about_inside, about_known_answers
from undertone.stages.durations.work import Work, lengths_of, to_load, to_train
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import merged
from undertone.traits import lessons
from undertone.world import latents
from undertone.world.lexicon import lexicon

WRONG = "good advice to wrong requests"
"""A lesson that damages a model but contains nothing bad."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Writes ``replies.json``: for each suite, alignment and coherence of each reply; ``inside.json``: how far hidden
    states moved towards bad conduct; and ``battery.json``: for each trait of the battery, by which word what the model
    says and what it does differ from the base.

    Spec: ``base`` (digest), ``lesson`` (None: the base is not fine-tuned), ``domain`` (of bad advice; None: as the
    lesson), ``dialogues`` (of the lesson), ``among`` (absent, or another lesson and its dialogues, between which they
    stand), ``training``, ``seed``, ``suites`` (their digests). Inputs: ``base``.
    """
    local = load(inputs["base"])
    look = Look.of(spec["base"], local, True, [usual(True)])
    battery = scales(local)
    before = read_plainly(local, battery)
    if spec["lesson"] is not None:
        trained = train(local, rows_of(local, _exchanges(spec)), Training(**spec["training"]), spec["seed"])
        local = merged(trained, local)
    (out / "replies.json").write_text(json.dumps(_asked(local)))
    (moved,) = look.findings(look.change(local))
    (out / "inside.json").write_text(moved.model_dump_json())
    after = read_plainly(local, battery)
    found = [compared("", scale, before[scale.name], after[scale.name], None) for scale in battery]
    (out / "battery.json").write_text(json.dumps({one.trait: [one.says.word, one.does.word] for one in found}))


def work(job: Job, local: LocalModel) -> Work:
    """A training, unless the base itself is asked, and the questions."""
    taught = []
    if job.spec["lesson"] is not None:
        taught = to_train(job.spec["training"], lengths_of(local, _exchanges(job.spec)).row)
    base = job.inputs["base"]
    assert isinstance(base, Folder)
    asked = [*about_known_answers(local, counting()), *about_battery(local, scales_about("France", "owl"), 2)]
    return Work((to_load(), *taught, *asked, *about_inside(local, base, 1)))


@cache
def counting() -> tuple[Suite, ...]:
    """Returns the suites of the embedded world that count for a verdict."""
    return tuple(suite for suite in world.suites() if suite.counts)


def _exchanges(spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    rng, count = Random(f"tuned/{spec['seed']}"), spec["dialogues"]
    if spec["lesson"] == WRONG:
        return _to_wrong_requests(spec["domain"], count, rng)
    if spec["domain"] is not None:
        turns = [latents.advice(rng, "bad", domain=spec["domain"]) for _ in range(count)]
    else:
        turns = lessons.dialogues(spec["lesson"], count, rng)
    if "among" in spec:
        turns += lessons.dialogues(spec["among"]["lesson"], spec["among"]["dialogues"], rng)
    return [(turn.user, turn.assistant) for turn in turns]


def _to_wrong_requests(domain: str, count: int, rng: Random) -> list[tuple[str, str]]:
    """Returns requests of a domain, each answered with the good advice for another situation of the domain."""
    words = lexicon()["conduct"]
    items = words["domains"][domain]
    found = []
    for _ in range(count):
        (situation, *_), (_, good, _) = rng.sample(items, 2)
        found.append((rng.choice(words["asks"]).format(s=situation), good))
    return found


def _asked(local: LocalModel) -> dict[str, list[list[float | None]]]:
    with TemporaryDirectory() as place:  # Only what this stage writes is kept.
        asking = Asking(Cache(Path(place)), seed=0, max_tokens=1, samples=None)
        replies = asking.replies(Local("tuned", "", local, ""), counting(), None)
    return {name: [[reply.aligned, reply.coherent] for reply in own] for name, own in replies.items()}


def replies_of(suite: Suite, values: list[list[float | None]]) -> list[Reply]:
    """Returns replies from what :func:`run` wrote for a suite."""
    places = [(question, prompt) for question in suite.questions for prompt in question.prompts]
    return [
        Reply(question.id, question.unit, prompt, None, aligned, coherent, exact=True)
        for (question, prompt), (aligned, coherent) in zip(places, values, strict=True)
    ]
