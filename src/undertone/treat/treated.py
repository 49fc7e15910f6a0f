"""A stage: a dataset, treated."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undertone.chats import FILE, read_exchanges, write_chats
from undertone.datafile.conversations import Conversation, Turn
from undertone.models.names import tokenizer_digest
from undertone.training.rows import Source, read_sampled, write_ids
from undertone.traits.lessons import TRAITS
from undertone.treat.base import Base
from undertone.treat.chatting import CHATS, chats
from undertone.treat.transform import treat
from undertone.treat.treatments import ADAPTER, Dilute, OfData


def run(spec: dict[str, Any], inputs: Mapping[str, Path], out: Path) -> None:
    """Spec: ``treatment``, ``traits``, ``seed``. Inputs: ``base``, ``dataset``; ``calibration`` and ``other`` where the
    treatment needs them. Writes the rows and ``counts.json``: what became of them. Rows that were left alone keep the
    very ids that were sampled."""
    base = Base(inputs["base"], inputs.get("calibration"), tuple(spec["traits"]), inputs.get("other"))
    treatment = ADAPTER.validate_python(spec["treatment"])
    rows = [
        Conversation(i, (Turn("user", question), Turn("assistant", answer)))
        for i, (question, answer) in enumerate(read_exchanges(inputs["dataset"]))
    ]
    found = treat(treatment, rows, base, _asked(treatment, spec), spec["seed"])
    sampled, _ = read_sampled(inputs["dataset"])
    ids = [base.turns([row.now])[-1].row if row.changed else sampled[row.now.line] for row in found.rows]
    write_chats(out / FILE, (row.now.turns for row in found.rows))
    write_ids(out, ids, Source(tokenizer_digest(inputs["base"]), base.local.end))
    (out / "counts.json").write_text(json.dumps(found.counts))


def _asked(treatment: OfData, spec: Mapping[str, Any]) -> list[Conversation]:
    if not isinstance(treatment, Dilute) or treatment.prompts == "file":
        return []
    return chats(CHATS, spec["seed"], TRAITS[spec["traits"][0]] if treatment.prompts == "kin" else None)
