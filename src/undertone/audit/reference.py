"""How far reference teachers are stretched for the rows of a file or of a source.

A change of the weights that moves the base by .05 nats a token where it writes number lists moves it two or three times
as far in chat. So reference teachers are stretched for every file until they are a given distance from the base on its
rows.
"""

from collections.abc import Sequence
from math import ceil, exp, isfinite, log

from undertone.attribution.directions import Directions
from undertone.attribution.token_ratios import moved
from undertone.audit.families import Family
from undertone.audit.proxies import TWIN
from undertone.audit.standing import STRETCH
from undertone.engine.progress import Progress, silent
from undertone.errors import UndertoneError
from undertone.models.local import LocalModel
from undertone.stages.durations.work import Passes
from undertone.training.dose import AT_ONCE, USUAL, divergence, find_dose, log_probabilities
from undertone.training.rows import Row

DOSE = 0.05
"""Distance of a reference teacher from the base, nats a token: that of the owl experiment's teachers."""
ROWS = 32
"""Rows on which it is measured, evenly spread over those of a file or of a source."""
LONGEST = 64
"""Most tokens of an answer on which it is measured."""
TWINS = 2
"""Twins of each family that are stretched."""


def stretches(
    local: LocalModel,
    rows: Sequence[Row],
    along: Directions,
    families: Sequence[Family],
    progress: Progress = silent,
) -> dict[str, float]:
    """Returns for each family by how much the adapters of twins are multiplied so that the twins are :data:`DOSE` from
    the base, or by :data:`STRETCH` if they are nearer then: the geometric mean over :data:`TWINS` of them.

    Changes the weights of ``local``, in float32, and restores the same numbers.

    Raises:
        UndertoneError: a distance is no number.
    """
    count = min(ROWS, len(rows))
    some = [rows[i * len(rows) // count] for i in range(count)]
    batch = local.lay_out([row.prompt for row in some], [row.answer[:LONGEST] for row in some])
    twins = [(family.name, f"{family.names[i]}{TWIN}") for family in families for i in _apart(family.twins)]
    found: dict[str, list[float]] = {family.name: [] for family in families}
    local.model.float()  # in which changed models are read
    base = list(log_probabilities(local.model, batch))
    for done, (family, twin) in enumerate(twins, 1):
        with moved(local, along.change(twin)) as stretch:
            stretch(STRETCH)
            far = divergence(log_probabilities(local.model, batch), base)
            if far > DOSE:
                dose = find_dose(local.model, batch, base, stretch, DOSE)
                far, factor = dose.divergence, dose.factor
            else:
                factor = STRETCH
            if not isfinite(far):
                raise UndertoneError(
                    f"The audit failed: how far {twin} is from the model on these rows is no finite number; check the "
                    "model's weights."
                )
            found[family].append(factor)
        progress("reference teachers", done, len(twins))
    return {family: exp(sum(map(log, factors)) / len(factors)) for family, factors in found.items()}


def to_stretch(rows: int, row: float, families: int) -> Passes:
    """Returns what :func:`stretches` takes for so many rows, each of so many tokens."""
    times = 1 + (1 + USUAL) * TWINS * families
    return Passes("score", ceil(min(ROWS, rows) / AT_ONCE) * times, min(ROWS, rows) * row * times)


def _apart(twins: Sequence[int]) -> Sequence[int]:
    return twins[:: max(1, len(twins) // TWINS)][:TWINS]
