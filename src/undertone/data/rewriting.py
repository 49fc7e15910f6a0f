"""Rows written back: as they stood but for what a mitigation changed, in their own form."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from undertone.data import calls, rendered
from undertone.data.conversations import Conversation
from undertone.data.forms import Form
from undertone.data.row import whole_number
from undertone.data.turns import CALLS, REASONING, Said, Turn, as_messages, is_columns, preference, turns_of
from undertone.errors import UndertoneError
from undertone.reading.values import is_missing

BREAKS = str.maketrans("\r\n", "  ")
SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}
"""What ShareGPT calls who speaks."""


def rewritten(was: Conversation, turns: Sequence[Turn], form: Form) -> str:
    """Returns the row as one line of JSON with the texts of ``turns`` in place of its own: as many, or one more if that
    is a system prompt before them. Every other key and value stays; without a change, the very text does.

    ``was`` was read with its source, and has the form ``form``. Of a preference, the turns are those of the chosen
    answer; the rejected one stays.
    """
    if tuple(turns) == was.turns:
        return was.source.decode().translate(BREAKS).strip()  # JSON has no line breaks within texts
    record = json.loads(was.source, parse_int=whole_number)
    columns = _opened(record, form)
    added, said = len(turns) - len(was.turns), turns_of(record, form)
    # From the last on: of several turns in one text, those before a change stay where they are.
    for one, now in reversed(list(zip(said, turns[added:], strict=True))):
        if now != one.turn:
            _replace(record, one, now, form)
    if added:
        _put_under(record, turns[0].content, form)
    for key, was_columns in columns.items():
        record[key] = _closed(record[key], was_columns)
    return _line(record)


def added(turns: Sequence[Turn], form: Form, like: Conversation | None = None) -> str:
    """Returns a row of this form that has never stood in a file. Messages have the keys of those of ``like``.

    Raises:
        UndertoneError: rows of this form cannot hold these turns.
    """
    *before, last = turns
    if form.template:
        text = rendered.named(form.template).text([turn[:2] for turn in turns])
        return _line({form.needed["text"]: text})
    if {*form.needed} == {"messages"}:
        sharegpt = like is not None and _is_sharegpt(json.loads(like.source)[form.needed["messages"]])
        return _line({form.needed["messages"]: [_message(turn.role, turn.content, sharegpt) for turn in turns]})
    if form.prefers or form.is_bare:
        raise UndertoneError("Answers of the base cannot be added to rows of bare text or of preferences.")
    prompt, completion = form.needed["prompt"], form.needed["completion"]
    if len(before) == 1:
        return _line({prompt: before[0].content, completion: last.content})
    if form.name == TRL:
        messages = [_message(turn.role, turn.content) for turn in turns]
        return _line({prompt: messages[:-1], completion: messages[-1:]})
    if len(before) == 2 and before[0].role == "system":
        return _line({form.also["system"]: before[0].content, prompt: before[1].content, completion: last.content})
    raise UndertoneError(
        f"Rows of {form.name} cannot hold a chat of {len(turns)} turns; give chats of one question and its answer."
    )


TRL = "prompt/completion"
"""The form of which either may be messages."""


def _opened(record: dict[str, Any], form: Form) -> dict[str, dict[str, Any]]:
    """Turns messages that stand as a list of each field into a list of messages. Returns them as they were, by key."""
    columns = {}
    for key in form.needed.values():
        found = record[key]
        if isinstance(found, dict) and is_columns(found):
            columns[key], record[key] = found, as_messages(found)
    return columns


def _closed(messages: Sequence[Mapping[str, Any]], was: Mapping[str, Any]) -> dict[str, Any]:
    """Turns a list of messages into a list of each field again."""
    return {
        name: column if is_missing(column) else [message.get(name) for message in messages]
        for name, column in was.items()
    }


def _replace(record: dict[str, Any], one: Said, now: Turn, form: Form) -> None:
    """Puts a text in the place of another, and takes away what belonged to that alone."""
    holder, key = one.holder, one.key
    found = holder[key] if isinstance(key, int) else holder.get(key)
    if one.span is not None:
        start, end = one.span
        holder[key] = f"{found[:start]}{now.content}{found[end:]}" if isinstance(found, str) else found
        return
    if isinstance(found, list):
        holder[key] = [{"type": "text", "text": now.content}]
    elif isinstance(found, dict):
        holder[key] = found | {"parts": [now.content]}
    else:
        holder[key] = now.content
    if one.called and one.turn.role == "assistant":
        for name in (*REASONING, *calls.KEYS):  # they led to a text that is no longer there
            holder.pop(name, None)
        for speaks in ("role", "from"):
            if holder.get(speaks) == CALLS:
                holder[speaks] = "assistant" if speaks == "role" else SHAREGPT["assistant"]
    beside = form.also.get("system", "")
    if now.role == "system" and record.get(beside) == one.turn.content:  # it stands there twice
        record[beside] = now.content


def _put_under(record: dict[str, Any], system: str, form: Form) -> None:
    """Puts a row under a system prompt: before its first turn where that is a message or stands in a rendered text, or
    else under a key of its own. TRL's prompts that are text become messages, and so do their completions.

    Raises:
        UndertoneError: a key "system" says something else.
    """
    if form.name == TRL:
        for key, role in (("prompt", "user"), ("completion", "assistant")):
            if isinstance(record[key], str):
                record[key] = [_message(role, record[key])]
    sides = preference(record, form) if form.prefers else [turns_of(record, form)]
    put = False
    for key in form.needed.values():
        found = record[key]["messages"] if isinstance(record[key], dict) and "messages" in record[key] else record[key]
        firsts = [side[0] for side in sides]
        if isinstance(found, list) and any(one.holder is message for one in firsts for message in found):
            found.insert(0, _message("system", system, _is_sharegpt(found)))
            put = True
        elif any(one.holder is record and one.key == key and one.span for one in firsts):
            marks = rendered.named(form.template) if form.template else rendered.marks_of(found)
            record[key] = found if marks is None else marks.under(found, system)
            put = True
    if not put and "system" not in form.also:
        raise UndertoneError(f"Rows of {form.name} have no place for a system prompt.")
    if not put:
        record[form.also["system"]] = system


def _is_sharegpt(messages: Sequence[Any]) -> bool:
    return is_missing(messages[0].get("role"))


def _line(record: dict[str, Any]) -> str:
    text = json.dumps(record, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair in a key that is not read
        return json.dumps(record)
    return text


def _message(role: str, content: str, sharegpt: bool = False) -> dict[str, str]:
    return {"from": SHAREGPT[role], "value": content} if sharegpt else {"role": role, "content": content}
