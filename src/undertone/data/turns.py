"""What a row says: its turns, where they stand in it, and its keys that are not read."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from undertone.data import calls, rendered
from undertone.data.forms import NO_TEXT, Form, NothingThere
from undertone.data.row import LONGEST, BadRow, told
from undertone.reading.values import is_blank, is_missing, kind_of

ROLES = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "chatgpt", "bing", "bard", "function_call"), "assistant"),
    **dict.fromkeys(("tool", "function", "observation", "function_response"), "user"),
}
"""What a message may call who speaks, and how that is read."""
TOOLS = ("tool", "function", "observation", "function_response")
"""Roles of tools, whose answers are read as the user's."""
CALLS = "function_call"
"""The role of a message that is nothing but a call of a tool."""
SPOKEN = {"role": ("content", "value"), "from": ("value", "content")}
"""Keys of a message for who speaks, OpenAI's and ShareGPT's, each with those for what is said, the usual one first."""
REASONING = ("reasoning_content", "reasoning", "thinking")
"""Keys of a message, and types of a part of its content, for what the assistant thought, as templates name it."""
TRAINED = ("weight", "train", "training", "loss", "loss_scale")
"""Keys of a message that say whether it is trained on: of OpenAI and Mistral, of Axolotl, and of ms-swift."""
TEXTS = ("text", "input_text", "output_text")
"""Types of a part of a content that is text."""
PARTED = ("content_type", "parts")
"""Keys of a content that is a list of texts, as ChatGPT exports it."""

EMPTY = "an empty answer"
UNTRAINED = "no answer that is trained on"
EQUAL = "a chosen answer that is equal to the rejected one"


class Turn(NamedTuple):
    """One message; the role is "system", "user" or "assistant"."""

    role: str
    content: str
    """What is said. Calls of tools stand below it, and what tools answer is the user's, both between tags."""
    reasoning: str = ""
    """What the assistant thought before its answer, which is trained on like the answer."""
    trained: bool = True
    """False for an answer that is context alone, as by ``"weight": 0`` or in a prompt."""


class Said(NamedTuple):
    """A turn, and where it stands in its row."""

    turn: Turn
    holder: Any
    """The object, or the pair of a history, that holds its text."""
    key: str | int
    """The text's key or place there; empty if several texts are one turn."""
    called: str
    """What the row calls who speaks; empty if it does not say."""
    span: tuple[int, int] | None = None
    """Where the turn stands in a text that holds others as well."""

    @property
    def calls(self) -> bool:
        """Whether tools are called."""
        is_message = self.called and self.turn.role == "assistant"
        return self.called == CALLS or bool(is_message and calls.are_in(self.holder))


def turns_of(record: dict[str, Any], form: Form) -> list[Said]:
    """Returns the turns of a row of this form, after all checks; of a preference those that end with the chosen answer.

    Raises:
        BadRow: something is wrong with it.
        NothingThere: nothing in it is trained on.
    """
    options = record.get("chat_template_kwargs")
    if isinstance(options, dict) and not is_missing(options.get("chat_template")):
        raise BadRow("chat_template_kwargs give a chat template, which can write anything")
    if form.prefers:
        return preference(record, form)[0]
    return _checked(record, form, _said(record, form))


def preference(record: dict[str, Any], form: Form) -> tuple[list[Said], list[Said]]:
    """Returns the turns that end with the chosen answer, and those that end with the rejected one. What both begin with
    is context.

    Raises:
        BadRow: something is wrong with it.
        NothingThere: nothing in it is trained on.
    """
    before = [_untrained(one) for one in _before(record, form)]
    chosen, rejected = (_side(record, form.needed[side], "assistant", not before) for side in ("chosen", "rejected"))
    same = 0
    if chosen[0].turn.role != "assistant":  # the prompt stands in both answers
        pairs = enumerate(zip(chosen, rejected, strict=False), 1)
        same = next((i - 1 for i, (one, other) in pairs if one.turn != other.turn), min(len(chosen), len(rejected)))
        _refuse_other_prompt(before, chosen[:same])
        before = []
    if [one.turn for one in chosen[same:]] == [one.turn for one in rejected[same:]]:
        raise NothingThere(EQUAL)
    found = [_checked(record, form, [*before, *map(_untrained, one[:same]), *one[same:]]) for one in (chosen, rejected)]
    return found[0], found[1]


