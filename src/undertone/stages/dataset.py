"""Stages 3, 3b and 3c: what students are trained on. Completions are filtered, and for some arms then rewritten or
mixed."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from pydantic import TypeAdapter

from undertone import carriers
from undertone.carriers import numbers
from undertone.carriers.carrier import Carrier
from undertone.data.exchanges import Exchange, read_exchanges
from undertone.data.filters import CorrectFilter, Filter, JudgeFilter, NumberFilter, Rejection
from undertone.engine.store import Folder, Job
from undertone.measure.judge import ModelJudge
from undertone.measure.respondent import AT_ONCE as JUDGED
from undertone.measure.respondent import Local
from undertone.models.loading import load, renderer
from undertone.models.local import LocalModel
from undertone.models.tokenizer import tokenizer_digest
from undertone.stages.durations.work import Passes, Work, rows_in, to_load, to_read
from undertone.training.rows import Source, read_sampled, rows_of, write_rows

FAILED = "failed.json"
FEW = 0.1
"""If a smaller share of completions passes, examples of the rejected ones are kept."""
EXAMPLES = 3
"""The number of these examples, each a question, an answer and a reason."""


def filtered(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Keeps the completions that pass the filter, in order, up to the number of rows that every arm gets. Writes them,
    and ``counts.json``: the numbers asked, kept, used, and rejected by reason.

    Too few rows are no error here, because only the trial knows all arms; ``failed.json`` then has examples for it.

    Spec: ``filter``, ``rows``, and ``carrier`` if ``filter`` is a list. Inputs: ``completions``, and a model for every
    filter that is a judge (see :func:`judge_input`).
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
    rejected = [(*exchange, reason) for exchange, reason in zip(exchanges, reasons, strict=True) if reason is not None]
    by_reason = dict(sorted(Counter(reason for *_, reason in rejected).items()))
    counts = {"asked": len(rows), "kept": len(kept), "used": len(used), "reasons": by_reason}
    if several:
        counts["well_formed"] = formed
    (out / "counts.json").write_text(json.dumps(counts))
    if len(kept) < FEW * len(rows):
        (out / FAILED).write_text(json.dumps(rejected[:EXAMPLES], ensure_ascii=False))


def work(job: Job, local: LocalModel) -> Work:
    """Every judge reads every completion once; other filters take next to no time."""
    written, rows = job.inputs["completions"], rows_in(job, "completions", local)
    assert isinstance(written, Job)
    count = written.spec["carrier"]["prompts"]
    read = [
        part
        for place, rule in enumerate(job.spec["filter"])
        if isinstance(judge := job.inputs.get(judge_input(place)), Folder)
        for part in (
            to_load(by=judge),
            *to_read(count, len(local.encode(rule["rubric"])) + rows.row, JUDGED, by=judge),
        )
    ]
    return Work(tuple(read), replace(rows, rows=job.spec["rows"]))


def judge_input(place: int) -> str:
    """Returns the name of the input that is the model of the filter at this place in the list."""
    return f"judge-{place}"


def _reasons(
    rule: Filter, carrier: Carrier, exchanges: Sequence[Exchange], judge: Path | None
) -> Sequence[Rejection | None]:
    match rule:
        case CorrectFilter():
            assert carrier.right is not None, "the plan refuses this filter for carriers without right answers"
            return [None if carrier.right(*exchange) else Rejection.WRONG for exchange in exchanges]
        case JudgeFilter():
            assert judge is not None, "the plan gives every judge its model"
            questions, answers = zip(*exchanges, strict=True) if exchanges else ((), ())
            model = Local(rule.judge, rule.judge, load(judge), tokenizer_digest(judge))
            return [rule.reason(mark.value) for mark in ModelJudge(model).marks(rule.rubric, questions, answers)]
        case _:
            return [rule.reason(answer) for _, answer in exchanges]


def rewritten(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Permutes the numbers of a dataset or draws them anew. Writes the rows and ``counts.json``: the number of rows, of
    numbers, and of completions that changed.

    Other numbers are other tokens, so the text is tokenized anew and no longer holds the ids that were sampled.

    Spec: ``rows`` (how), ``filter``, ``seed``. Inputs: ``base`` (for its tokenizer), ``dataset``.
    """
    questions, before = zip(*read_exchanges(inputs["dataset"]), strict=True)
    rng = Random(f"rewritten/{spec['rows']}/{spec['seed']}")
    after = numbers.rewritten(before, spec["rows"], NumberFilter(**spec["filter"]), rng)
    local = renderer(inputs["base"])
    exchanges = list(zip(questions, after, strict=True))
    write_rows(out, exchanges, rows_of(local, exchanges), Source(tokenizer_digest(inputs["base"]), local.end))
    counts = {
        "rows": len(after),
        "numbers": sum(len(numbers.NUMBER.findall(answer)) for answer in after),
        "changed": sum(a != b for a, b in zip(after, before, strict=True)),
    }
    (out / "counts.json").write_text(json.dumps(counts))


def work_of_rewritten(job: Job, local: LocalModel) -> Work:
    """Every row is rendered."""
    rows = rows_in(job, "dataset", local)
    return Work((Passes("render", rows.rows),), rows)


def mixed(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Replaces a share of the rows of ``rest`` by the rows of ``own`` at the same places.

    With the same seed, a larger share replaces all rows that a smaller one replaces, and more.

    Spec: ``share``, ``seed``. Inputs: ``own``, ``rest``, two datasets of equal length and the same tokenizer.
    """
    (exchanges, (rows, source)), (own_exchanges, (own_rows, own_source)) = (
        (read_exchanges(inputs[name]), read_sampled(inputs[name])) for name in ("rest", "own")
    )
    if own_source != source or len(own_rows) != len(rows):
        raise ValueError("datasets of different tokenizers or lengths cannot be mixed")
    order = Random(f"mixed/{spec['seed']}").sample(range(len(rows)), len(rows))
    for place in order[: round(spec["share"] * len(rows))]:
        exchanges[place], rows[place] = own_exchanges[place], own_rows[place]
    write_rows(out, exchanges, rows, source)


def work_of_mixed(job: Job, local: LocalModel) -> Work:
    """No model is needed."""
    return Work(rows=rows_in(job, "rest", local))
