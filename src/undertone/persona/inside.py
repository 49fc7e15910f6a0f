"""The command ``undertone persona``: a look inside one model."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime

from undertone.engine.environment import made_with
from undertone.engine.progress import Progress, silent
from undertone.models.loading import load
from undertone.models.names import resolve
from undertone.models.tokenizer import of_the_world, refuse_strangers
from undertone.persona.directions import CONVENTION, POSITIONS, Position
from undertone.persona.findings import Other, PersonaFindings
from undertone.persona.look import Look, usual
from undertone.persona.nulls import cosines
from undertone.persona.request import Request
from undertone.persona.words import sentence
from undertone.statistics.arrays import Floats


def inside(request: Request, progress: Progress = silent) -> PersonaFindings:
    """Looks inside a model.

    Raises:
        UndertoneError: a model or a trait is unknown, the model has another tokenizer or shape than the base, or its
            blocks cannot be found.
    """
    started, clock = datetime.now(UTC), time.perf_counter()
    base, model = (resolve(name, request.chat_template) for name in (request.base, request.model))
    refuse_strangers(request.base, {request.base: base.path, request.model: model.path})
    world = of_the_world(base.path)
    asked = request.traits or (usual(world),)
    look = Look.of(base.key, load(base.path), world, asked, request.construction, progress)
    change = look.change(load(model.path), progress)
    traits = look.findings(change)
    return PersonaFindings(
        headline=" ".join(map(sentence, traits)),
        model=request.model,
        base=request.base,
        models=base.digests | model.digests,
        convention=CONVENTION,
        questions=len(look.prompts),
        traits=traits,
        others=others(look, change),
        started=started,
        wall_s=time.perf_counter() - clock,
        made_with=made_with(),
    )


def others(look: Look, change: Mapping[Position, Floats]) -> tuple[Other, ...]:
    """Returns the traits that were not asked for, the one that the middle block moved to most first."""
    found = {
        name: float(cosine)
        for along in look.along.values()
        for name, cosine in zip(
            along.names,
            cosines(along.vectors[:, look.middle], change[POSITIONS[along.construction]][look.middle]),
            strict=True,
        )
        if name not in look.along
    }
    return tuple(Other(name=name, cosine=found[name]) for name in sorted(found, key=lambda name: -found[name]))
