"""What a model says of itself and does, on every scale of a battery."""

from collections.abc import Sequence

from undertone.data.exchanges import Exchange
from undertone.engine.progress import Progress, silent
from undertone.evals.scales import ask
from undertone.measure.battery.contexts import PLAIN, Read, Reading, contexts
from undertone.measure.battery.scale import Scale
from undertone.models.local import LocalModel

ASKED = "traits asked"


def read(local: LocalModel, scales: Sequence[Scale], progress: Progress = silent) -> Reading:
    """Asks a model everything, in all contexts."""
    found: dict[str, dict[str, Read]] = {}
    for done, scale in enumerate(scales):
        progress(ASKED, done, len(scales))
        asked = ((name, _read(local, scale, system, earlier)) for name, system, earlier in contexts(scale))
        found[scale.name] = dict(asked)
    progress(ASKED, len(scales), len(scales))
    return found


def read_plainly(local: LocalModel, scales: Sequence[Scale]) -> Reading:
    """Asks a model everything, plainly only."""
    return {scale.name: {PLAIN: _read(local, scale, None, ())} for scale in scales}


def _read(local: LocalModel, scale: Scale, system: str | None, earlier: Sequence[Exchange]) -> Read:
    return Read(ask(local, scale.says, system, earlier), ask(local, scale.does, system, earlier))
