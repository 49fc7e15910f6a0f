"""The figures of a benchmark of mitigations, stored where ``undertone treat`` reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.engine.digests import digest
from undertone.engine.disk import write_text
from undertone.engine.folder import REPORT
from undertone.experiments.mitigations.findings import MitigationFindings
from undertone.treat.benchmarked import Line, Measured, Record, Share, read
from undertone.treat.findings import PLAIN


def record(findings: MitigationFindings, path: Path) -> None:
    """Writes a benchmark's figures in place of its earlier ones; those of other recipes stay."""
    entry = Record(
        title=findings.title,
        digest=digest_of(findings.settings),
        version=findings.made_with["undertone"],
        units=len(findings.units),
        treatments={
            one.name: Line(
                does=one.does,
                word=one.word,
                left=round(one.left[PLAIN].value, 4),
                left_ci=_ends(one.left[PLAIN]),
                utility=round(one.utility.value, 4),
                utility_ci=_ends(one.utility),
            )
            for one in findings.treatments
        },
    )
    kept = Measured(benchmarks=read(path).benchmarks | {findings.recipe: entry})
    write_text(path, kept.model_dump_json(indent=1) + "\n")


def record_run(folder: Path, path: Path) -> None:
    """The same for the finished run in a folder."""
    record(MitigationFindings.load(folder / REPORT), path)


def digest_of(settings: Mapping[str, Any]) -> str:
    """Short digest of a benchmark's settings."""
    return digest(settings)[:16]


def _ends(found: Share) -> tuple[float, float] | None:
    return found.ci and (round(found.ci[0], 4), round(found.ci[1], 4))
