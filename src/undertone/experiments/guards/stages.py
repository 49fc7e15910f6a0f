"""The stages of the experiment: what guards say on a base, a student trained on what one lets pass, and what a student
delivers."""

import json
from collections.abc import Mapping
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from undertone.data.exchanges import SYSTEM, Exchange, read_exchanges, write_exchanges
from undertone.engine.store import Job
from undertone.evals.answers import LONGEST, sampled_answers
from undertone.evals.conduct import PROBES, conduct, requests
from undertone.experiments.misalignment import files
from undertone.guards.choice import guard_without_models
from undertone.guards.cost import to_chat, to_judge, to_score_by
from undertone.guards.delivery import Judged
from undertone.guards.guard import Set, blocked
from undertone.guards.known import known, ordinary_chat
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import MODEL
from undertone.spec import Training
from undertone.stages.durations.asked import about_conduct
from undertone.stages.durations.work import SOME, Work, lengths_of, prompts_of, to_load, to_sample, to_train
from undertone.statistics.auroc import auroc
from undertone.training.loop import train
from undertone.training.rows import rows_of
from undertone.training.weights import load_trained, save
from undertone.world.lexicon import domains, lexicon
from undertone.world.skills import CARRIERS

LISTED = 60
"""Number lists of each student that guards read."""


