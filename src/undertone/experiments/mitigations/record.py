"""Stores the figures of a benchmark of mitigations in the file that ``undertone treat`` reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.engine.digests import digest
from undertone.engine.disk import write_text
from undertone.engine.folder import REPORT
from undertone.experiments.mitigations.findings import MitigationFindings
from undertone.report.findings import Interval
from undertone.treat.benchmarked import Line, Measured, Record, Share, read
from undertone.treat.findings import PLAIN


def record(folder: Path, path: Path) -> None:
    """Writes the figures of the finished run in ``folder`` to ``path``. Those of earlier runs of the same recipe are
    replaced; those of other recipes stay."""
    found = MitigationFindings.load(folder / REPORT)
    entry = Record(
        title=found.title,
        digest=digest_of(found.settings),
        version=found.made_with["undertone"],
        units=len(found.units),
        treatments={
            one.name: Line(
                does=one.does,
                word=one.word,
                left=round(one.left[PLAIN].value, 4),
                left_ci=_rounded(one.left[PLAIN]),
                utility=round(one.utility.value, 4),
                utility_ci=_rounded(one.utility),
            )
            for one in found.treatments
        },
    )
    measured = Measured(benchmarks=read(path).benchmarks | {found.recipe: entry})
    write_text(path, measured.model_dump_json(indent=1) + "\n")


def digest_of(settings: Mapping[str, Any]) -> str:
    """Returns a short digest of a benchmark's settings."""
    return digest(settings)[:16]


def _rounded(share: Share) -> Interval | None:
    return share.ci and (round(share.ci[0], 4), round(share.ci[1], 4))
