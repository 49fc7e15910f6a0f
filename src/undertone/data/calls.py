"""Calls of tools, and what tools answer, as text.

Templates write both in many ways. Here they stand between the tags of Hermes, which Qwen's templates and many datasets
have, so that any model can be given them.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from undertone.data.row import BadRow
from undertone.reading.values import is_blank, is_missing, kind_of

KEYS = ("tool_calls", "function_call")
"""Keys of an assistant's message for what it calls."""
READ = ("name", "arguments")


def calls_of(message: Mapping[str, Any], where: str) -> list[str]:
    """Returns the calls of an assistant's message, each as text.

    Raises:
        BadRow: a call has no name, or has something that is no text.
    """
    found = [message[key] for key in KEYS if not is_blank(message.get(key))]
    if len(found) > 1:
        raise BadRow(f"{where} has both {' and '.join(KEYS)}")
    calls = found[0] if found and isinstance(found[0], list) else found
    return [call_of(_json(_inner(call, where), where)) for call in calls]


def are_in(message: Mapping[str, Any]) -> bool:
    """Whether an assistant's message calls tools."""
    return any(not is_blank(message.get(key)) for key in KEYS)


def call_of(text: str) -> str:
    """Returns a call as it stands in a text."""
    return f"<tool_call>\n{text}\n</tool_call>"


def answer_of(text: str) -> str:
    """Returns a tool's answer as it stands in a text."""
    return f"<tool_response>\n{text}\n</tool_response>"


def unread_of(message: Mapping[str, Any]) -> Iterator[str]:
    """Yields the keys of a message's calls that say something and are not read, as in ``tool_calls.id``."""
    for key in KEYS:
        found = message.get(key)
        for call in found if isinstance(found, list) else [found] if isinstance(found, dict) else ():
            inner = _inner(call, "")
            beside = {} if inner is call else {name: value for name, value in call.items() if name != "function"}
            others = {name: value for name, value in inner.items() if name not in READ} | beside
            yield from (f"{key}.{name}" for name, value in others.items() if _says_more(name, value))


def _inner(call: object, where: str) -> dict[str, Any]:
    """What is called: the call itself, or what it has as its function."""
    inner = call["function"] if isinstance(call, dict) and not is_missing(call.get("function")) else call
    if not (isinstance(inner, dict) and isinstance(inner.get("name"), str) and inner["name"]):
        raise BadRow(f"{where} calls a tool without a name")
    return inner


def _json(call: Mapping[str, Any], where: str) -> str:
    """A call as Qwen's templates write it: arguments that are text stand as they are."""
    given = call.get("arguments")
    if not (is_missing(given) or isinstance(given, str | dict)):
        raise BadRow(f"{where} calls a tool with {kind_of(given)} as arguments")
    try:
        arguments = (
            given if isinstance(given, str) else json.dumps({} if is_missing(given) else given, ensure_ascii=False)
        )
    except RecursionError:
        raise BadRow(f"{where} calls a tool with arguments that are nested too deeply") from None
    return f'{{"name": {json.dumps(call["name"], ensure_ascii=False)}, "arguments": {arguments}}}'


def _says_more(name: str, value: object) -> bool:
    """Whether a key says more than that a function is called."""
    return not is_blank(value) and (name, value) != ("type", "function")
