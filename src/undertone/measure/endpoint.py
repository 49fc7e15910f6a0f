"""A model behind a service as one that is asked: sampled answers, and next tokens where the service tells them."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from undertone.engine.digests import digest
from undertone.errors import UndertoneError
from undertone.measure.respondent import TOP, Local, Prompt, Unaskable, respondent
from undertone.models.services.abilities import Ability
from undertone.models.services.endpoint import PROBE, PROVIDER, Chat, Endpoint
from undertone.models.services.spending import Budget
from undertone.models.services.wire import Refused

PAID = "paid.sqlite"
"""Answers of services, in the folder of kept answers."""
SAY = "Reply with the number {text} and with nothing else."


@dataclass(frozen=True)
class Remote:
    """A model behind a service, as it was when it was first asked."""

    name: str
    endpoint: Endpoint
    tells: bool
    """Whether the service tells probabilities of next tokens."""
    snapshot: str
    """The model that answers, as the service names it."""

    @property
    def digest(self) -> str:
        """Of the service's address, the name and the snapshot's: its weights cannot be seen."""
        return digest([self.endpoint.address, self.endpoint.model, self.snapshot])

    def answers(self, prompts: Sequence[Prompt], temperature: float, max_tokens: int, seed: int) -> list[str]:
        """As :class:`undertone.measure.respondent.Respondent`; what a service withholds is an empty answer."""
        try:
            replies = self.endpoint.sample(
                list(map(_chat, prompts)), temperature=temperature, max_tokens=max_tokens, seed=seed
            )
        except Refused as error:
            raise Unaskable(str(error)) from None
        return [reply.text for (reply,) in replies]

    def chances(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """As :class:`undertone.measure.respondent.Respondent`: no service tells them."""
        raise UndertoneError(f"{self.name} is behind a service, which tells no probability of a whole answer.")

    def next_tokens(self, prompts: Sequence[Prompt]) -> list[dict[str, float]]:
        """As :class:`undertone.measure.respondent.Respondent`."""
        try:
            found = self.endpoint.top_logprobs(list(map(_chat, prompts)), TOP)
        except Refused as error:
            raise Unaskable(str(error)) from None
        return [{text: math.exp(log_p) for text, log_p in top.items()} for top in found]

    def one_token(self, text: str) -> bool:
        """As :class:`undertone.measure.respondent.Respondent`: the model is told to say ``text``, and its likeliest
        first token looked at."""
        (likeliest,) = self.next_tokens([Prompt(SAY.format(text=text))])
        return max(likeliest, key=lambda token: likeliest[token]).strip() == text

    def release(self) -> None:
        """As :class:`undertone.measure.respondent.Respondent`: nothing of it is in memory."""


def _chat(prompt: Prompt) -> Chat:
    system = [] if prompt.system is None else [{"role": "system", "content": prompt.system}]
    earlier = [
        {"role": role, "content": content}
        for turn in prompt.earlier
        for role, content in zip(("user", "assistant"), turn, strict=True)
    ]
    return [*system, *earlier, {"role": "user", "content": prompt.question}]


def is_remote(name: str) -> bool:
    """Whether a model's name is that of one behind a service."""
    return name.startswith(f"{PROVIDER}/")


Open = Callable[[str], Local | Remote]
"""The model of a name."""


@contextmanager
def opening(folder: Path, budget: Budget) -> Iterator[Open]:
    """Opens models by their names. Those behind services keep their answers in ``folder`` and share one budget.

    Raises:
        UndertoneError: (when a name is opened) there is no such model, or its service cannot be reached or refuses.
    """
    with ExitStack() as stack:

        def opened(name: str) -> Local | Remote:
            if not is_remote(name):
                return respondent(name)
            endpoint = stack.enter_context(Endpoint(name, folder / PAID, budget))
            tells = Ability.CHOICES in endpoint.abilities()
            ((reply,),) = endpoint.sample([PROBE], temperature=0.0, max_tokens=1, seed=0)
            return Remote(name, endpoint, tells, reply.model)

        yield opened
