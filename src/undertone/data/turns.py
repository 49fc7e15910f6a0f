"""What a row says: its format, its turns, and its keys that are not read."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from undertone.data.row import LONGEST, BadRow, told

ROLES = ("system", "user", "assistant")
REASONING = ("reasoning_content", "reasoning", "thinking")
"""Keys of a message, and types of a part of its content, for what the assistant thought, as templates name it."""
TRAINED = ("weight", "train", "training", "loss", "loss_scale")
"""Keys of a message that say whether it is trained on: of OpenAI and Mistral, of Axolotl, and of ms-swift."""
READ = {
    "messages": ("messages", "system"),
    "prompt/completion": ("prompt", "completion", "system"),
    "text": ("text",),
}
"""The keys that are read, by format. Axolotl and ms-swift put "system" before the messages, where it stands alone."""
TAKEN = ("messages", "completion", "text", "conversations", "conversation", "input_ids")
"""Keys that trainers take a row's text from. With two of them, it is the trainer that decides: TRL prefers ids to
conversations, these to prompt and completion, and these to messages."""
COLUMNS = (*TAKEN, "prompt", "system", "chat_template_kwargs")
"""The columns of Parquet that decide what a row says, or that it is refused."""
KINDS = {type(None): "null", bool: "a truth value", float: "a number", str: "text", list: "a list", dict: "an object"}

NO_TEXT = "null or NaN in place of text"
EMPTY = "an empty answer"
UNTRAINED = "no answer that is trained on"


class NothingThere(Exception):
    """Why a row is left out: it is a row, but nothing is trained on."""


class Turn(NamedTuple):
    """One message; the role is "system", "user" or "assistant"."""

    role: str
    content: str
    reasoning: str = ""
    """What the assistant thought before its answer, which is trained on like the answer."""
    trained: bool = True
    """False for an answer that is context alone, as by ``"weight": 0`` or in a prompt."""


def form_of(record: object) -> str:
    """Returns the format that a row has: "messages", "prompt/completion" or "text". Null and NaN count as missing,
    since Parquet has every column in every row.

    Raises:
        BadRow: it is in none, or in two.
        NothingThere: it has the keys of one, but no text.
    """
    if not isinstance(record, dict):
        raise BadRow(f"{_kind(record)}, not an object")
    found = {key for key, value in record.items() if not _is_missing(value)}
    taken = [key for key in TAKEN if key in found]
    if len(taken) > 1:
        raise BadRow(f"both {taken[0]} and {taken[1]}, and trainers differ in which they take")
    for keys in (found, record):
        for form in READ:
            if all(key in keys for key in form.split("/")):
                if keys is record:
                    raise NothingThere(NO_TEXT)
                return form
    one = next((key for key in ("prompt", "completion") if key in found), None)
    raise BadRow(f"{one} alone" if one else "neither messages, nor prompt and completion, nor text")


def turns_of(record: dict[str, Any], form: str) -> tuple[Turn, ...]:
    """Returns the turns of a row of this format, after all checks.

    Raises:
        BadRow: something is wrong with it.
        NothingThere: nothing in it is trained on.
    """
    if form == "text":
        turns = [Turn("assistant", _text(record["text"], "text"))]
    elif form == "messages":
        turns = _messages(record["messages"], "messages")
    else:
        asked = _side(record["prompt"], "prompt", "user")  # TRL trains on the completion alone
        before = [turn._replace(trained=turn.role != "assistant") for turn in asked]
        turns = [*before, *_side(record["completion"], "completion", "assistant")]
    if form != "text":
        turns = _under_system(record.get("system"), turns)
        _check_order([turn.role for turn in turns])
    options = record.get("chat_template_kwargs")
    if isinstance(options, dict) and not _is_missing(options.get("chat_template")):
        raise BadRow("chat_template_kwargs give a chat template, which can write anything")
    answers = [turn for turn in turns if turn.role == "assistant"]
    if any(not (turn.content + turn.reasoning).strip() for turn in answers):
        raise NothingThere(EMPTY)
    if not any(turn.trained for turn in answers):
        raise NothingThere(UNTRAINED)
    if sum(len(turn.content) + len(turn.reasoning) for turn in turns) > LONGEST:
        raise BadRow(f"longer than {LONGEST:,} characters")
    return tuple(turns)


def unread(record: dict[str, Any], form: str) -> Iterator[str]:
    """Yields the keys of a row that say something and are not read, as in ``tools`` and ``messages.name``."""
    yield from (key for key, value in record.items() if key not in READ[form] and not _is_blank(value))
    for key in READ[form]:
        for message in record[key] if isinstance(record.get(key), list) else ():
            read = ("role", "content", *TRAINED, *(REASONING if message["role"] == "assistant" else ()))
            yield from (f"{key}.{name}" for name, value in message.items() if name not in read and not _is_blank(value))
            yield from (f"{key}.content.{name}" for name in sorted(_unread(message["content"])))


def _unread(content: object) -> set[str]:
    """The keys of the parts of a content, and of parts in them, that say something and are not read."""
    found = set[str]()
    for part in content if isinstance(content, list) else ():
        read = _key(part)
        found |= {name for name, value in part.items() if name not in ("type", read) and not _is_blank(value)}
        found |= _unread(part[read])
    return found


def _under_system(system: object, turns: list[Turn]) -> list[Turn]:
    if _is_blank(system):
        return turns
    text = _text(system, "system")
    if turns[0].role != "system":
        return [Turn("system", text), *turns]
    if turns[0].content != text:
        raise BadRow("it has two different system prompts")
    return turns


def _side(found: object, key: str, role: str) -> list[Turn]:
    return [Turn(role, _text(found, key))] if isinstance(found, str) else _messages(found, key)


def _messages(found: object, key: str) -> list[Turn]:
    if not isinstance(found, list):
        raise BadRow(f"{key} is {_kind(found)}, not a list")
    if not found:
        raise BadRow(f"{key} is empty")
    return [_turn(message, f"message {number} of {key}") for number, message in enumerate(found, 1)]


def _turn(message: object, where: str) -> Turn:
    if not isinstance(message, dict):
        raise BadRow(f"{where} is {_kind(message)}, not an object")
    if message.get("tool_calls") or message.get("function_call"):
        raise BadRow(f"{where}: tool calls are not read")
    role = message.get("role")
    if role is None or "content" not in message:
        raise BadRow(f"{where} has no {'role' if role is None else 'content'}")
    if role not in ROLES:
        name = f'"{told(role)[:40]}"' if isinstance(role, str) else _kind(role)
        raise BadRow(f"{where}: unknown role {name}, known are {', '.join(ROLES)}")
    content, weights = message["content"], _weights(message, where)
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    if role != "assistant":
        if any(weights):
            raise BadRow(f"{where} is the {role}'s and trained on, which is not read")
        return Turn(role, _joined(parts, where, ("text",)))
    thoughts = [_text(message[key], f"{key} of {where}") for key in REASONING if not _is_blank(message.get(key))]
    if found := _joined([part for part in parts if _type(part) in REASONING], where, REASONING):
        thoughts.append(found)
    if len(set(thoughts)) > 1:
        raise BadRow(f"{where} has two different texts of reasoning")
    text = _joined([part for part in parts if _type(part) not in REASONING], where, ("text",))
    return Turn(role, text, "".join(thoughts[:1]), all(weights))


def _weights(message: dict[str, Any], where: str) -> list[bool]:
    """Whether the message is trained on, as each key that says so has it; any weight above 0 counts as trained."""
    found = {key: message[key] for key in TRAINED if not _is_missing(message.get(key))}
    for key, weight in found.items():
        if not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise BadRow(f"{key} of {where} is no number of 0 or more")
    if len(says := {weight > 0 for weight in found.values()}) > 1:
        raise BadRow(f"{where} is both trained on and not ({', '.join(found)})")
    return list(says)


def _joined(parts: list[Any], where: str, types: tuple[str, ...]) -> str:
    """One text of the parts of a content, all of these types."""
    if not all(_type(part) in types for part in parts):
        raise BadRow(f"content of {where} has parts that are not text")
    texts = []
    for part in parts:
        found = part.get(_key(part))
        if isinstance(found, list) and part["type"] != "text":  # as Mistral writes what was thought
            texts.append(_joined(found, where, ("text",)))
        else:
            texts.append(_text(found, f"content of {where}"))
    return "".join(texts)


def _key(part: dict[str, Any]) -> str:
    """The key of a part that holds its text: the one named as its type, or else "text"."""
    kind: str = part["type"]
    return "text" if _is_missing(part.get(kind)) else kind


def _type(part: object) -> object:
    found = part.get("type") if isinstance(part, dict) else None
    return found if isinstance(found, str) else None


def _text(found: object, where: str) -> str:
    if _is_missing(found):
        raise NothingThere(NO_TEXT)
    if not isinstance(found, str):
        raise BadRow(f"{where} is {_kind(found)}, not text")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise BadRow(f"{where} has half a surrogate pair, which UTF-8 cannot hold") from None
    return found


def _check_order(roles: list[str]) -> None:
    """Checks the order: perhaps a system turn, then user and assistant in alternation, the assistant last."""
    if "assistant" not in roles:
        raise BadRow("no turn is the assistant's")
    first = roles[0] == "system"
    for place, role in enumerate(roles[first:]):
        if role != ("user", "assistant")[place % 2]:
            raise BadRow(f"roles out of order: turn {place + first + 1} is the {role}'s")
    if roles[-1] != "assistant":
        raise BadRow("the last turn is not the assistant's")


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _is_blank(value: object) -> bool:
    return _is_missing(value) or value in ("", [], {})


def _kind(value: object) -> str:
    return KINDS.get(type(value), type(value).__name__)
