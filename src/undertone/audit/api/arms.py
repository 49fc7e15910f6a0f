"""The two arms of an audit with a service's students, as files: rows of the data, and of its control."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from undertone.audit.api.request import Request
from undertone.data.conversations import Conversation, Dataset, Turn, read
from undertone.engine.digests import file_digest
from undertone.engine.disk import write_text
from undertone.errors import UndertoneError
from undertone.models.services.endpoint import Endpoint
from undertone.traits.candidate import Candidate

DATA, CONTROL = "data", "control"
ARMS = (DATA, CONTROL)
CHARACTERS_A_TOKEN = 3
"""A cautious guess that gives the length of an answer in tokens without a tokenizer."""
SPARE = 16
"""Tokens that are added to that length."""
Turns = Sequence[Turn]


@dataclass(frozen=True)
class Usable:
    """Sampled rows that mention no trait openly."""

    dataset: Dataset
    rows: tuple[Conversation, ...]
    open_rows: dict[str, int]
    """For each trait that rows mention, how many rows were left out because of it."""


def usable(path: Path, rows: int | None, request: Request, traits: Sequence[Candidate]) -> Usable:
    """Samples rows of a file and leaves out those that mention a trait openly.

    Raises:
        UndertoneError: the file cannot be read, is bare text, holds preferences, has reasoning, or has no row that
            mentions no trait.
    """
    dataset = read(path, rows, request.seed, form=request.form)
    if dataset.form.is_bare:
        raise UndertoneError(f"{path} is bare text: a service trains students on answers to prompts.")
    if dataset.form.prefers:
        raise UndertoneError(f"{path} holds preferences: a service trains students on answers; give the chosen ones.")
    thought = next((row.line for row in dataset.conversations if any(turn.reasoning for turn in row.turns)), None)
    if thought is not None:
        raise UndertoneError(
            f"{path} has reasoning beside an answer (line {thought}), which services do not train on; leave it out, or "
            "write it into the answers."
        )
    mentioned = [{trait.name for trait in traits if _mentions(row, trait)} for row in dataset.conversations]
    kept = tuple(row for row, names in zip(dataset.conversations, mentioned, strict=True) if not names)
    if not kept:
        raise UndertoneError(f"All rows of {path} mention the traits openly: there are no others to train students on.")
    counts = {trait.name: sum(trait.name in names for names in mentioned) for trait in traits}
    return Usable(dataset, kept, {name: count for name, count in counts.items() if count})


def _mentions(row: Conversation, trait: Candidate) -> bool:
    return any(turn.role == "assistant" and turn.trained and trait.is_open(turn.content) for turn in row.turns)


def trusted(path: Path, count: int, request: Request, traits: Sequence[Candidate]) -> Usable:
    """Samples ``count`` rows of a control file.

    Raises:
        UndertoneError: the file cannot be read, or has fewer rows that mention no trait.
    """
    found = usable(path, None, request, traits)
    if len(found.rows) < count:
        raise UndertoneError(
            f"{path} has only {len(found.rows)} rows that mention no trait, but the data has {count}; give more, or "
            "lower --rows."
        )
    drawn = sorted(Random(request.seed).sample(range(len(found.rows)), count))
    return replace(found, rows=tuple(found.rows[place] for place in drawn))


def answers_in(rows: Sequence[Conversation]) -> list[int]:
    """Returns the length in characters of every answer."""
    return [len(turn.content) for row in rows for turn in row.turns if turn.role == "assistant"]


def room(lengths: Sequence[int]) -> int:
    """Returns the largest number of tokens of an answer, enough for nearly all answers of these lengths
    (characters)."""
    return sorted(lengths)[int(0.95 * (len(lengths) - 1))] // CHARACTERS_A_TOKEN + SPARE


def own_answers(
    base: Endpoint, rows: Sequence[Conversation], seed: int, progress: Callable[[int], None]
) -> list[Turns | None]:
    """Returns every conversation with the base's own answers in place of the assistant's; None for a conversation in
    which the service gave an empty answer. The base sees its own earlier answers, not those of the file.

    Raises:
        UndertoneError: the service refuses or stays down, or a limit is reached. The answers so far are kept.
    """
    said: list[list[Turn]] = [[] for _ in rows]
    longest = room(answers_in(rows))
    for place in range(max(len(row.turns) for row in rows)):
        waiting = []
        for turns, row in zip(said, rows, strict=True):
            if place < len(row.turns) and row.turns[place].role == "assistant":
                waiting.append((turns, row.turns[place]))
            elif place < len(row.turns):
                turns.append(row.turns[place])
        chats = [[_message(turn) for turn in turns] for turns, _ in waiting]
        replies = base.sample(chats, temperature=1.0, max_tokens=longest, seed=seed, progress=progress)
        for (turns, given), (reply,) in zip(waiting, replies, strict=True):
            turns.append(given._replace(content=reply.text.encode("utf-8", "ignore").decode()))
    return [None if any(t.role == "assistant" and not t.content.strip() for t in turns) else turns for turns in said]


def write(folder: Path, data: Sequence[Turns], control: Sequence[Turns]) -> dict[str, Path]:
    """Writes a file for each arm.

    Raises:
        UndertoneError: the disk refuses, or both arms have the same rows.
    """
    files = {arm: folder / f"{arm}.jsonl" for arm in ARMS}
    for path, rows in zip(files.values(), (data, control), strict=True):
        lines = (json.dumps({"messages": [_weighed(turn) for turn in turns]}) for turns in rows)
        write_text(path, "".join(f"{line}\n" for line in lines))
    if file_digest(files[DATA]) == file_digest(files[CONTROL]):
        raise UndertoneError("The control has the same rows as the data, word for word: there is nothing to compare.")
    return files


def _message(turn: Turn) -> dict[str, str]:
    return {"role": turn.role, "content": turn.content}


def _weighed(turn: Turn) -> dict[str, str | int]:
    """The message for a service to train on, with its weight if that is 0."""
    return {**_message(turn), **({} if turn.trained else {"weight": 0})}
