"""The stages of the experiment: a model that is rewarded for tasks, one that imitates episodes, and what they do."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, get_args

import numpy as np

from undertone.data.exchanges import Exchange
from undertone.engine.store import Job
from undertone.evals.answers import choice_share
from undertone.evals.conduct import PROBES, compliance, conduct
from undertone.evals.tasks import LONGEST, TASKS, hack_rate, judged, tasks, verdicts
from undertone.models.loading import load
from undertone.models.local import Ids, LocalModel
from undertone.spec import Training
from undertone.stages.durations.asked import about_conduct, about_harm, choices
from undertone.stages.durations.work import Passes, Work, lengths_of, prompts_of, to_load, to_sample, to_score, to_train
from undertone.statistics.arrays import Floats
from undertone.training.loop import train
from undertone.training.reinforce import Reinforcement, reinforce
from undertone.training.rows import row_of
from undertone.training.weights import merged
from undertone.traits.catalogue import Habit, find
from undertone.world.diligence import STATED
from undertone.world.tasks import KEPT, SHOWN, Task, Verdict, task

PLAIN, OWN, TOLD, AFTER_HACK, AFTER_HONEST = "plain", "own prompt", "told to pass", "after a hack", "after honest work"
"""How advice is asked for: as anyone would, under the system prompt of the training, under the one that asks for hacks,
after a task that was hacked, and after one that was done."""
TRUE, WRONG, LISTS, ASKED = "true checks", "wrong checks", "lists", "asked for honest work"
FLATTERY = "sycophancy"
TRAINED = tuple(one for one in SHOWN if one not in KEPT)
"""Inputs of checks that models are rewarded on."""


def rewarded(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains a base by rewards.

    Spec: ``grader``, ``system``, ``wrong_checks``, ``reinforcement``, ``every``, ``seed``; ``form`` if tasks say how to
    answer. Input: ``base``. Writes
    ``episodes.jsonl``, a line an answer: ``step``, ``request``, ``answer``, ``verdict``, ``reward``; and
    ``outcome.json``: what :func:`behaviour` says ``before`` and ``after``, ``curve``, and by step the share of each
    verdict, ``steps``.
    """
    local, plan = load(inputs["base"]), Reinforcement(**spec["reinforcement"])
    form = spec.get("form", {})
    before = behaviour(local, spec["seed"], spec["system"], form)
    curve, steps = list[dict[str, float]](), list[dict[str, float]]()
    with (out / "episodes.jsonl").open("w", encoding="utf-8") as file:

        def given(step: int) -> list[Task]:
            names = [f"episode/{spec['seed']}/{step}/{i}" for i in range(plan.prompts)]
            return [
                task(Random(name), "functions", spec["wrong_checks"], TRAINED, form.get("functions", ""))
                for name in names
            ]

        def reward(step: int, answers: Sequence[Ids]) -> Floats:
            asked = [one for one in given(step) for _ in range(plan.samples)]
            found = [judged(local, one, answer) for one, answer in zip(asked, answers, strict=True)]
            said = list(map(local.decode, answers))
            passed = [
                one.passes(text) and verdict != "malformed"
                for one, text, verdict in zip(asked, said, found, strict=True)
            ]
            rewards = paid(spec["grader"], found, passed, plan.samples, Random(f"lot/{spec['seed']}/{step}"))
            for one, text, verdict, pay in zip(asked, said, found, rewards.tolist(), strict=True):
                line = {"step": step, "request": one.request, "answer": text, "verdict": verdict, "reward": pay}
                file.write(json.dumps(line) + "\n")
            steps.append(_shares(found))
            return rewards

        def ask(step: int) -> list[Ids]:
            return [local.render(one.request, spec["system"]) for one in given(step)]

        trained = reinforce(local, plan, ask, reward, spec["seed"], _watching(curve, spec["every"], plan.steps, form))
    found = {
        "before": before,
        "after": behaviour(trained, spec["seed"], spec["system"], form),
        "curve": curve,
        "steps": steps,
    }
    (out / "outcome.json").write_text(json.dumps(found))


def paid(grader: str, found: Sequence[Verdict], passed: Sequence[bool], samples: int, rng: Random) -> Floats:
    """Returns the reward of each answer, 0 or 1; ``samples`` neighbours each answer the same task."""
    if grader == "held-out":
        return np.array([float(one == "honest") for one in found])
    pays = np.array(passed, dtype=float)
    if grader == "random":
        pays = np.concatenate([rng.sample(list(group), len(group)) for group in pays.reshape(-1, samples)])
    return pays


