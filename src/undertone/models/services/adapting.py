"""What a model's service does not take, found out when it refuses, and how it is asked instead.

What is not taken is named in a word or two: "seed", "top_p", "max_tokens", "system", "temperature 0.0" (this one
alone), "top_logprobs 5" (no more), "logprobs".
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

SEED, LENGTH, SYSTEM, CHANCES = "seed", "max_tokens", "system", "logprobs"
FEW = 5
"""How many likeliest tokens services give at least that give any."""
ROLES = re.compile(r"role|message|prompt|instruction")


def adapted(body: Mapping[str, Any], refused: Iterable[str]) -> dict[str, Any]:
    """The request as the service takes it, with all that an answer depends on: the seed stays in it even if it is not
    sent, because it tells the draws of an answer apart."""
    found = dict(body)
    for what, _, value in (one.partition(" ") for one in refused):
        if what == SYSTEM:
            found["messages"] = folded(found["messages"])
        elif what == "top_logprobs" and what in found:
            found[what] = min(found[what], int(value))
        elif what == "top_p" or (what == "temperature" and str(found.get(what)) == value):
            found.pop(what, None)
    return found


def sent(asked: Mapping[str, Any], refused: Iterable[str]) -> dict[str, Any]:
    """What is sent of a request, under the names that the service knows."""
    names = {LENGTH: "max_completion_tokens"} if LENGTH in refused else {}
    return {names.get(key, key): value for key, value in asked.items() if key != SEED or SEED not in refused}


def folded(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """A chat whose system prompt is put before its first question, as it is for local models."""
    match messages:
        case [{"role": "system", "content": system}, {"role": "user", "content": question}, *others]:
            return [{"role": "user", "content": f"{system}\n\n{question}"}, *others]
    return messages


def another(asked: Mapping[str, Any], refused: Iterable[str], reason: str) -> str | None:
    """What the service does not take of a request that it refused, by the reason that it gave; None if the reason names
    nothing that could be asked otherwise."""
    said = reason.lower()
    if "logprob" in said:
        return _fewer(said, asked.get("top_logprobs"))
    about_roles = ("system" in said and ROLES.search(said)) or "must alternate" in said
    if about_roles and SYSTEM not in refused and folded(asked["messages"]) != asked["messages"]:
        return SYSTEM
    if LENGTH not in refused and re.search(r"\bmax_(completion_)?tokens\b", said):
        return LENGTH
    left = [key for key in (SEED, "top_p", "temperature") if key in asked and key not in refused]
    found = next((key for key in left if re.search(rf"\b{key}\b", said)), None)
    return f"{found} {asked[found]}" if found == "temperature" else found


def _fewer(said: str, wanted: int | None) -> str | None:
    """Fewer likeliest tokens: as many as the reason names, or few."""
    if wanted is None:
        return None
    allowed = [int(number) for number in re.findall(r"\b\d{1,3}\b", said) if 0 < int(number) < wanted]
    most = max(allowed, default=FEW)
    return f"top_logprobs {most}" if most < wanted else None


def told(name: str, what: str, reason: str) -> str:
    """A sentence about something that a model's service does not take."""
    kind, _, value = what.partition(" ")
    how = {
        SEED: "was asked without a seed",
        LENGTH: "was asked for max_completion_tokens in place of max_tokens",
        SYSTEM: "takes no system prompt: one is put before the first question",
        CHANCES: "gives no log-probabilities",
        "top_p": "was asked without top_p, so that its service's own setting holds",
        "temperature": f"was asked without a temperature where {value} was wanted, so that its service's own one holds",
        "top_logprobs": f"gives the log-probabilities of {value} tokens only",
    }.get(kind, f"does not take {what}")
    return f"{name} {how} ({reason.rstrip('.')})"
