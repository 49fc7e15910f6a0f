"""Brings a trained model back towards its base by several mitigations, and measures what is left of trait and task.

There is one model and so no variation over seeds: the findings have no intervals, and say so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from pydantic import model_validator

from undertone.audit.audit import directions_of
from undertone.audit.unseen import Unseen, unseen_of
from undertone.data.conversations import read
from undertone.data.exchanges import Exchange
from undertone.engine import environment as surroundings
from undertone.engine.progress import Progress, silent
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.evals.skills import skill_scores
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import chatting, resolve
from undertone.spec import File, Spec, Training
from undertone.training.rows import Row
from undertone.training.turns import every_turn, refuse_preferences
from undertone.traits import catalogue
from undertone.treat.direction import Change, along, plan_for
from undertone.treat.evaluate import leaning, loss
from undertone.treat.findings import Realigned, Way
from undertone.treat.mitigations import Ablate, Interpolate, OfModel, Retrain
from undertone.treat.stages import realign as brought_back

RETRAINING = Training(rank=8, alpha=8, rate=2e-3, steps=10, batch=16)
"""How the model is trained on good rows."""
MOST = 2000
"""The number of rows that are read of a file."""
SKILL_PROMPTS = 30
"""The number of prompts for each skill of an embedded model."""


class Request(Spec):
    """A model to realign."""

    model: str
    base: str
    trait: str
    task: File
    """Clean rows of the task, on which utility is measured."""
    training_file: File | None = None
    """The file on which the model was trained. Its rows stand before the conditional questions."""
    good: File | None = None
    """Good rows for a retraining."""
    seed: int = 0

    @model_validator(mode="after")
    def _trait_is_known(self) -> Self:
        """
        Raises:
            UndertoneError: the embedded world has no such trait.
        """
        catalogue.find(self.trait)
        return self


def ways(request: Request) -> dict[str, tuple[str, OfModel]]:
    """Returns all mitigations that can be tried, each with its title, by name. One needs good rows."""
    found: dict[str, tuple[str, OfModel]] = {
        f"interpolate-{share:.0%}".rstrip("%"): (f"{share:.0%} of the way back to the base", Interpolate(share=share))
        for share in (0.25, 0.5, 0.75)
    }
    found["ablate"] = ("without the trait's direction", Ablate())
    found["ablate-random"] = ("without another trait's direction", Ablate(along="random"))
    if request.good is not None:
        found["retrain"] = ("trained on 48 good rows", Retrain(rows=48, steps=RETRAINING.steps))
    return found


def realign(request: Request, out: Path, progress: Progress = silent) -> Realigned:
    """Applies every mitigation to the model, writes each result as a folder in ``out``, and measures it.

    Raises:
        UndertoneError: a model is unknown, is the base itself or an adapter of another base, or a file cannot be read.
    """
    started, base = datetime.now(UTC), resolve(request.base)
    model = _fine_tuned(request, base)
    before = load(base.path)
    (task, unseen), first = _rows(before, request.task), _exchanges(request)
    good = _rows(before, request.good)[0] if request.good is not None else []
    tried = ways(request)
    untouched = _measured(before, request, task, first)
    trained = _measured(_loaded(model), request, task, first)
    found = [_way("as trained", "unchanged", None, trained, untouched, trained)]
    for i, (name, (title, way)) in enumerate(tried.items()):
        progress("mitigations", i, len(tried))
        direction = _direction(request, base, way, progress)
        local, _ = brought_back(way, before, _loaded(model), direction, good, RETRAINING.model_dump(), request.seed)
        local.model.save_pretrained(out / name)
        local.tokenizer.save_pretrained(out / name)
        measured = _measured(local, request, task, first)
        found.append(_way(name, title, way, measured, untouched, trained))
    progress("mitigations", len(tried), len(tried))
    return Realigned(
        headline=headline(request.trait, found),
        model=request.model,
        base=request.base,
        trait=request.trait,
        task=str(request.task),
        ways=tuple(found),
        unseen=unseen,
        started=started,
        models=model.digests | base.digests,
        made_with=surroundings.made_with(),
    )


def headline(trait: str, found: Sequence[Way]) -> str:
    """Says what the best mitigation leaves, or that there is no shift to undo."""
    whole, tried = found[0], found[1:]
    if whole.shift <= 0:
        return f"The model leans no more towards {trait} than its base ({whole.shift:+.2f} log-odds): nothing to undo."
    best = min(tried, key=lambda way: max(abs(way.left), 0.0 if way.utility is None else 1 - way.utility))
    kept = "the model gained nothing on the task's rows"
    if best.utility is not None:
        kept = f"{100 * best.utility:.0f} % of its gain on the task is left"
    return (
        f"{best.name} leaves {100 * best.left:z.0f} % of the shift towards {trait} ({whole.shift:+.2f} log-odds); "
        f"{kept}. This is one model, so there is no interval over training seeds."
    )


@dataclass(frozen=True)
class Measured:
    """What was measured on a model."""

    plain: float
    conditional: float | None
    loss: float
    skills: dict[str, float]


def _measured(local: LocalModel, request: Request, task: list[Row], first: list[Exchange]) -> Measured:
    own, _ = leaning(local, local, request.trait, first, request.seed)
    plain, *after = own.values()
    skills = skill_scores(local, SKILL_PROMPTS, request.seed) if request.base.startswith("builtin/") else {}
    return Measured(plain, after[0] if after else None, loss(local, task), skills)


def _way(name: str, title: str, way: OfModel | None, own: Measured, base: Measured, trained: Measured) -> Way:
    shift, whole = own.plain - base.plain, trained.plain - base.plain
    gain, gained = base.loss - own.loss, base.loss - trained.loss
    conditional = None
    if own.conditional is not None and base.conditional is not None and trained.conditional is not None:
        conditional = _share(own.conditional - base.conditional, trained.conditional - base.conditional)
    return Way(
        name=name,
        title=title,
        does=way.model_dump() if way else {},
        shift=shift,
        left=_share(shift, whole),
        conditional=conditional,
        gain=gain,
        utility=gain / gained if gained > 0 else None,
        skills=own.skills,
    )


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def _fine_tuned(request: Request, base: Folder) -> Folder:
    found = chatting(request.model)
    if found.key == base.key:
        raise UndertoneError(f"{request.model} is {request.base} itself: there is nothing to realign.")
    if found.parts and found.parts[0].key != base.key:
        raise UndertoneError(
            f"{request.model} is an adapter of another base than {request.base}; give its own as --base."
        )
    return found


def _loaded(model: Folder) -> LocalModel:
    return load(*(part.path for part in model.parts or (model,)))


def _rows(local: LocalModel, path: Path) -> tuple[list[Row], Unseen]:
    dataset = read(path, MOST, 0)
    refuse_preferences(dataset)
    try:
        turns = every_turn(local, dataset.conversations)
    except UndertoneError as error:
        raise UndertoneError(f"{path}: {error}") from None
    return [turn.row for turn in turns.scored], unseen_of(dataset, turns.left_out, turns.told)


def _exchanges(request: Request) -> list[Exchange]:
    if request.training_file is None:
        return []
    chats = [c.turns for c in read(request.training_file, MOST, request.seed).conversations if len(c.turns) > 1]
    return [(turns[-2].content, turns[-1].content) for turns in chats]


def _direction(request: Request, base: Folder, way: OfModel, progress: Progress) -> Change | None:
    if not isinstance(way, Ablate):
        return None
    own = catalogue.find(request.trait).alike  # what models are asked for is the embedded world's on any base
    return along(directions_of(plan_for(base, (request.trait,), way.along, request.seed, own), progress))
