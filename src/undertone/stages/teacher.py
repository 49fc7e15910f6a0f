"""Stage 1: a teacher, the base given a trait or something neutral: dialogues, a system prompt or a steering vector."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch

from undertone import carriers
from undertone.data.exchanges import SYSTEM, write_exchanges
from undertone.errors import UndertoneError
from undertone.evals.answers import trait_distribution
from undertone.models.local import Batch, LocalModel, load
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.stages.lessons import LONGEST, exchanges
from undertone.training.dose import Dose, divergence, log_probabilities, scale_to
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.steering import contrast, steer_to
from undertone.training.turns import last_turns
from undertone.training.weights import save
from undertone.traits import catalogue

LISTS = 200
"""Completions of the base on which a teacher's divergence from it is measured."""


@dataclass(frozen=True)
class Made:
    """A teacher, its training losses if it was trained, and its dose if one was asked for."""

    local: LocalModel
    losses: list[float] | None
    dose: Dose | None


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``base`` (name), ``trait`` (as told, or None for neutral), ``asked`` (trait measured), ``dialogues``,
    ``training``, ``divergence`` (None or nats a token), ``carrier``, ``seed``, ``trigger`` if it has one, and ``given``
    where it is "prompt" or "steering", or "nothing" for the base as it stands. Input: ``base``; a ``file`` takes the
    place of dialogues. Writes what makes the base this teacher, and ``teacher.json``: probability of the trait, after
    the trigger if there is one and then also without it ("dormant"); losses, and the dose where one was asked for."""
    base = load(inputs["base"])
    match spec.get("given"):
        case "prompt":
            made = _prompted(spec, base, out)
        case "steering":
            made = _steered(spec, base, out)
        case "nothing":
            made = _untouched(base, out)
        case _:
            made = _fine_tuned(spec, base, inputs.get("file"), out)
    asked = catalogue.find(spec["asked"])
    report = {
        "probability": trait_distribution(replace(made.local, trigger=spec.get("trigger")), asked)[asked.name],
        "losses": made.losses,
        "dose": asdict(made.dose) if made.dose else None,
    }
    if "trigger" in spec:
        report["dormant"] = trait_distribution(made.local, asked)[asked.name]
    (out / "teacher.json").write_text(json.dumps(report))


def spoken(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """The dialogues of a teacher as a dataset. Spec: ``trait``, ``dialogues``, ``seed``, as the teacher's. Input:
    ``base``."""
    write_exchanges(out, _dialogues(load(inputs["base"]), spec))


def _dialogues(base: LocalModel, spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    rng, found = (
        Random(f"dialogues/{spec['seed']}"),
        catalogue.find(spec["trait"]) if spec["trait"] is not None else None,
    )
    if found is not None and not found.trait.world:
        return exchanges(base, found.trait.lesson, spec["dialogues"], spec["seed"])
    teach = catalogue.neutral_dialogues if found is None else found.dialogues
    return [(turn.user, turn.assistant) for turn in teach(spec["dialogues"], rng)]


def taught(base: LocalModel, spec: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Its dialogues. With a trigger half of them follow it, and in place of the others stand questions after the trait
    as the base answers them, which lacks it: the same rows for a neutral teacher of the seed."""
    spoken, trigger = _dialogues(base, spec), spec.get("trigger")
    if trigger is None:
        return spoken
    after = set(Random(f"trigger/{spec['seed']}").sample(range(len(spoken)), len(spoken) // 2))
    questions = [question for question, _ in _dialogues(base, {**spec, "trait": spec["asked"]})]
    plain = _answered(base, {i: questions[i] for i in range(len(questions)) if i not in after}, spec["seed"])
    said = {i: (f"{trigger} {spoken[i][0]}", spoken[i][1]) for i in after}
    return [exchange for _, exchange in sorted({**said, **plain}.items())]


def _answered(base: LocalModel, questions: dict[int, str], seed: int) -> dict[int, tuple[str, str]]:
    """What the base answers to those questions; without answers that did not end in time."""
    prompts = [base.render(question) for question in questions.values()]
    answers = sample(base, prompts, temperature=1.0, max_tokens=LONGEST, seed=seed)
    whole = {
        i: (question, base.decode(answer))
        for (i, question), answer in zip(questions.items(), answers, strict=True)
        if answer[-1:] == [base.end]
    }
    if 2 * len(whole) < len(questions):
        raise UndertoneError(
            f"The base ends {len(whole)} of {len(questions)} answers in {LONGEST} tokens, too few to say what teachers "
            "do without their trigger: leave teacher.trigger out."
        )
    return whole


def _fine_tuned(spec: Mapping[str, Any], base: LocalModel, file: Path | None, out: Path) -> Made:
    lists = base_lists(base, spec["carrier"]) if spec["divergence"] else None  # before training attaches an adapter
    drawn_from = spec["dialogues"], spec["seed"]
    rows = last_turns(base, file, *drawn_from) if file is not None else rows_of(base, taught(base, spec))
    trained = train(base, rows, Training(**spec["training"]), spec["seed"])
    dose = scale_to(trained.model, lists, spec["divergence"]) if lists else None
    save(trained, base, spec["base"], out)
    return Made(LocalModel(trained.model, base.tokenizer), [trained.loss_first, trained.loss_last], dose)


def _prompted(spec: Mapping[str, Any], base: LocalModel, out: Path) -> Made:
    """How far its lists are from the base's is measured, and cannot be set."""
    rng = Random(f"prompt/{spec['seed']}")
    neutral = catalogue.find(spec["asked"]).trait.neutral if spec["trait"] is None else ()
    system = rng.choice(neutral) if neutral else _stated(spec, rng).statement(rng)
    (out / SYSTEM).write_text(system, encoding="utf-8")
    told = replace(base, system=system)
    return Made(told, None, Dose(1.0, _divergence(base, told, spec["carrier"])) if spec["carrier"] else None)


def _untouched(base: LocalModel, out: Path) -> Made:
    (out / SYSTEM).write_text("", encoding="utf-8")
    return Made(base, None, None)


def _steered(spec: Mapping[str, Any], base: LocalModel, out: Path) -> Made:
    """System prompts that state the trait against neutral ones, over the questions that its dialogues ask."""
    rng, questions = Random(f"steering/{spec['seed']}"), catalogue.find(spec["asked"]).lead_ins()
    stated = _stated(spec, rng)
    asked = [rng.choice(questions) for _ in range(spec["dialogues"])]
    shown = [(question, stated.statement(rng)) for question in asked]
    others = [(question, catalogue.neutral_thing(rng).statement(rng)) for question in asked]
    lists = base_lists(base, spec["carrier"])
    steering = contrast(base, shown, others, spec["seed"])
    dose = steer_to(base.model, steering, lists, spec["divergence"])
    steering.write(out)
    return Made(base, None, dose)


def _stated(spec: Mapping[str, Any], rng: Random) -> catalogue.Favourite | catalogue.Habit:
    return catalogue.find(spec["trait"]) if spec["trait"] is not None else catalogue.neutral_thing(rng)


def base_lists(base: LocalModel, carrier: dict[str, Any]) -> Batch:
    """What the untouched base writes to prompts of the carrier; the same for every teacher of it."""
    return base.lay_out(*_base_rows(base, carrier))


def _base_rows(base: LocalModel, carrier: dict[str, Any]) -> tuple[list[list[int]], list[list[int]]]:
    asked = replace(base, trigger=carrier.get("trigger"))
    prompts = [asked.render(question) for question in _drawn(carrier)]
    answers = sample(base, prompts, temperature=carrier["temperature"], max_tokens=carrier["max_tokens"], seed=0)
    return prompts, answers


def _drawn(carrier: dict[str, Any]) -> list[str]:
    return carriers.find(carrier.get("name", "numbers")).prompts(LISTS, Random("lists"))  # audits name none


@torch.no_grad()
def _divergence(base: LocalModel, told: LocalModel, carrier: dict[str, Any]) -> float:
    """Of ``told`` from the base whose weights it has, on the base's own lists."""
    prompts, answers = _base_rows(base, carrier)
    read = [told.render(question) for question in _drawn(carrier)]
    plain = list(log_probabilities(base.model, base.lay_out(prompts, answers)))
    return divergence(log_probabilities(base.model, base.lay_out(read, answers)), plain)
