"""Rates of a model that are given instead of timed: those of the embedded bases on one quiet core."""

from tests.helpers import tiny
from undertone.engine.store import Folder
from undertone.stages.durations.rates import Rate, Rates
from undertone.stages.durations.work import Passes

USUAL = {
    "load": Rate(0.05),
    "attach": Rate(0.017),
    "train": Rate(0.010, 3.3e-5),
    "differentiate": Rate(0.005, 3e-5),
    "score": Rate(0.001, 1e-5),
    "sample": Rate(0.001, 3.5e-5),
    "pull": Rate(0.006, 3.9e-5),
    "render": Rate(1e-4),
}


class Usual(Rates):
    """A tiny model of the embedded world that is said to be as fast as its bases."""

    def __init__(self, base: Folder, threads: int = 1) -> None:
        super().__init__(tiny.model(), USUAL["load"].call)

    def _timed(self, part: Passes) -> Rate:
        return USUAL[part.way]
