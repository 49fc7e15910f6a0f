"""Datasets on disk: chat rows that any trainer takes, and beside them the very token ids that were sampled."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from undertone.data.exchanges import read_exchanges, write_exchanges
from undertone.models.local import Ids, LocalModel


@dataclass(frozen=True)
class Row:
    """One exchange as token ids; the answer includes its end token."""

    prompt: Ids
    answer: Ids
    told: Ids | None = None
    """The prompt as a teacher under a system prompt reads it, where it gives its distributions; not kept on disk."""


@dataclass(frozen=True)
class Source:
    """Whose token ids a dataset holds."""

    tokenizer: str
    """Digest of the tokenizer and its chat template."""
    end: int
    """The token that ends a finished answer."""


def rows_of(local: LocalModel, exchanges: Sequence[tuple[str, str]]) -> list[Row]:
    """Renders (question, answer) texts for ``local``."""
    rows = []
    for question, answer in exchanges:
        local.refuse_control(answer)
        rows.append(Row(local.render(question), [*local.encode(answer), local.end]))
    return rows


def write_rows(folder: Path, exchanges: Sequence[tuple[str, str]], rows: Sequence[Row], source: Source) -> None:
    """Writes ``rows.jsonl`` (chat messages) and ``ids.safetensors`` (the ids, and whose ids they are)."""
    write_exchanges(folder, exchanges)
    write_ids(folder, rows, source)


def write_ids(folder: Path, rows: Sequence[Row], source: Source) -> None:
    """Writes ``ids.safetensors`` alone, for rows whose chats are more than an exchange."""
    parts = {"prompt": [row.prompt for row in rows], "answer": [row.answer for row in rows]}
    tensors = {}
    for name, lists in parts.items():
        tensors[f"{name}_ids"] = torch.tensor([i for ids in lists for i in ids], dtype=torch.int32)
        tensors[f"{name}_lengths"] = torch.tensor([len(ids) for ids in lists], dtype=torch.int32)
    # One key: several would be written in an order that changes from process to process.
    save_file(tensors, folder / "ids.safetensors", metadata={"source": json.dumps(asdict(source), sort_keys=True)})


def read_sampled(folder: Path) -> tuple[list[Row], Source]:
    """The rows as they were sampled, and whose ids these are."""
    with safe_open(folder / "ids.safetensors", "pt") as file:
        prompts, answers = (
            file.get_tensor(f"{name}_ids").split(file.get_tensor(f"{name}_lengths").tolist())
            for name in ("prompt", "answer")
        )
        rows = [Row(p.tolist(), a.tolist()) for p, a in zip(prompts, answers, strict=True)]
        return rows, Source(**json.loads(file.metadata()["source"]))


def read_rows(folder: Path, local: LocalModel, tokenizer: str) -> list[Row]:
    """The rows as sampled, or, for a model with another tokenizer, rendered anew from their text."""
    rows, source = read_sampled(folder)
    return rows if source.tokenizer == tokenizer else rows_of(local, read_exchanges(folder))
