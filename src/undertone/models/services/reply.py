"""The answer of a service: its text, unaltered, or the reason why there is none. Nothing that was paid for is lost."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from undertone.models.services.service import Service
from undertone.models.services.wire import Again, message_of

REFUSED = "a refusal"
FILTERED = "withheld by the service's filter"
REASONING = "nothing but reasoning"
CUT = "no text within the limit of tokens"
TOOL = "a call of a tool in place of text"
EMPTY = "no text"
NOT_TEXT = "content that is not text"
KEY = "a service that repeats its key"
NO_CHANCES = "log-probabilities that are none"
LONG = "a text that is too long for the model"
ABOUT_TEXT = {
    FILTERED: re.compile(r"content.?(filter|management|policy)|moderation|safety (system|policy)", re.IGNORECASE),
    LONG: re.compile(r"context.?(length|window)|too long|too many (input )?tokens", re.IGNORECASE),
}
"""How services word that they refuse a request for its text, when they would answer others."""
STOPPED = {"", "stop", "eos", "eos_token", "end_turn", "stop_sequence"}
"""How services name an end that the model chose."""
MOST_TOKENS = 2**22
"""A service that reports more tokens for one request is not believed."""


@dataclass(frozen=True)
class Reply:
    """One answer."""

    text: str
    """What the model said, as the service gave it; empty if the model said nothing or if ``missing`` says why there is
    no text."""
    finished: str
    """Why it ended, by the service: "stop", "length", "content_filter"; empty if the service does not say."""
    model: str
    """The model that answered, by the service: the same name can later mean another snapshot."""
    top: Mapping[str, float] | None
    """Log-probabilities (nats) of the likeliest first tokens, if they were asked for and given."""
    missing: str = ""
    """Why there is no text, or no log-probabilities that were given: one of the reasons above, such as "a refusal".
    Empty for an answer. An answer that is missing is a failure to count, never something to judge."""


def reply_of(answer: Mapping[str, Any]) -> Reply:
    """A kept answer. What came in place of an answer is kept too, but is not given as text.

    Raises:
        ValueError, TypeError: it is not one.
    """
    missing = answer.get("missing", "")
    found = [answer.get("text"), answer.get("finished"), answer.get("model"), missing]
    top = answer.get("top")
    if not all(isinstance(one, str) for one in found) or not isinstance(top, dict | None):
        raise ValueError("an answer has no text")
    text, finished, model, _ = map(whole, found)
    top = top and {whole(token): float(log_p) for token, log_p in top.items()}
    return Reply("" if missing else text, finished, model, top, missing)


def no_answer_for(refusal: str) -> dict[str, Any] | None:
    """What is kept in place of an answer if a service refused a request for its text; None if it refused for anything
    else, so that others would be refused too."""
    missing = next((why for why, pattern in ABOUT_TEXT.items() if pattern.search(refusal)), None)
    if missing is None:
        return None
    return {"text": refusal, "finished": "", "model": "", "top": None, "usage": (0, 0), "missing": missing}


def answer_of(value: Mapping[str, Any], service: Service, top: bool) -> dict[str, Any]:
    """The parts of a service's answer that are kept; ``top`` says whether log-probabilities were asked for.

    Raises:
        Again: there is no answer in it.
    """
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if choice is None or not isinstance(message, dict):
        raise Again("an answer that does not follow the API", perhaps_paid=True)
    finished = _line(choice.get("finish_reason"))
    if choice.get("error") or finished == "error":  # what there is of the text was cut off by it
        raise Again(f"an error: {service.line(message_of(choice))}", perhaps_paid=True)
    text, missing = _said(message, finished)
    found: dict[str, Any] = {
        "text": text,
        "finished": service.scrubbed(finished),
        "model": service.scrubbed(_line(value.get("model"))),
        "top": None,
        "usage": _usage(value.get("usage")),
    }
    if top:
        try:
            found["top"] = _top(choice.get("logprobs"))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError):
            missing = missing or NO_CHANCES
        if found["top"] and missing in (CUT, EMPTY):  # the one token that was asked for may have no text
            missing = ""
    repeats = [said for said in (text, *(found["top"] or ())) if service.scrubbed(said) != said]
    if repeats:  # no model knows the key: these are not its words
        found |= {"text": service.scrubbed(text), "top": None}
        missing = KEY
    return found | ({"missing": missing} if missing else {})


def whole(text: str) -> str:
    """``text`` with a replacement character for every half of a surrogate pair, which no file could hold. Services cut
    pairs in two where an answer ends at its limit."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _line(given: object) -> str:
    return whole(given) if isinstance(given, str) else ""


def _said(message: Mapping[str, Any], finished: str) -> tuple[str, str]:
    """The text, and why it is no answer."""
    content, refusal, thought = message.get("content"), message.get("refusal"), _thought(message)
    parts = content if isinstance(content, list) else [content]
    texts = [text for text in map(_text, parts) if text is not None]
    text = whole("".join(texts))
    refusals = [refusal, *(part.get("refusal") for part in parts if isinstance(part, dict))]
    if not text and (said := "".join(part for part in refusals if isinstance(part, str))):
        return whole(said), REFUSED
    if finished == "content_filter":
        return text, FILTERED
    if text or (texts and finished in STOPPED and not thought):  # a model may choose to say nothing
        return text, ""
    if finished == "length":
        return "", REASONING if thought else CUT
    if finished == "tool_calls" or message.get("tool_calls") or message.get("function_call"):
        return "", TOOL
    if thought:
        return "", REASONING
    return "", EMPTY if texts or not content else NOT_TEXT


def _thought(message: Mapping[str, Any]) -> bool:
    """Whether the model reasoned, by the names that services give to that."""
    content = message.get("content")
    kinds = {part.get("type") for part in content if isinstance(part, dict)} if isinstance(content, list) else set()
    return bool(message.get("reasoning_content") or message.get("reasoning") or kinds & {"thinking", "reasoning"})


def _text(part: object) -> str | None:
    """The text of a part of the content, if it has one that is meant for the reader."""
    if isinstance(part, dict) and part.get("type", "text") in ("text", "output_text"):
        part = part.get("text")
    return part if isinstance(part, str) else None


def _usage(given: object) -> tuple[int, int] | None:
    """Tokens read and written. None if the service does not say or says what cannot be: the request then counts with
    the most that it may cost."""
    if not isinstance(given, dict):
        return None
    read, written = given.get("prompt_tokens"), given.get("completion_tokens")
    if not (type(read) is int and type(written) is int):
        return None
    return (read, written) if 1 <= read <= MOST_TOKENS and 0 <= written <= MOST_TOKENS else None


def _top(given: Any) -> dict[str, float] | None:
    """Log-probabilities by the text of the token; a token that is impossible is left out.

    Raises:
        ValueError: they are no log-probabilities.
    """
    if not given or not given.get("content"):
        return None
    found: dict[str, float] = {}
    for choice in given["content"][0]["top_logprobs"]:
        token, log_p = choice["token"], float(choice["logprob"])
        if not isinstance(token, str) or math.isnan(log_p) or log_p > 1e-3:
            raise ValueError(f"{log_p} is not a log-probability")
        if math.isfinite(log_p):  # two tokens can have the same text
            found[whole(token)] = _together(log_p, found.get(whole(token), -math.inf))
    if sum(map(math.exp, found.values())) > 1.01:
        raise ValueError("more than certain")
    return found


def _together(one: float, other: float) -> float:
    """The log of the sum of two probabilities."""
    most = max(one, other)
    return most + math.log1p(math.exp(min(one, other) - most))
