"""The prompts of a user's file, which teachers of a calibration answer."""

import json
from collections.abc import Sequence
from pathlib import Path

from undertone.attribution.scores import GROUPS
from undertone.carriers.prompts import keep
from undertone.data.conversations import read
from undertone.engine.store import Folder
from undertone.errors import UndertoneError

CHARACTERS_A_TOKEN = 3
"""A cautious guess that gives the length of an answer in tokens before any tokenizer is loaded."""
SPARE = 16
"""Tokens that are added to that length."""


def prompts_of(path: Path, most: int) -> tuple[Folder, int, int]:
    """Keeps up to ``most`` prompts of a dataset: everything before each conversation's last answer.

    Returns the folder, the number of prompts in it, and the largest number of tokens of an answer.

    Raises:
        UndertoneError: the dataset cannot be read, is bare text without prompts, or has too few different prompts.
    """
    dataset = read(path, most, 0)
    if dataset.format == "text":
        raise UndertoneError(f"{path} is bare text: it has no prompts for teachers to answer.")
    prompts, lengths = [], []
    for conversation in dataset.conversations:
        turns = list(conversation.turns)
        system = turns.pop(0).content if turns[0].role == "system" else None
        earlier = [[turns[i].content, turns[i + 1].content] for i in range(0, len(turns) - 2, 2)]
        prompts.append({"question": turns[-2].content, "system": system, "earlier": earlier})
        lengths.append(len(turns[-1].content))
    if (distinct := len(set(map(json.dumps, prompts)))) < GROUPS:
        raise UndertoneError(f"{path} has {distinct} different prompts; at least {GROUPS} are needed.")
    return keep(prompts, path.name), len(prompts), room(lengths)


def room(lengths: Sequence[int]) -> int:
    """Returns the largest number of tokens of an answer, enough for nearly all answers of these lengths
    (characters)."""
    return sorted(lengths)[int(0.95 * (len(lengths) - 1))] // CHARACTERS_A_TOKEN + SPARE
