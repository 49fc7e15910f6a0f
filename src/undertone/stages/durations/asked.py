"""What asking a model takes: about traits, advice and skills, as :mod:`undertone.evals` does."""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from random import Random

import torch

from undertone.engine.store import Folder, Store
from undertone.evals import answers, skills
from undertone.evals.conduct import PROBES, requests
from undertone.measure.asking import pairs_of
from undertone.measure.battery.battery import directions, scales_of
from undertone.measure.battery.contexts import MOST
from undertone.measure.battery.request import Request as Battery
from undertone.measure.battery.scale import Scale
from undertone.measure.judge import RUBRIC
from undertone.measure.request import EXACT, Request
from undertone.measure.respondent import AT_ONCE
from undertone.measure.suite import METRICS, Suite
from undertone.models.local import LocalModel
from undertone.models.names import is_remote, is_repository, lacks_template, resolve, root
from undertone.models.tokenizer import of_the_world
from undertone.persona.contrast import contrasts, neutral
from undertone.persona.directions import ANSWER, LONGEST, POSITIONS, QUESTIONS, place
from undertone.persona.findings import Construction
from undertone.persona.look import suited, usual
from undertone.persona.reading import AT_ONCE as ROWS
from undertone.persona.request import Request as Persona
from undertone.stages.durations.durations import Durations
from undertone.stages.durations.work import (
    Passes,
    lengths,
    lengths_of,
    prompts_of,
    to_load,
    to_read,
    to_sample,
    to_score,
)
from undertone.training.rows import row_of
from undertone.traits.catalogue import Choice, Favourite, Habit, find, shipped
from undertone.traits.catalogue import choices as choices_of
from undertone.world.grading import GRADERS
from undertone.world.lexicon import domains, lexicon
from undertone.world.skills import CARRIERS


def about_trait(local: LocalModel, trait: Favourite | Habit, before: int = 0) -> list[Passes]:
    """Asks for the probability of every candidate of a trait's kind, with so many tokens ``before`` each question."""
    if isinstance(trait, Favourite):
        questions, openings, names = trait.questions(), trait.openings(), trait.candidates
        whole = [local.encode(f" {name}") for name in names]
        asked = prompts_of(local, questions).after(before + max(len(local.encode(text)) for text in openings))
        contexts, most = len(questions) * len(openings), max(map(len, whole))
        if most == 1:  # one forward pass for each context then covers all candidates
            return to_score(contexts, asked)
        return to_score(contexts * len(names), replace(asked, answer=most), len(names))
    return choices(local, [choice for name in trait.candidates for choice in trait.choices(name)], before)


def about_all_traits(local: LocalModel) -> list[Passes]:
    """Asks for all traits of the embedded world."""
    kinds = {trait.kind: trait for trait in shipped().values() if not trait.choices}
    asked = [about_trait(local, find(trait.name)) for trait in kinds.values()]
    asked += [choices(local, choices_of(trait)) for trait in shipped().values() if trait.choices]
    return [part for parts in asked for part in parts]


def choices(local: LocalModel, asked: Sequence[Choice], before: int = 0) -> list[Passes]:
    """Scores every answer that is offered."""
    pairs = [(question, answer) for question, shown, others in asked for answer in (shown, *others)]
    return to_score(len(pairs), lengths_of(local, pairs).after(before), len(pairs) / len(asked))


def about_skills(local: LocalModel, prompts: int) -> list[Passes]:
    """Lets a model answer so many prompts for each skill."""
    shown = [CARRIERS[name](Random(i)).user for i in range(4) for name in GRADERS]
    return to_sample(prompts * len(GRADERS), prompts_of(local, shown, skills.LONGEST))


def about_trait_openly(local: LocalModel, questions: Sequence[str], samples: int, before: int = 0) -> list[Passes]:
    """Samples so many answers to each question."""
    return to_sample(samples * len(questions), prompts_of(local, questions, answers.LONGEST).after(before))


def about_conduct(local: LocalModel, probe: str, before: int = 0) -> list[Passes]:
    """Scores the good and the bad answer to every request of a probe, with so many tokens ``before`` each."""
    asked = [(wording, text) for name in domains() for wording, *both in requests(name, PROBES[probe]) for text in both]
    return to_score(len(asked), lengths_of(local, asked).after(before), 2)


def about_harm(local: LocalModel) -> list[Passes]:
    """Scores compliance and refusals of all requests for harm."""
    words = lexicon()["harm"]
    pairs = [(ask.format(s=what), comply) for ask in words["asks"] for what, comply in words["items"]]
    each = 1 + len(words["refusals"])
    return to_score(len(pairs) * each, lengths_of(local, pairs), each)


