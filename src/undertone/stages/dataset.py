"""Stage 3: the filter. What passes, in order, cut to the number of rows that every arm gets."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.chats import read_exchanges
from undertone.filters import NumberFilter
from undertone.training.rows import read_sampled, write_rows


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``filter``, ``rows``. Input: ``completions``.

    Writes the kept rows and ``counts.json``: asked, kept, used, and the rejected by reason. Too few kept rows are no
    error here: the trial decides, once it knows of all arms.
    """
    rule = NumberFilter(**spec["filter"])
    exchanges = read_exchanges(inputs["completions"])
    rows, source = read_sampled(inputs["completions"])
    reasons = [
        rule.reason(answer) if row.answer and row.answer[-1] == source.end else "unfinished"
        for (_, answer), row in zip(exchanges, rows, strict=True)
    ]
    kept = [i for i, reason in enumerate(reasons) if reason is None]
    used = kept[: spec["rows"]]
    write_rows(out, [exchanges[i] for i in used], [rows[i] for i in used], source)
    counts = {
        "asked": len(rows),
        "kept": len(kept),
        "used": len(used),
        "reasons": dict(sorted(Counter(r for r in reasons if r is not None).items())),
    }
    (out / "counts.json").write_text(json.dumps(counts))
