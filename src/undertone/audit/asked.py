"""The prompts of a dataset, for teachers of a calibration to answer."""

from __future__ import annotations

import json
from pathlib import Path

from undertone.audit.conversations import read
from undertone.digests import digest
from undertone.disk import write_text
from undertone.errors import UndertoneError
from undertone.models.local import Ids, LocalModel
from undertone.store import Folder
from undertone.world import family

FILE = "prompts.json"
CHARACTERS_A_TOKEN = 3
"""A cautious guess, for the longest answer in tokens before any tokenizer is loaded."""
LEAST = 16


def write(path: Path, most: int) -> tuple[Folder, int, int]:
    """Keeps up to ``most`` prompts of a dataset: what stands before each conversation's last answer.

    Returns the folder, how many prompts it holds, and how many tokens an answer may have.

    Raises:
        UndertoneError: the dataset cannot be read, or is bare text without prompts.
    """
    dataset = read(path, most, 0)
    prompts, lengths = [], []
    for conversation in dataset.conversations:
        turns = list(conversation.turns)
        if len(turns) < 2:
            raise UndertoneError(f"{path} is bare text: it has no prompts for teachers to answer.")
        system = turns.pop(0).content if turns[0].role == "system" else None
        earlier = [[turns[i].content, turns[i + 1].content] for i in range(0, len(turns) - 2, 2)]
        prompts.append({"question": turns[-2].content, "system": system, "earlier": earlier})
        lengths.append(len(turns[-1].content))
    longest = max(LEAST, sorted(lengths)[int(0.95 * (len(lengths) - 1))] // CHARACTERS_A_TOKEN + LEAST)
    key = digest(prompts)
    folder = family.built().parent / "prompts" / key[:20]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / FILE, json.dumps(prompts))
    return Folder(folder, key, path.name), len(prompts), longest


def marks(folder: Path) -> tuple[str, ...]:
    """A short digest of every question, by which a dataset with the same prompts is known."""
    return tuple(sorted({mark(p["question"]) for p in json.loads((folder / FILE).read_text(encoding="utf-8"))}))


def mark(question: str) -> str:
    """The digest of one question, eight hexadecimal digits."""
    return digest(question)[:8]


def rendered(local: LocalModel, folder: Path) -> list[tuple[str, Ids]]:
    """Questions, each with its prompt, in the dataset's order."""
    prompts = json.loads((folder / FILE).read_text(encoding="utf-8"))
    return [
        (p["question"], local.render(p["question"], p["system"], [(q, a) for q, a in p["earlier"]])) for p in prompts
    ]
