"""Stage 3b, for some arms: a dataset whose numbers changed places or were drawn anew, rendered anew."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from undertone.carriers import numbers
from undertone.data.exchanges import read_exchanges
from undertone.data.filters import NumberFilter
from undertone.models.local import load
from undertone.models.names import tokenizer_digest
from undertone.training.rows import Source, rows_of, write_rows


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``rows`` (how), ``filter``, ``seed``. Inputs: ``base`` (whose tokenizer it is), ``dataset``.

    Writes the rows and ``counts.json``: rows, numbers in them, and how many completions are not what they were. Other
    numbers are other tokens: ids follow from the text, as the tokenizer splits it, not from what was sampled.
    """
    questions, before = zip(*read_exchanges(inputs["dataset"]), strict=True)
    rng = Random(f"rewritten/{spec['rows']}/{spec['seed']}")
    after = numbers.rewritten(before, spec["rows"], NumberFilter(**spec["filter"]), rng)
    local = load(inputs["base"])
    exchanges = list(zip(questions, after, strict=True))
    write_rows(out, exchanges, rows_of(local, exchanges), Source(tokenizer_digest(inputs["base"]), local.end))
    counts = {
        "rows": len(after),
        "numbers": sum(len(numbers.NUMBER.findall(answer)) for answer in after),
        "changed": sum(a != b for a, b in zip(after, before, strict=True)),
    }
    (out / "counts.json").write_text(json.dumps(counts))
