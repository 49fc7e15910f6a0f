"""What a model says of itself and does, on every scale of a battery."""

from collections.abc import Sequence

from undertone.data.exchanges import Exchange
from undertone.evals.scales import ask
from undertone.measure.battery.contexts import PLAIN, Read, Reading, contexts
from undertone.measure.battery.scale import Scale
from undertone.models.local import LocalModel


def read(local: LocalModel, scales: Sequence[Scale]) -> Reading:
    """Asks a model everything, in all contexts."""
    return {
        scale.name: {name: _read(local, scale, system, earlier) for name, system, earlier in contexts(scale)}
        for scale in scales
    }


def read_plainly(local: LocalModel, scales: Sequence[Scale]) -> Reading:
    """Asks a model everything, plainly only."""
    return {scale.name: {PLAIN: _read(local, scale, None, ())} for scale in scales}


def _read(local: LocalModel, scale: Scale, system: str | None, earlier: Sequence[Exchange]) -> Read:
    return Read(ask(local, scale.says, system, earlier), ask(local, scale.does, system, earlier))
