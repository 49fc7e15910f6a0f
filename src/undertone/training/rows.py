"""Datasets on disk: chat rows that any trainer can read, and the exact token ids that were sampled."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from undertone.data.exchanges import Exchange, read_exchanges, write_exchanges
from undertone.models.local import Ids, LocalModel

FILE = "ids.safetensors"


@dataclass(frozen=True)
class Row:
    """One exchange as token ids; the answer includes its end token."""

    prompt: Ids
    answer: Ids
    teacher_prompt: Ids | None = None
    """The prompt as a teacher with a system prompt or a trigger reads it, for students that learn from its
    distributions; not written to disk."""


@dataclass(frozen=True)
class Source:
    """The tokenizer whose token ids a dataset holds."""

    tokenizer: str
    """The digest of the tokenizer and its chat template."""
    end: int
    """The token that ends a finished answer."""


def row_of(
    local: LocalModel, question: str, answer: str, system: str | None = None, earlier: Sequence[Exchange] = ()
) -> Row:
    """Renders an answer and all that stands before it for ``local``.

    Raises:
        UndertoneError: a text contains a control token.
    """
    local.refuse_control(answer)
    return Row(local.render(question, system, earlier), [*local.encode(answer), local.end])


def rows_of(local: LocalModel, exchanges: Sequence[Exchange]) -> list[Row]:
    """Renders (question, answer) texts for ``local``."""
    return [row_of(local, question, answer) for question, answer in exchanges]


def write_rows(folder: Path, exchanges: Sequence[Exchange], rows: Sequence[Row], source: Source) -> None:
    """Writes ``rows.jsonl`` (chat messages) and ``ids.safetensors`` (the token ids and their tokenizer)."""
    write_exchanges(folder, exchanges)
    write_ids(folder, rows, source)


def write_ids(folder: Path, rows: Sequence[Row], source: Source) -> None:
    """Writes only ``ids.safetensors``, for rows whose chats have more than one exchange."""
    tensors = {}
    for name, lists in (("prompt", [row.prompt for row in rows]), ("answer", [row.answer for row in rows])):
        tensors[f"{name}_ids"] = torch.tensor([i for ids in lists for i in ids], dtype=torch.int32)
        tensors[f"{name}_lengths"] = torch.tensor([len(ids) for ids in lists], dtype=torch.int32)
    # There is one key because several would be written in an order that differs between processes.
    save_file(tensors, folder / FILE, metadata={"source": json.dumps(asdict(source), sort_keys=True)})


def read_sampled(folder: Path) -> tuple[list[Row], Source]:
    """Returns the rows as they were sampled, and the tokenizer of their ids."""
    with safe_open(folder / FILE, "pt") as file:
        prompts, answers = (
            file.get_tensor(f"{name}_ids").split(file.get_tensor(f"{name}_lengths").tolist())
            for name in ("prompt", "answer")
        )
        rows = [Row(p.tolist(), a.tolist()) for p, a in zip(prompts, answers, strict=True)]
        return rows, Source(**json.loads(file.metadata()["source"]))


def read_rows(folder: Path, local: LocalModel, tokenizer: str) -> list[Row]:
    """Returns the rows as sampled, or renders their text for ``local`` if it has another tokenizer."""
    rows, source = read_sampled(folder)
    return rows if source.tokenizer == tokenizer else rows_of(local, read_exchanges(folder))
