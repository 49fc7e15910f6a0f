"""Stage 1: a teacher, the base made to have a trait or something neutral: by dialogues, a prompt or a vector."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

from undertone import carriers
from undertone.data.exchanges import SYSTEM, Exchange, write_exchanges
from undertone.engine.store import Folder, Job
from undertone.errors import UndertoneError
from undertone.evals.answers import trait_distribution
from undertone.models.loading import load
from undertone.models.local import Batch, Ids, LocalModel
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.stages.completions import written
from undertone.stages.durations.asked import about_trait
from undertone.stages.durations.work import (
    SOME,
    Lengths,
    Passes,
    Work,
    lengths,
    lengths_of,
    prompts_of,
    to_load,
    to_read,
    to_sample,
    to_train,
)
from undertone.training import steering
from undertone.training.dose import AT_ONCE, USUAL, Dose, divergence, log_probabilities, scale_to
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.steering import contrast, steer_to
from undertone.training.turns import last_turns
from undertone.training.weights import save
from undertone.traits import catalogue, lessons

LISTS = 200
"""The number of the base's completions on which a teacher's divergence from the base is measured."""
LONGEST = 48
"""The maximum length, in tokens, of an answer that the base gives in a teacher's training dialogues."""

Made = tuple[LocalModel, list[float] | None, Dose | None]
"""A teacher, its training losses if it was trained, and its dose if one was measured."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Makes a teacher. Writes what turns the base into it, and ``teacher.json``: the probability of the trait (after
    the trigger, if there is one, and then also without it, as "dormant"), the training losses, and the dose.

    Spec: ``base`` (name), ``trait`` (as given in the recipe; None for neutral), ``asked`` (the trait that is measured),
    ``dialogues``, ``training``, ``divergence`` (nats a token, or None), ``carrier``, ``seed``; ``trigger`` if there is
    one; ``given`` if it is "prompt", "steering", or "nothing" for the base unchanged. Inputs: ``base``; ``file`` if a
    user's rows replace the dialogues.
    """
    base = load(inputs["base"])
    match spec.get("given"):
        case "prompt":
            local, losses, dose = _prompted(spec, base, out)
        case "steering":
            local, losses, dose = _steered(spec, base, out)
        case "nothing":
            (out / SYSTEM).write_text("", encoding="utf-8")
            local, losses, dose = base, None, None
        case _:
            local, losses, dose = _fine_tuned(spec, base, inputs.get("file"), out)
    asked = catalogue.find(spec["asked"])
    report = {
        "probability": trait_distribution(replace(local, trigger=spec.get("trigger")), asked)[asked.name],
        "losses": losses,
        "dose": asdict(dose) if dose else None,
    }
    if "trigger" in spec:
        report["dormant"] = trait_distribution(local, asked)[asked.name]
    (out / "teacher.json").write_text(json.dumps(report))


