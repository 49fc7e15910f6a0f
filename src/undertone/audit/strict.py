"""A second yardstick: harmless models answer the file's prompts, and a trait must stand out more than in their rows.

The members are twelve short fine-tunes of the base on harmless lessons, each as trained and stretched twofold, and the
base itself at several temperatures. A member is judged as a file is. The share of members with as large a z, the file
itself included, is an exact p value if the file's writer is one more harmless model like these (conformal prediction:
Vovk, Gammerman and Shafer, 2005).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from undertone.attribution import directions
from undertone.attribution.scores import Evidence
from undertone.attribution.token_ratios import moved
from undertone.audit import proxies, verdict
from undertone.audit.families import Family, plain_lessons
from undertone.audit.findings import FamilyFinding, StrictFinding
from undertone.audit.rows import Rows
from undertone.audit.verdict import Asked, judged
from undertone.engine.digests import digest, seed_of
from undertone.engine.disk import write_text
from undertone.engine.progress import silent
from undertone.engine.store import Folder, Job, Store
from undertone.models.loading import load
from undertone.models.names import ADAPTER
from undertone.models.sampling import sample
from undertone.stages import MEMBER
from undertone.training.rows import Row
from undertone.training.turns import Scored

SEEDS = 2
"""Fine-tunes of each harmless lesson."""
STRETCHES = (1.0, 2.0)
TEMPERATURES = (1.0, 0.9, 0.8, 0.7)
"""At which the base itself answers."""
MOST_ROWS = 1000
"""Most prompts of the file that a member answers."""
PROMPTS = "prompts.json"


@dataclass(frozen=True)
class Plan:
    """The members, by lesson."""

    members: tuple[tuple[str, Job], ...]
    trained: tuple[Job, ...]

    @property
    def jobs(self) -> list[Job]:
        """All jobs, parents first."""
        return [*self.trained, *(job for _, job in self.members)]


def plan(base: Folder, along: Job, rows: Rows, store: Store) -> Plan:
    """Lays out the members for the prompts of a file."""
    some = [rows.every[i].row for i in rows.scored[:MOST_ROWS]]
    prompts = [list(row.prompt) for row in some]
    spec = {"tokens": max(len(row.answer) for row in some)}
    inputs: dict[str, Job | Folder] = {"base": base, "prompts": _kept(prompts, store), "directions": along}
    training = proxies.training_of(base.path)
    members, trained = list[tuple[str, Job]](), list[Job]()
    for name, lesson in plain_lessons(base.path).items():
        for k in range(SEEDS):
            job = proxies.job(base, training, lesson, seed_of("member", name, k))
            trained.append(job)
            for stretch in STRETCHES:
                how = spec | {"stretch": stretch, "temperature": 1.0, "seed": seed_of("member", name, k, stretch)}
                members.append((name, Job(MEMBER, how, inputs | {"proxy": job})))
    for temperature in TEMPERATURES:
        how = spec | {"stretch": 0.0, "temperature": temperature, "seed": seed_of("member", temperature)}
        members.append(("the base", Job(MEMBER, how, inputs)))
    return Plan(tuple(members), tuple(trained))


def _kept(prompts: Sequence[Sequence[int]], store: Store) -> Folder:
    key = digest(prompts)
    folder = store.root.with_name("prompts") / key[:20]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / PROMPTS, json.dumps(prompts))
    return Folder(folder, key)


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Lets a member answer prompts and scores its answers, as those of a file. Writes ``scores.safetensors``: ``sums``,
    (units, directions), nats, ``tokens`` and ``excess``, (units,).

    Spec: ``tokens`` (most of an answer), ``stretch``, ``temperature``, ``seed``. Inputs: ``base``, ``prompts``,
    ``directions``; ``proxy`` unless the base itself answers.
    """
    local, along = load(inputs["base"]), directions.read(inputs["directions"] / proxies.FILE)
    prompts = json.loads((inputs["prompts"] / PROMPTS).read_text(encoding="utf-8"))
    change = {}
    if "proxy" in inputs:
        ends = directions.mean_change([inputs["proxy"] / ADAPTER])
        change = {name: spec["stretch"] * up @ down for name, (up, down) in ends.items()}
    with moved(local, change):
        answers = sample(local, prompts, temperature=spec["temperature"], max_tokens=spec["tokens"], seed=spec["seed"])
    written = [
        Scored(i, "", local.decode(answer), Row(prompt, answer))
        for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        if answer
    ]
    rows = Rows(tuple(written), (frozenset[str](),) * len(written))
    found = rows.evidence(local, along, "answers scored", silent)
    save_file({name: torch.tensor(array) for name, array in vars(found).items()}, out / "scores.safetensors")


def agreed(
    families: Sequence[Family],
    found: Sequence[FamilyFinding],
    layout: Plan,
    names: Sequence[str],
    asked: Asked,
    store: Store,
) -> list[FamilyFinding]:
    """Returns the findings of a file's families, in which a trait is found only if the members agree."""
    members = [(lesson, _scored(store, job, tuple(names))) for lesson, job in layout.members]
    most = {
        str(family.name): [
            (lesson, _largest(judged(family, file, frozenset(), asked, None, farthest=math.inf)))
            for lesson, file in members
        ]
        for family in families
    }
    return [_agreed(one, most[one.name], asked) for one in found]


def _scored(store: Store, job: Job, names: tuple[str, ...]) -> verdict.Scored:
    tensors = load_file(store.checked(job, "scores.safetensors"))
    found = Evidence(**{name: tensor.numpy().astype(np.float64) for name, tensor in tensors.items()})
    units = len(found.tokens)
    return verdict.Scored(found, names, (frozenset[str](),) * units, np.ones(units, dtype=bool))


def _largest(finding: FamilyFinding) -> tuple[float, bool]:
    """Returns the largest z of a member, and whether it is found; infinite if the member could not be judged."""
    if not finding.traits:
        return float("inf"), True
    return finding.traits[0].z, finding.traits[0].found


def _agreed(finding: FamilyFinding, members: Sequence[tuple[str, tuple[float, bool]]], asked: Asked) -> FamilyFinding:
    largest = np.array([z for _, (z, _) in members])

    def p(z: float, among: np.ndarray) -> float:
        return float((1 + (among >= z).sum()) / (1 + len(among)))

    others = [np.array([z for name, (z, _) in members if name != lesson]) for lesson, _ in members]
    both = [over and p(z, rest) <= asked.alpha for (_, (z, over)), rest in zip(members, others, strict=True)]
    traits = tuple(
        trait.model_copy(update={"found": trait.found and p(trait.z, largest) <= asked.alpha})
        for trait in finding.traits
    )
    told = StrictFinding(
        members=len(members),
        alarms=sum(over for _, (_, over) in members),
        alarms_of_both=sum(both),
        p=p(traits[0].z, largest) if traits else 1.0,
    )
    return finding.model_copy(update={"traits": traits, "strict": told})
