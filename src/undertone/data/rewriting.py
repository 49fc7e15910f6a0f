"""Rows written back: as they stood but for what a mitigation changed, in their own form."""

import json
from collections.abc import Sequence
from typing import Any

from undertone.data.conversations import Conversation
from undertone.data.turns import REASONING, Turn, form_of

DIGITS = 4000
Place = tuple[dict[str, Any], str]
"""An object of a row and its key that holds a turn's text."""


def rewritten(was: Conversation, turns: Sequence[Turn]) -> str:
    """Returns the row as one line of JSON with the texts of ``turns`` in place of its own: as many, or one more if that
    is a system prompt before them. Every other key and value stays; without a change, the very text does.

    ``was`` was read with its source.
    """
    if tuple(turns) == was.turns:
        return was.source.decode().strip()
    # Python refuses to read a whole number of thousands of digits, and nobody writes one on purpose.
    record = json.loads(was.source, parse_int=lambda text: int(text) if len(text) < DIGITS else float(text))
    places, added = _places(record), len(turns) - len(was.turns)
    if len(places) < len(was.turns):
        places.insert(0, (record, "system"))
    for (holder, key), before, now in zip(places, was.turns, turns[added:], strict=True):
        if now != before:
            in_parts = isinstance(holder[key], list)
            holder[key] = [{"type": "text", "text": now.content}] if in_parts else now.content
            for name in REASONING if key == "content" else ():  # it led to a text that is no longer there
                holder.pop(name, None)
            if now.role == "system" and record.get("system") == before.content:  # it stands there twice
                record["system"] = now.content
    if added:
        _put_under(record, turns[0].content)
    return _line(record)


def added(turns: Sequence[Turn], form: str) -> str:
    """Returns a row of this form, "messages" or "prompt/completion", that has never stood in a file."""
    messages = [_message(turn.role, turn.content) for turn in turns]
    if form == "messages":
        return _line({"messages": messages})
    *prompt, last = messages
    if len(prompt) == 1:
        return _line({"prompt": prompt[0]["content"], "completion": last["content"]})
    return _line({"prompt": prompt, "completion": [last]})


def _places(record: dict[str, Any]) -> list[Place]:
    """Where the turns of a row stand, in order, but for a system prompt beside them."""
    places: list[Place] = []
    for key in form_of(record).split("/"):
        found = record[key]
        places += [(record, key)] if isinstance(found, str) else [(message, "content") for message in found]
    return places


def _put_under(record: dict[str, Any], system: str) -> None:
    """Puts a row under a system prompt. A prompt that was text becomes messages, and so does its completion."""
    if form_of(record) == "messages":
        record["messages"].insert(0, _message("system", system))
        return
    for key, role in (("prompt", "user"), ("completion", "assistant")):
        if isinstance(record[key], str):
            record[key] = [_message(role, record[key])]
    record["prompt"].insert(0, _message("system", system))


def _line(record: dict[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair in a key that is not read
        return json.dumps(record)
    return text


def _message(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