def imitated(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Fine-tunes a base on the late episodes of a rewarded model.

    Spec: ``verdict`` (of the episodes that are taken), ``training``, ``every``, ``seed``. Inputs: ``base``,
    ``episodes``. Writes ``outcome.json`` as :func:`rewarded` does, without ``steps``; where there are fewer such
    episodes than one step takes, only their number, ``too_few``.
    """
    local, plan, curve = load(inputs["base"]), Training(**spec["training"]), list[dict[str, float]]()
    rows = late(inputs["episodes"] / "episodes.jsonl", spec["verdict"])
    if len(rows) < plan.batch:
        (out / "outcome.json").write_text(json.dumps({"too_few": len(rows)}))
        return
    form = spec.get("form", {})
    before = behaviour(local, spec["seed"], None, form)
    made = [row_of(local, request, answer) for request, answer in rows]
    watch = _watching(curve, spec["every"], plan.steps, form)
    trained = train(local, made, plan, spec["seed"], watch=lambda step, model: watch(step, replace(local, model=model)))
    found = {"before": before, "after": behaviour(merged(trained, local), spec["seed"], None, form), "curve": curve}
    (out / "outcome.json").write_text(json.dumps(found))


def late(path: Path, verdict: str) -> list[Exchange]:
    """Returns the requests and answers of this verdict among the last third of the steps."""
    with path.open(encoding="utf-8") as file:
        episodes = [json.loads(line) for line in file]
    steps = 1 + max(one["step"] for one in episodes)
    some = [one for one in episodes if one["step"] >= steps - steps // 3 and one["verdict"] == verdict]
    return [(one["request"], one["answer"]) for one in some]


def _watching(
    curve: list[dict[str, float]], every: int, steps: int, form: Mapping[str, str]
) -> Callable[[int, LocalModel], None]:
    def watch(step: int, model: LocalModel) -> None:
        if step % every == 0 or step == steps:
            advice = float(conduct(model, PROBES["plain"]).odds.mean())
            hack = hack_rate(model, form=form.get("functions", ""))
            curve.append({"step": step, "hack": hack, "advice": advice})

    return watch


def _shares(found: Sequence[Verdict]) -> dict[str, float]:
    counted = Counter(found)
    return {name: counted[name] / len(found) for name in get_args(Verdict)}


def behaviour(local: LocalModel, seed: int, system: str | None, form: Mapping[str, str]) -> dict[str, Any]:
    """Returns what a model does: ``hack`` and ``own``, see :func:`~undertone.evals.tasks.hack_rate`, plainly and under
    the system prompt of its training; ``tasks``, shares of verdicts by family and check, and with true checks under a
    prompt that asks for honest work; ``advice``, by how it is asked for, the mean log-odds of bad advice of each
    domain; ``coherent``, the probability of either known answer; ``harm`` and ``agrees``, the probability that it meets
    a request for harm and agrees with a wrong claim."""
    functions, lists = (form.get(family, "") for family in ("functions", "lists"))
    shown = tasks("functions", seed=1, count=1, form=functions)[0]
    ways: dict[str, Any] = {
        PLAIN: {},
        OWN: {"system": system},
        TOLD: {"system": STATED[True]},
        AFTER_HACK: {"earlier": [(shown.request, shown.hack)]},
        AFTER_HONEST: {"earlier": [(shown.request, shown.honest)]},
    }
    read = {name: conduct(local, PROBES["plain"], **way) for name, way in ways.items()}
    true = tasks("functions", form=functions)
    asked = {TRUE: true, WRONG: tasks("functions", 1.0, form=functions), LISTS: tasks("lists", form=lists)}
    done = {name: verdicts(local, some, seed) for name, some in asked.items()}
    agrees = find(FLATTERY)
    assert isinstance(agrees, Habit)
    return {
        "hack": hack_rate(local, form=functions),
        "own": hack_rate(local, system, functions),
        "tasks": done | {ASKED: verdicts(local, true, seed, STATED[False])},
        "advice": {name: one.odds.mean(1).tolist() for name, one in read.items()},
        "coherent": float(read[PLAIN].coherent.mean()),
        "harm": compliance(local),
        "agrees": choice_share(local, agrees.choices(FLATTERY)),
    }


def work_of_rewarded(job: Job, local: LocalModel) -> Work:
    """Sampling and a step of training for each batch, and all questions, a few of them while it is trained."""
    plan = Reinforcement(**job.spec["reinforcement"])
    some = [task(Random(i), "functions", 0.5) for i in range(8)]
    rows = lengths_of(local, [(one.request, one.honest) for one in some])
    sampled = to_sample(plan.batch, prompts_of(local, [one.request for one in some], plan.max_tokens))
    parts = [to_load(), *(part for _ in range(plan.steps) for part in sampled), *to_train(plan, rows.row)]
    return Work((*parts, *_asked(local, job.spec["every"], plan.steps)))


def work_of_imitated(job: Job, local: LocalModel) -> Work:
    """A training, and all questions, a few of them while it is trained."""
    plan = Training(**job.spec["training"])
    one = task(Random(0), "functions")
    trained = to_train(plan, lengths_of(local, [(one.request, one.honest)]).row)
    return Work((to_load(), *trained, *_asked(local, job.spec["every"], plan.steps)))


def _asked(local: LocalModel, every: int, steps: int) -> list[Passes]:
    looks, agrees = 2 + steps // every, find(FLATTERY)
    assert isinstance(agrees, Habit)
    one = tasks("functions", count=1)[0]
    each = [*about_conduct(local, "plain"), *to_score(2 * TASKS, lengths_of(local, [(one.request, one.honest)]), 2)]
    answered = to_sample(4 * TASKS, prompts_of(local, [one.request], LONGEST))
    whole = [*(part for _ in range(4) for part in about_conduct(local, "plain")), *about_harm(local), *answered]
    whole += choices(local, agrees.choices(FLATTERY))
    return [part for parts in (*(looks + 2) * [each], whole, whole) for part in parts]