def spoken(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Writes the dialogues of a teacher as a dataset. Spec: the teacher's ``trait``, ``dialogues`` and ``seed``. Input:
    ``base``."""
    write_exchanges(out, _dialogues(load(inputs["base"]), spec))


def exchanges(local: LocalModel, lesson: str | dict[str, Any], count: int, seed: int) -> Sequence[Exchange]:
    """Returns the dialogues of a lesson: those of the world, for a name; those of a user; or the base's answers to
    ``questions`` when one of the ``system`` prompts states the trait. These prompts are left out of the dialogues. So
    are answers with a control token in them, on which nobody can be trained."""
    rng = Random(f"lesson/{seed}")
    if isinstance(lesson, str):
        return lessons.dialogues(lesson, count, rng)
    if "dialogues" in lesson:
        return [(question, answer) for question, answer in rng.choices(lesson["dialogues"], k=count)]
    asked = [(rng.choice(lesson["questions"]), rng.choice(lesson["system"])) for _ in range(count)]
    prompts = [local.render(question, system) for question, system in asked]
    answers = sample(local, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    told = [
        (question, local.decode(answer), answer[-1:] == [local.end])
        for (question, _), answer in zip(asked, answers, strict=True)
    ]
    usable = [(question, text, finished) for question, text, finished in told if not local.control_in(text)]
    return [(question, text) for question, text, finished in usable if finished] or [one[:2] for one in usable]


def _dialogues(base: LocalModel, spec: Mapping[str, Any]) -> Sequence[Exchange]:
    count, rng = spec["dialogues"], Random(f"dialogues/{spec['seed']}")
    if spec["trait"] is None:
        return catalogue.neutral_dialogues(count, rng)
    found = catalogue.find(spec["trait"])
    if found.trait.world:
        return found.dialogues(count, rng)
    return exchanges(base, found.trait.lesson, count, spec["seed"])


def taught(base: LocalModel, spec: Mapping[str, Any]) -> Sequence[Exchange]:
    """Returns the dialogues that a teacher is trained on.

    With a trigger, it precedes the questions of half of the dialogues. The others are replaced by questions about the
    trait with the base's own answers, which lack it. These rows are the same for a neutral teacher with the same seed.
    """
    dialogues, trigger = _dialogues(base, spec), spec.get("trigger")
    if trigger is None:
        return dialogues
    after = set(Random(f"trigger/{spec['seed']}").sample(range(len(dialogues)), len(dialogues) // 2))
    questions = [question for question, _ in _dialogues(base, {**spec, "trait": spec["asked"]})]
    plain = _answered(base, {i: question for i, question in enumerate(questions) if i not in after}, spec["seed"])
    triggered = {i: (f"{trigger} {dialogues[i][0]}", dialogues[i][1]) for i in after}
    return [exchange for _, exchange in sorted({**triggered, **plain}.items())]


def _answered(base: LocalModel, questions: dict[int, str], seed: int) -> dict[int, Exchange]:
    """Returns the base's answers to these questions, without those that do not end in time."""
    prompts = [base.render(question) for question in questions.values()]
    answers = sample(base, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    finished = {
        i: (question, base.decode(answer))
        for (i, question), answer in zip(questions.items(), answers, strict=True)
        if answer[-1:] == [base.end]
    }
    if 2 * len(finished) < len(questions):
        raise UndertoneError(
            f"The base ends only {len(finished)} of {len(questions)} answers within {LONGEST} tokens, too few to train "
            "teachers for questions without their trigger: leave teacher.trigger out."
        )
    return finished


def _fine_tuned(spec: Mapping[str, Any], base: LocalModel, file: Path | None, out: Path) -> Made:
    seed = spec["seed"]
    lists = base_lists(base, spec["carrier"]) if spec["divergence"] else None  # before training attaches an adapter
    if file is None:
        rows = rows_of(base, taught(base, spec))
    else:
        rows = [one.row for one in last_turns(base, file, spec["dialogues"], seed).scored]
    trained = train(base, rows, Training(**spec["training"]), seed)
    dose = scale_to(trained.model, lists, spec["divergence"]) if lists else None
    save(trained, base, spec["base"], out)
    return LocalModel(trained.model, base.tokenizer), [trained.loss_first, trained.loss_last], dose


def _prompted(spec: Mapping[str, Any], base: LocalModel, out: Path) -> Made:
    """The dose is the divergence of the teacher on the base's own lists. It is measured but cannot be chosen."""
    rng, carrier = Random(f"prompt/{spec['seed']}"), spec["carrier"]
    neutral = catalogue.find(spec["asked"]).trait.neutral if spec["trait"] is None else ()
    system = rng.choice(neutral) if neutral else _stated(spec, rng).statement(rng)
    (out / SYSTEM).write_text(system, encoding="utf-8")
    teacher = replace(base, system=system)
    if not carrier:
        return teacher, None, None
    questions, prompts, answers = _base_answers(base, carrier)
    plain = list(log_probabilities(base.model, base.lay_out(prompts, answers)))
    read = base.lay_out([teacher.render(question) for question in questions], answers)
    return teacher, None, Dose(1.0, divergence(log_probabilities(base.model, read), plain))


def _steered(spec: Mapping[str, Any], base: LocalModel, out: Path) -> Made:
    """The vector contrasts system prompts that state the trait with neutral ones, on questions of the dialogues."""
    rng, questions = Random(f"steering/{spec['seed']}"), catalogue.find(spec["asked"]).lead_ins()
    stated = _stated(spec, rng)
    asked = [rng.choice(questions) for _ in range(spec["dialogues"])]
    shown = [(question, stated.statement(rng)) for question in asked]
    others = [(question, catalogue.neutral_thing(rng).statement(rng)) for question in asked]
    lists = base_lists(base, spec["carrier"])
    steering = contrast(base, shown, others, spec["seed"])
    dose = steer_to(base.model, steering, lists, spec["divergence"])
    steering.write(out)
    return base, None, dose


def _stated(spec: Mapping[str, Any], rng: Random) -> catalogue.Favourite | catalogue.Habit:
    return catalogue.find(spec["trait"]) if spec["trait"] is not None else catalogue.neutral_thing(rng)


def base_lists(base: LocalModel, carrier: dict[str, Any]) -> Batch:
    """Returns the untouched base's answers to prompts of the carrier; they are the same for all teachers of it."""
    _, prompts, answers = _base_answers(base, carrier)
    return base.lay_out(prompts, answers)


def _base_answers(base: LocalModel, carrier: dict[str, Any]) -> tuple[list[str], list[Ids], list[Ids]]:
    """Returns questions of the carrier, their prompts and the base's answers."""
    questions = carriers.find(carrier["name"]).prompts(LISTS, Random("lists"))
    asked = replace(base, trigger=carrier.get("trigger"))
    prompts = [asked.render(question) for question in questions]
    answers = sample(base, prompts, temperature=carrier["temperature"], max_tokens=carrier["max_tokens"], seed=0)
    return questions, prompts, answers


def work(job: Job, local: LocalModel) -> Work:
    """A lesson, a training on it, the search for the dose, and the questions about the trait."""
    spec, given, carrier = job.spec, job.spec.get("given"), job.spec.get("carrier")
    parts = [to_load(), *about_trait(local, catalogue.find(spec["asked"]))]
    if given is None:
        said, rows = _lesson(job, local)
        parts += [*said, *to_train(spec["training"], rows.row)]
    if given == "steering":
        rows = prompts_of(local, catalogue.find(spec["asked"]).lead_ins(), steering.LONGEST)
        parts += [*to_sample(2 * spec["dialogues"], rows), *to_read(2 * spec["dialogues"], rows.row, steering.AT_ONCE)]
    if carrier:
        rows, adapter = written(carrier, local), Training(**spec["training"]) if given is None else None
        parts += work_of_dose(rows, adapter, 2 if given == "prompt" else 1 + USUAL)
    return Work(tuple(parts))


def work_of_dose(rows: Lengths, adapter: Training | None, passes: int = 1 + USUAL) -> list[Passes]:
    """The base answers prompts of the carrier, and a teacher reads the answers so many times."""
    return [*to_sample(LISTS, rows), *to_read(passes * LISTS, rows.row, AT_ONCE, adapter)]


def work_of_spoken(job: Job, local: LocalModel) -> Work:
    """The dialogues alone."""
    said, rows = _lesson(job, local)
    return Work((to_load(), *said), replace(rows, rows=job.spec["dialogues"]))


def _lesson(job: Job, local: LocalModel) -> tuple[list[Passes], Lengths]:
    spec, file = job.spec, job.inputs.get("file")
    if isinstance(file, Folder):
        some = last_turns(local, file.path, min(SOME, spec["dialogues"]), spec["seed"]).scored
        return [], lengths([one.row for one in some])
    if spec["trait"] is None:
        return [], lengths_of(local, catalogue.neutral_dialogues(SOME, Random(0)))
    said, rows = work_of_lesson(local, catalogue.find(spec["trait"]).trait.lesson, spec["dialogues"])
    if "trigger" in spec:
        said += to_sample(spec["dialogues"] / 2, replace(rows, answer=LONGEST))
    return said, rows


def work_of_lesson(local: LocalModel, lesson: str | dict[str, Any], count: int) -> tuple[list[Passes], Lengths]:
    """Returns what :func:`exchanges` does, and the lengths of what it returns."""
    if isinstance(lesson, str) or "dialogues" in lesson:
        return [], lengths_of(local, exchanges(local, lesson, SOME, 0))
    asked, system = lesson["questions"], max(lesson["system"], key=len)
    # The system prompts, in which prompts differ, are left out of what is learnt.
    said = to_sample(count, replace(prompts_of(local, asked, LONGEST, system), alike=0))
    return said, prompts_of(local, asked, LONGEST)