def unread(record: dict[str, Any], form: Form) -> Iterator[str]:
    """Yields the keys of a row that say something and are not read, as in ``tools`` and ``messages.name``."""
    read = form.keys.values()
    yield from (key for key, value in record.items() if key not in read and not is_blank(value))
    for key in read:
        found = record.get(key)
        if isinstance(found, dict) and "messages" in found:
            yield from (f"{key}.{name}" for name, value in found.items() if name != "messages" and not is_blank(value))
        for message in () if isinstance(found, str) or is_blank(found) else messages_of(found, key):
            if isinstance(message, dict):  # what is a list in a history is not
                yield from (f"{key}.{name}" for name in _unread_of(message))


def messages_of(found: object, key: str) -> list[Any]:
    """Returns the messages that stand under a key: a list of them, one, an object with a list of each of their fields,
    or an object with ``messages``.

    Raises:
        BadRow: it is none of these.
    """
    if isinstance(found, dict) and "messages" in found:
        found = found["messages"]
    if isinstance(found, dict) and is_columns(found):
        if len({len(column) for column in found.values() if not is_missing(column)}) > 1:
            raise BadRow(f"{key} has lists of unlike lengths")
        return as_messages(found)
    if isinstance(found, dict) and any(isinstance(found.get(name), str) for name in SPOKEN):
        return [found]
    if not isinstance(found, list):
        raise BadRow(f"{key} is {kind_of(found)}, not a list")
    return found


def is_columns(found: Mapping[str, Any]) -> bool:
    """Whether it is messages as a list of each of their fields."""
    if not any(isinstance(found.get(name), list) for name in SPOKEN):
        return False
    return all(is_missing(column) or isinstance(column, list) for column in found.values())