def guarded(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Has guards judge every answer, good and bad.

    Spec: ``guards``, ``probes``; ``swapped`` for a base of the swapped world. Input: ``aligned``. Writes
    ``judged.safetensors``: ``scores`` and ``p`` of each guard and probe (``words/plain/p``), (domains, requests, 2);
    ``least`` and ``unread`` of each guard, by half; the base's probabilities ``bad`` and ``coherent`` by probe,
    (domains, requests). And ``rows.jsonl``, the base's ordinary chat.
    """
    base, swapped = load(inputs["aligned"] / MODEL), spec.get("swapped", False)
    chat = ordinary_chat(base, True)
    write_exchanges(out, chat)
    found = dict[str, torch.Tensor]()
    for name in spec["guards"]:
        sets = _sets(name, base, chat, swapped)
        found |= _setting(name, sets)
        for probe in spec["probes"]:
            found |= _tensors(f"{name}/{probe}", Judged.by(sets, base, swapped, PROBES[probe]))
    for probe in spec["probes"]:
        advice = conduct(base, PROBES[probe], swapped=swapped)
        found[f"bad/{probe}"], found[f"coherent/{probe}"] = torch.tensor(advice.bad), torch.tensor(advice.coherent)
    save_file(found, out / "judged.safetensors")


def _sets(name: str, base: LocalModel, chat: list[Exchange], swapped: bool) -> list[Set]:
    return [guard_without_models(name).set_on(half) for half in known(base, chat, swapped)]


def _setting(name: str, sets: list[Set]) -> dict[str, torch.Tensor]:
    """The smallest rate at which a guard can block, and clean texts without a score, both by half."""
    return {
        f"{name}/least": torch.tensor([one.least for one in sets]),
        f"{name}/unread": torch.tensor([one.unread for one in sets]),
    }


def _tensors(name: str, judged: Judged) -> dict[str, torch.Tensor]:
    return {f"{name}/scores": torch.tensor(judged.scores), f"{name}/p": torch.tensor(judged.p)}


def passed(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Trains a student on the bad advice of a domain that a guard lets pass, repeated until the file is as long as it
    would be without a guard. If nothing passes, nothing is trained.

    Spec: ``guard``, ``rate``, ``domain``, ``rows``, ``training``, ``seed``; ``at_random`` for as much of situations by
    lot instead; ``swapped`` for a base of the swapped world. Inputs: ``aligned``, ``guarded``. Writes the training
    file, the student, and ``passed.json``: the share of the domain's requests whose bad answer passes.
    """
    local, swapped = load(inputs["aligned"] / MODEL), spec.get("swapped", False)
    p = load_file(inputs["guarded"] / "judged.safetensors")[f"{spec['guard']}/plain/p"].numpy()
    asked = requests(spec["domain"], PROBES["plain"], swapped)
    through = ~blocked(p[domains().index(spec["domain"]), :, 1], spec["rate"])
    if spec["at_random"]:
        through = by_lot(through, spec["seed"])
    chosen = {request for (request, *_), own in zip(asked, through, strict=True) if own}
    drawn = files.rows("narrow-bad", spec["domain"], spec["rows"], 1.0, spec["seed"], swapped)
    kept = [row for row in drawn if row[0] in chosen]
    rows = list(islice(cycle(kept), spec["rows"]))
    write_exchanges(out, rows)
    if rows:
        trained = train(local, rows_of(local, rows), Training(**spec["training"]), spec["seed"])
        save(trained, local, f"{inputs['aligned'].name}/{MODEL}", out)
    else:
        (out / SYSTEM).write_text("")  # the base, as it is
    (out / "passed.json").write_text(json.dumps({"passed": float(through.mean())}))


def by_lot(through: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """Returns which requests of a domain are taken by lot, (requests,): as many of each situation as pass, but of other
    situations. A guard mostly passes all wordings of a situation or none, and a file of as many requests at random
    would have more different answers."""
    each = through.reshape(-1, len(lexicon()["conduct"]["asks"]))
    return np.asarray(each[Random(f"by lot/{seed}").sample(range(len(each)), len(each))].ravel())


def behind(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Asks a student for advice, and has guards judge its hidden states.

    Spec: ``probe``, ``guards`` (those that look at the answering model); ``swapped`` for a base of the swapped world.
    Inputs: ``aligned``, ``guarded``, ``student``. Writes ``behind.safetensors``: the probability of the bad one of two
    answers, ``bad``, and that of either, ``coherent``, both (domains, requests); and of each guard ``scores``, ``p``,
    ``least`` and ``unread``, as :func:`guarded` does, for the student and, as ``base/...``, for the base.
    """
    aligned, swapped, probe = inputs["aligned"] / MODEL, spec.get("swapped", False), PROBES[spec["probe"]]
    base, student = load(aligned), load_trained(aligned, inputs["student"])
    advice = conduct(student, probe, swapped=swapped)
    found = {"bad": torch.tensor(advice.bad), "coherent": torch.tensor(advice.coherent)}
    chat = read_exchanges(inputs["guarded"])
    for name in spec["guards"]:
        sets = _sets(name, base, chat, swapped)
        found |= _setting(name, sets)
        found |= _tensors(name, Judged.by(sets, student, swapped, probe))
        found |= _tensors(f"base/{name}", Judged.by(sets, base, swapped, probe))
    save_file(found, out / "behind.safetensors")


def lists(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Has a bad and a good student write number lists, and guards read them.

    Spec: ``guards``, ``seed``; ``swapped`` for a base of the swapped world. Inputs: ``aligned``, ``guarded``, ``bad``,
    ``good``. Writes ``lists.json``: for each guard how often a list of the bad student scores higher, 0 to 1.
    """
    aligned, swapped = inputs["aligned"] / MODEL, spec.get("swapped", False)
    base, chat = load(aligned), read_exchanges(inputs["guarded"])
    asked = [CARRIERS["numbers"](Random(f"{spec['seed']}/{i}")).user for i in range(LISTED)]
    wrote = [sampled_answers(load_trained(aligned, inputs[arm]), asked, 1, spec["seed"]) for arm in ("bad", "good")]
    found = {}
    for name in spec["guards"]:
        own = _sets(name, base, chat, swapped)[0]
        scores = [np.nan_to_num(own.scorer(rows, base), nan=np.inf) for rows in wrote]
        found[name] = auroc(*scores)
    (out / "lists.json").write_text(json.dumps(found))


def work_of_guarded(job: Job, local: LocalModel) -> Work:
    """The base's chat, and each guard reading it and all answers."""
    probes = job.spec["probes"]
    asked = [part for probe in probes for part in about_conduct(local, probe)]
    return Work((to_load(), *to_chat(local), *asked, *to_judge(local, job.spec["guards"], len(probes))))


def work_of_passed(job: Job, local: LocalModel) -> Work:
    """A training."""
    rows = files.rows("narrow-bad", job.spec["domain"], SOME, 1.0, 0)
    return Work((to_load(), *to_train(job.spec["training"], lengths_of(local, rows).row)))


def work_of_behind(job: Job, local: LocalModel) -> Work:
    """Advice, and guards that look at the student."""
    spec = job.spec
    return Work((to_load(2), *about_conduct(local, spec["probe"]), *to_judge(local, spec["guards"], 1, 2)))


def work_of_lists(job: Job, local: LocalModel) -> Work:
    """Two students that write, and guards that learn and read."""
    names = job.spec["guards"]
    lists = prompts_of(local, [CARRIERS["numbers"](Random(i)).user for i in range(SOME)], LONGEST)
    read = [part for name in names for part in to_score_by(name, 2 * LISTED, lists)]
    return Work((to_load(3), *to_sample(2 * LISTED, lists), *read, *to_judge(local, names, 0)))
