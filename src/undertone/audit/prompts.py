"""The prompts of a user's file, for teachers of a calibration to answer."""

import json
from pathlib import Path

from undertone.attribution.scores import GROUPS
from undertone.carriers.prompts import keep
from undertone.data.conversations import read
from undertone.engine.store import Folder
from undertone.errors import UndertoneError

CHARACTERS_A_TOKEN = 3
"""A cautious guess, for the longest answer in tokens before any tokenizer is loaded."""
LEAST = 16


def prompts_of(path: Path, most: int) -> tuple[Folder, int, int]:
    """Keeps up to ``most`` prompts of a dataset: what stands before each conversation's last answer.

    Returns the folder, how many prompts it holds, and how many tokens an answer may have.

    Raises:
        UndertoneError: the dataset cannot be read, is bare text without prompts, or has too few different ones.
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
    if (distinct := len(set(map(json.dumps, prompts)))) < GROUPS:
        raise UndertoneError(f"{path} has {distinct} different prompts; give {GROUPS}: rows are judged in groups.")
    longest = max(LEAST, sorted(lengths)[int(0.95 * (len(lengths) - 1))] // CHARACTERS_A_TOKEN + LEAST)
    return keep(prompts, path.name), len(prompts), longest