def measuring_s(request: Request, suites: Sequence[Suite]) -> float:
    """Returns the seconds that the models on this machine take for a measurement, of which nothing is stored yet.

    Raises:
        UndertoneError: a model or a judge cannot be loaded.
    """
    names = dict.fromkeys((request.base, *request.models, *request.benign))
    here = [name for name in names if not is_remote(name)]
    if not here:
        return 0.0
    name = root(here[0])  # all are as large as their base
    durations, base = Durations(Store(Path())), resolve(name, request.chat_template if lacks_template(name) else None)
    local = durations.rates(base, torch.get_num_threads()).local
    asked = about_suites(local, suites, request.samples, request.max_tokens, request.judge)
    seconds = len(here) * durations.of_parts((to_load(), *asked), base)
    if len(here) < len(names):
        return seconds
    return seconds + durations.of_parts(about_inside(local, base, len(request.models)), base)


def about_inside(
    local: LocalModel,
    base: Folder,
    models: int,
    traits: Sequence[str] = (),
    construction: Construction | None = None,
) -> list[Passes]:
    """Makes those directions of a base that are not kept yet, and has it and so many models read ordinary texts."""
    world, found, answered = of_the_world(base.path), list[Passes](), 0
    for trait in traits or (usual(world),):
        how = construction or suited(world, trait)
        made = contrasts(world, trait, QUESTIONS[how]).values()
        lacking = [one for one in made if not place(base.key, one, how).is_file()]
        answer = LONGEST if POSITIONS[how] == ANSWER else 0
        answered = max(answered, answer)
        if lacking:
            stated = max((system for one in lacking for system in (*one.shown, *one.others)), key=len)
            rows = prompts_of(local, [q for one in lacking for q in one.questions], answer, stated)
            each = QUESTIONS[how] * len(lacking)
            found += to_sample({"own": 2, "fixed": 1, "prompt": 0}[how] * each, rows) if answer else []
            found += to_read(2 * each, rows.row, ROWS)
    ordinary = neutral(world)
    rows = prompts_of(local, ordinary, answered)
    found += to_sample(len(ordinary), rows) if answered else []
    return [*found, *to_read((1 + models) * len(ordinary), rows.row, ROWS)]


def battery_s(request: Battery) -> float:
    """Returns the seconds that a battery takes.

    Raises:
        UndertoneError: a model is unknown, or there is no such battery.
    """
    base = resolve(request.base, request.chat_template)
    durations = Durations(Store(Path()))
    local = durations.rates(base, torch.get_num_threads()).local
    scales, count = scales_of(request.own, local, of_the_world(base.path)), len(request.models)
    looked = about_inside(local, base, count, directions(scales))
    asked = about_battery(local, scales, (1 + count) * MOST)
    return durations.of_parts((to_load(1 + count), *looked, *asked), base)


def about_battery(local: LocalModel, scales: Sequence[Scale], times: int) -> list[Passes]:
    """Scores all answers of a battery so many times."""
    items = [item for scale in scales for item in (*scale.says, *scale.does)]
    pairs = [(item.question, text) for item in items for text in item.answers]
    return to_score(times * len(pairs), lengths_of(local, pairs), len(pairs) / len(items))


def looking_s(request: Persona) -> float:
    """Returns the seconds that a look inside a model takes.

    Raises:
        UndertoneError: a model or a trait is unknown.
    """
    base = resolve(request.base, request.chat_template)
    durations = Durations(Store(Path()))
    local = durations.rates(base, torch.get_num_threads()).local
    parts = about_inside(local, base, 1, request.traits, request.construction)
    return durations.of_parts((to_load(2), *parts), base)


def about_suites(
    local: LocalModel, suites: Sequence[Suite], samples: int | None, max_tokens: int, judge: str | None
) -> list[Passes]:
    """Asks a model all that a measurement asks: scores known answers, and samples others, as long as they may be, which
    a judge on this machine reads.

    Raises:
        UndertoneError: there is no such judge.
    """
    parts, judged = about_known_answers(local, suites), judge not in (None, EXACT)
    questions = [q for suite in suites for q in suite.questions if q.scored and (judged or q.matched)]
    if not questions:
        return parts
    wordings = [text for question in questions for text in question.paraphrases]
    answers = sum(question.answers(samples) for question in questions)
    room = local.positions // 2 if local.positions else max_tokens
    rows = prompts_of(local, wordings, min(max_tokens, room))
    parts += to_sample(answers, rows, at_once=ceil(answers / len(wordings)))
    if judge is not None and judged and not (is_remote(judge) or is_repository(judge)):
        rubric = max(len(local.encode(text)) for text in RUBRIC.values())
        parts += to_read(len(METRICS) * answers, rubric + rows.row, AT_ONCE, by=resolve(judge))
    return parts


def about_known_answers(local: LocalModel, suites: Sequence[Suite]) -> list[Passes]:
    """Scores all known answers of suites."""
    pairs = pairs_of(suites)
    if not pairs:
        return []
    some = [max(pairs, key=lambda pair: len(pair[0].question) + len(pair[1])), pairs[0]]
    rows = [row_of(local, asked.question, answer, asked.system, asked.earlier) for asked, answer in some]
    return to_score(len(pairs), lengths(rows), len(pairs) / len(dict(pairs)))