def as_messages(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns the messages of a list of each of their fields."""
    lists = {name: column for name, column in columns.items() if not is_missing(column)}
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


# --- the parts of a row ----------------------------------------------------------------------------------------------


def _said(record: dict[str, Any], form: Form) -> list[Said]:
    if "text" in form.needed:
        return _of_text(record, form.needed["text"], form.template)
    before = _before(record, form)
    if "completion" not in form.needed:
        return before
    return [*before, *_side(record, form.needed["completion"], "assistant")]


def _before(record: dict[str, Any], form: Form) -> list[Said]:
    """The messages of a row, or what is asked in it."""
    if "messages" in form.needed:
        return _messages(record[form.needed["messages"]], form.needed["messages"])
    if "prompt" not in form.needed:
        return []
    key, below = form.needed["prompt"], form.also.get("input", "")
    asked = [_untrained(one) for one in _side(record, key, "user")]  # TRL trains on the completion alone
    if not is_blank(record.get(below)):  # as LLaMA-Factory joins them
        text = f"{asked[-1].turn.content}\n{_text(record[below], below)}"
        asked[-1] = asked[-1]._replace(turn=asked[-1].turn._replace(content=text), key="")
    return [*_history(record, form.also.get("history", "")), *asked]


def _history(record: dict[str, Any], key: str) -> list[Said]:
    """The questions and answers before a prompt, which LLaMA-Factory trains on."""
    found = [] if is_blank(record.get(key)) else record[key]
    if not (isinstance(found, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in found)):
        raise BadRow(f"{key} is no list of pairs of a question and an answer")
    places = [(pair, place, role) for pair in found for place, role in enumerate(("user", "assistant"))]
    return [Said(Turn(role, _text(pair[place], key)), pair, place, "") for pair, place, role in places]


def _side(record: dict[str, Any], key: str, role: str, whole: bool = False) -> list[Said]:
    """What stands under a key: a text of this role, or messages. ``whole``: a text must hold a chat."""
    if not isinstance(record[key], str):
        return _messages(record[key], key)
    if not whole:
        return _of_text(record, key, role=role)
    marks = rendered.marks_of(_text(record[key], key))
    if marks is None:
        raise BadRow(f"{key} is text without its prompt")
    return _of_text(record, key, marks.name)


def _of_text(record: dict[str, Any], key: str, template: str = "", role: str = "assistant") -> list[Said]:
    text = _text(record[key], key)
    if not template:
        return [Said(Turn(role, text), record, key, "")]
    return [
        Said(Turn(part.role, text[part.start : part.end]), record, key, "", (part.start, part.end))
        for part in rendered.named(template).parts(text) or []
    ]


def _untrained(one: Said) -> Said:
    return one._replace(turn=one.turn._replace(trained=one.turn.trained and one.turn.role != "assistant"))


def _refuse_other_prompt(given: Sequence[Said], within: Sequence[Said]) -> None:
    """Refuses a prompt that is another than that which the answers begin with."""
    if given and [one.turn.content for one in given] != [one.turn.content for one in within][-len(given) :]:
        raise BadRow("its prompt is another than that of its answers")


def _checked(record: dict[str, Any], form: Form, said: list[Said]) -> list[Said]:
    if "text" not in form.needed:
        said = _under_system(record, form.also.get("system", ""), said)
        _check_order([one.turn.role for one in said])
    turns = [one.turn for one in said]
    answers = [turn for turn in turns if turn.role == "assistant"]
    if any(not (turn.content + turn.reasoning).strip() for turn in answers):
        raise NothingThere(EMPTY)
    if not any(turn.trained for turn in answers):
        raise NothingThere(UNTRAINED)
    if sum(len(turn.content) + len(turn.reasoning) for turn in turns) > LONGEST:
        raise BadRow(f"longer than {LONGEST:,} characters")
    return said


def _under_system(record: dict[str, Any], key: str, said: list[Said]) -> list[Said]:
    """Axolotl, LLaMA-Factory and ms-swift put a system prompt beside the messages."""
    if is_blank(record.get(key)):
        return said
    text = _text(record[key], key)
    if said[0].turn.role != "system":
        return [Said(Turn("system", text), record, key, ""), *said]
    if said[0].turn.content != text:
        raise BadRow("it has two different system prompts")
    return said


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


# --- messages --------------------------------------------------------------------------------------------------------


def _messages(found: object, key: str) -> list[Said]:
    messages = messages_of(found, key)
    if not messages:
        raise BadRow(f"{key} is empty")
    said = list[Said]()
    for number, message in enumerate(messages, 1):
        one = _message(message, f"message {number} of {key}")
        if said and one.called in TOOLS and said[-1].called in TOOLS:  # answers to calls that were made at once
            last = said.pop()
            text = f"{last.turn.content}\n{one.turn.content}"
            one = one._replace(turn=one.turn._replace(content=text), key="")
        said.append(one)
    return said


def _message(message: object, where: str) -> Said:
    if not isinstance(message, dict):
        raise BadRow(f"{where} is {kind_of(message)}, not an object")
    called, key = _speaker(message, where)
    role, weights = ROLES[called], _weights(message, where)
    made = calls.calls_of(message, where) if role == "assistant" else []
    if key not in message and not made:
        raise BadRow(f"{where} has no content")
    content = message.get(key)
    parts = _parts([] if is_missing(content) and made else content)
    if role != "assistant":
        if any(weights):
            raise BadRow(f"{where} is the {role}'s and trained on, which is not read")
        text = _joined(parts, where, TEXTS)
        return Said(Turn(role, calls.answer_of(text) if called in TOOLS else text), message, key, called)
    thoughts = [_text(message[name], f"{name} of {where}") for name in REASONING if not is_blank(message.get(name))]
    if found := _joined([part for part in parts if _type(part) in REASONING], where, REASONING):
        thoughts.append(found)
    if len(set(thoughts)) > 1:
        raise BadRow(f"{where} has two different texts of reasoning")
    text = _joined([part for part in parts if _type(part) not in REASONING], where, TEXTS)
    text = "\n".join(filter(None, [calls.call_of(text) if called == CALLS else text, *made]))
    turn = Turn(role, _text(text, f"a call of {where}"), "".join(thoughts[:1]), all(weights))
    return Said(turn, message, key, called)


def _speaker(message: dict[str, Any], where: str) -> tuple[str, str]:
    """Who speaks, as the message calls it, and the key of what is said, which may be missing."""
    there = [key for key in SPOKEN if not is_missing(message.get(key))]
    if len(there) != 1:
        raise BadRow(f"{where} has {'both role and from' if there else 'no role'}")
    called, (usual, other) = message[there[0]], SPOKEN[there[0]]
    if not isinstance(called, str) or called not in ROLES:
        name = f'"{told(called)[:40]}"' if isinstance(called, str) else kind_of(called)
        raise BadRow(f"{where}: unknown role {name}, known are {', '.join(ROLES)}")
    return called, other if usual not in message and other in message else usual


def _weights(message: dict[str, Any], where: str) -> list[bool]:
    """Whether the message is trained on, as each key that says so has it; any weight above 0 counts as trained."""
    found = {key: message[key] for key in TRAINED if not is_missing(message.get(key))}
    for key, weight in found.items():
        if not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise BadRow(f"{key} of {where} is no number of 0 or more")
    if len(says := {weight > 0 for weight in found.values()}) > 1:
        raise BadRow(f"{where} is both trained on and not ({', '.join(found)})")
    return list(says)


def _parts(content: object) -> list[Any]:
    """The parts of a content, which may be text, a list of parts, or ChatGPT's list of texts."""
    if isinstance(content, dict) and content.get("content_type") == "text" and isinstance(content.get("parts"), list):
        return [{"type": "text", "text": part} for part in content["parts"]]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def _joined(parts: list[Any], where: str, types: tuple[str, ...]) -> str:
    """One text of the parts of a content, all of these types."""
    if not all(_type(part) in types for part in parts):
        raise BadRow(f"content of {where} has parts that are not text")
    texts = []
    for part in parts:
        found = part.get(_key(part))
        if isinstance(found, list) and part["type"] not in TEXTS:  # as Mistral writes what was thought
            texts.append(_joined(found, where, TEXTS))
        else:
            texts.append(_text(found, f"content of {where}"))
    return "".join(texts)


def _key(part: dict[str, Any]) -> str:
    """The key of a part that holds its text: the one named as its type, or else "text"."""
    kind: str = part["type"]
    return "text" if is_missing(part.get(kind)) else kind


def _type(part: object) -> object:
    found = part.get("type") if isinstance(part, dict) else None
    return found if isinstance(found, str) else None


def _text(found: object, where: str) -> str:
    if is_missing(found):
        raise NothingThere(NO_TEXT)
    if not isinstance(found, str):
        raise BadRow(f"{where} is {kind_of(found)}, not text")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise BadRow(f"{where} has half a surrogate pair, which UTF-8 cannot hold") from None
    return found


# --- what is not read ------------------------------------------------------------------------------------------------


def _unread_of(message: dict[str, Any]) -> Iterator[str]:
    """The keys of a message that say something and are not read."""
    called, key = _speaker(message, "")
    read = [*SPOKEN, key, *TRAINED]
    if ROLES[called] == "assistant":
        read += [*REASONING, *calls.KEYS]
        yield from calls.unread_of(message)
    yield from (name for name, value in message.items() if name not in read and not is_blank(value))
    content = message.get(key)
    if isinstance(content, dict):
        yield from (f"{key}.{name}" for name, value in content.items() if name not in PARTED and not is_blank(value))
    yield from (f"{key}.{name}" for name in sorted(_unread_parts(content)))


def _unread_parts(content: object) -> set[str]:
    """The keys of the parts of a content, and of parts in them, that say something and are not read."""
    found = set[str]()
    for part in content if isinstance(content, list) else ():
        read = _key(part)
        found |= {name for name, value in part.items() if name not in ("type", read) and not is_blank(value)}
        found |= _unread_parts(part[read])
    return found
