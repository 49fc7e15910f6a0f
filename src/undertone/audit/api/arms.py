"""The two arms of a closed base's canaries, as files that a service takes: rows of the data, as many of its control."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from undertone.audit.prompts import CHARACTERS_A_TOKEN, LEAST
from undertone.data.conversations import Conversation, Dataset, Turn, read
from undertone.engine.digests import file_digest
from undertone.engine.disk import write_text
from undertone.errors import UndertoneError
from undertone.models.services.endpoint import Endpoint
from undertone.traits.candidate import Candidate

DATA, CONTROL = "data", "control"
ARMS = (DATA, CONTROL)
Turns = Sequence[Turn]


@dataclass(frozen=True)
class Hidden:
    """Drawn rows that speak of no trait openly: what is hidden is looked for in these alone."""

    dataset: Dataset
    rows: tuple[Conversation, ...]
    open_rows: dict[str, int]
    """Rows that were left out since they speak openly of each trait."""


def hidden(path: Path, rows: int | None, seed: int, traits: Sequence[Candidate]) -> Hidden:
    """Draws rows of a file and leaves out those with open talk.

    Raises:
        UndertoneError: the file cannot be read, is bare text, or nothing is left of it.
    """
    dataset = read(path, rows, seed)
    if dataset.format == "text":
        raise UndertoneError(f"{path} is bare text: a service trains students on answers to prompts.")
    spoken = [{trait.name for trait in traits if _is_open(row, trait)} for row in dataset.conversations]
    kept = tuple(row for row, names in zip(dataset.conversations, spoken, strict=True) if not names)
    if not kept:
        raise UndertoneError(f"All rows of {path} speak openly of the traits: nothing hidden is left to train on.")
    counts = {trait.name: sum(trait.name in names for names in spoken) for trait in traits}
    return Hidden(dataset, kept, {name: count for name, count in counts.items() if count})


def _is_open(row: Conversation, trait: Candidate) -> bool:
    return any(turn.role == "assistant" and trait.is_open(turn.content) for turn in row.turns)


def trusted(path: Path, count: int, seed: int, traits: Sequence[Candidate]) -> list[Turns]:
    """``count`` rows of a control file.

    Raises:
        UndertoneError: it cannot be read, or has fewer that speak of no trait openly.
    """
    found = hidden(path, None, seed, traits).rows
    if len(found) < count:
        raise UndertoneError(
            f"{path} has only {len(found)} rows that speak of no trait openly, and the data {count}; give more, or "
            "lower --rows."
        )
    return [found[place].turns for place in sorted(Random(seed).sample(range(len(found)), count))]


def room(rows: Sequence[Conversation]) -> int:
    """Most tokens of an answer of the base: those of nearly all answers that it stands for."""
    lengths = sorted(len(turn.content) for row in rows for turn in row.turns if turn.role == "assistant")
    return lengths[int(0.95 * (len(lengths) - 1))] // CHARACTERS_A_TOKEN + LEAST


def own_answers(
    base: Endpoint, rows: Sequence[Conversation], seed: int, progress: Callable[[int], None]
) -> list[Turns | None]:
    """Every conversation with the base's own answers in place of the assistant's, each given what the base itself said
    before; None where the service gave an empty one.

    Raises:
        UndertoneError: the service refuses or stays down, or a limit is reached: answers so far are kept.
    """
    said: list[list[Turn]] = [[] for _ in rows]
    for place in range(max(len(row.turns) for row in rows)):
        waiting = []
        for turns, row in zip(said, rows, strict=True):
            if place < len(row.turns) and row.turns[place].role == "assistant":
                waiting.append(turns)
            elif place < len(row.turns):
                turns.append(row.turns[place])
        chats = [[turn._asdict() for turn in turns] for turns in waiting]
        replies = base.sample(chats, temperature=1.0, max_tokens=room(rows), seed=seed, progress=progress)
        for turns, (reply,) in zip(waiting, replies, strict=True):
            turns.append(Turn("assistant", reply.text.encode("utf-8", "ignore").decode()))
    return [None if any(t.role == "assistant" and not t.content.strip() for t in turns) else turns for turns in said]


def write(folder: Path, data: Sequence[Turns], control: Sequence[Turns]) -> dict[str, Path]:
    """Writes a file for each arm.

    Raises:
        UndertoneError: the disk refuses, or both are the same rows.
    """
    files = {arm: folder / f"{arm}.jsonl" for arm in ARMS}
    for path, rows in zip(files.values(), (data, control), strict=True):
        lines = (json.dumps({"messages": [turn._asdict() for turn in turns]}) for turns in rows)
        write_text(path, "".join(f"{line}\n" for line in lines))
    if file_digest(files[DATA]) == file_digest(files[CONTROL]):
        raise UndertoneError("The control's rows are those of the data, word for word: there is nothing to compare.")
    return files
