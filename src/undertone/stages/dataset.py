"""Stage 3: the filter. What passes, in order, cut to the number of rows that every arm gets."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from undertone import carriers
from undertone.carriers.carrier import Carrier
from undertone.data.exchanges import Exchange, read_exchanges
from undertone.data.filters import CorrectFilter, Filter, JudgeFilter, Rejection
from undertone.measure.judge import ModelJudge
from undertone.measure.respondent import Local
from undertone.models.local import load
from undertone.models.names import tokenizer_digest
from undertone.training.rows import read_sampled, write_rows

FAILED = "failed.json"
FEW = 0.1
"""Where a smaller share passes, examples of what failed are kept."""
EXAMPLES = 3
"""So many of them, the first: (question, answer, reason)."""


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``filter``, ``rows``; and ``carrier``, where ``filter`` is a list. Input: ``completions``, and a model for
    every filter that is a judge, named by its place in the list.

    Writes the kept rows and ``counts.json``: asked, kept, used, and the rejected by reason. Too few kept rows are no
    error here: the trial decides, once it knows of all arms; ``failed.json`` then shows it some that failed.
    """
    several = isinstance(spec["filter"], list)
    rules = TypeAdapter(tuple[Filter, ...]).validate_python(spec["filter"] if several else [spec["filter"]])
    carrier = carriers.find(spec["carrier"] if several else "numbers")
    exchanges = read_exchanges(inputs["completions"])
    rows, source = read_sampled(inputs["completions"])
    reasons = [
        carrier.fault(*exchange) if row.answer and row.answer[-1] == source.end else "unfinished"
        for exchange, row in zip(exchanges, rows, strict=True)
    ]
    formed = reasons.count(None)
    for place, rule in enumerate(rules):
        left = [i for i, reason in enumerate(reasons) if reason is None]
        found = _reasons(rule, carrier, [exchanges[i] for i in left], inputs.get(judge_input(place)))
        for i, reason in zip(left, found, strict=True):
            reasons[i] = reason
    kept = [i for i, reason in enumerate(reasons) if reason is None]
    used = kept[: spec["rows"]]
    write_rows(out, [exchanges[i] for i in used], [rows[i] for i in used], source)
    counts = {
        "asked": len(rows),
        "kept": len(kept),
        "used": len(used),
        "reasons": dict(sorted(Counter(r for r in reasons if r is not None).items())),
    }
    if several:
        counts["well_formed"] = formed
    (out / "counts.json").write_text(json.dumps(counts))
    if len(kept) < FEW * len(rows):
        failed = [
            (*exchange, reason) for exchange, reason in zip(exchanges, reasons, strict=True) if reason is not None
        ]
        (out / FAILED).write_text(json.dumps(failed[:EXAMPLES], ensure_ascii=False))


def judge_input(place: int) -> str:
    """Name of the input that is the model of the filter at this place of the list."""
    return f"judge-{place}"


def _reasons(
    rule: Filter, carrier: Carrier, exchanges: Sequence[Exchange], judge: Path | None
) -> Sequence[Rejection | None]:
    match rule:
        case CorrectFilter():
            assert carrier.right is not None, "the plan refuses this filter where nothing is right or wrong"
            return [None if carrier.right(*exchange) else Rejection.WRONG for exchange in exchanges]
        case JudgeFilter():
            assert judge is not None, "the plan gives every judge its model"
            questions, answers = zip(*exchanges, strict=True) if exchanges else ((), ())
            model = Local(rule.judge, rule.judge, load(judge), tokenizer_digest(judge))
            scores = ModelJudge(model).marks(rule.rubric, questions, answers)
            return [rule.reason(score) for score in scores]
        case _:
            return [rule.reason(answer) for _, answer in exchanges]
