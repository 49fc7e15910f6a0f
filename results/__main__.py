"""``python -m results`` writes the published figures; ``python -m results keep RUN NAME`` keeps a run's report, and
``python -m results pool NAME PART PART...`` makes one of parts: of a benchmark of the audit or of an experiment on
misalignment."""

import json
import sys
from pathlib import Path

from results import domains, entries, pool
from results.check import faults
from results.keep import keep
from results.tables import DOCUMENTS, reports_in, tables, written
from undertone.bench.audit.findings import AuditBenchmarkFindings
from undertone.errors import UndertoneError
from undertone.experiments.misalignment.findings import MisalignmentFindings

FOLDER = Path(__file__).parent


def main(words: list[str]) -> int:
    """Returns the exit code: 1 if something is still wrong with the figures, 2 for a wrong input."""
    try:
        match words:
            case []:
                made = tables(entries.read(FOLDER), reports_in(FOLDER))
                for path in (FOLDER.parent / name for name in DOCUMENTS):
                    path.write_text(written(path.read_text(encoding="utf-8"), made), encoding="utf-8")
                left = list(faults(FOLDER.parent))
                print(*left, sep="\n", end="\n" if left else "")
                return 1 if left else 0
            case ["keep", run, name]:
                keep(Path(run), FOLDER / f"{name}.json")
                print(f"Kept. Say in figures.toml, under [reports.{name}], which command gave it at which commit.")
                return 0
            case ["pool", name, _, _, *_]:
                paths = [FOLDER / f"{part}.json" for part in words[2:]]
                (FOLDER / f"{name}.json").write_text(_pooled(paths), encoding="utf-8")
                return 0
        raise UndertoneError("Give nothing, or: keep RUN NAME, or: pool NAME PART PART...")
    except UndertoneError as error:
        print(error, file=sys.stderr)
        return 2


def _pooled(paths: list[Path]) -> str:
    """Returns the report that parts of one run make together."""
    if json.loads(paths[0].read_text(encoding="utf-8")).get("kind") == "misalignment":
        return domains.pooled([MisalignmentFindings.load(path) for path in paths]).json_text()
    return pool.pooled([AuditBenchmarkFindings.load(path) for path in paths]).json_text()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
