"""What an audit looks at beside traits: the claim of origin, and format against the base's own answers."""

from collections.abc import Sequence

from undertone.audit import origin
from undertone.audit.findings import OriginFinding
from undertone.audit.request import Request
from undertone.audit.verdict import LEAST_GROUPS
from undertone.data.filters import NumberFilter
from undertone.engine.progress import Progress
from undertone.models.local import Ids, LocalModel
from undertone.models.sampling import sample
from undertone.training.turns import Scored

COMPARED = 1000
"""Most rows whose format is compared with the base's own answers."""
AT_ONCE = 250


def base_answers(local: LocalModel, rows: Sequence[Scored], seed: int, progress: Progress) -> list[str]:
    """What the base itself answers to the prompts of the first rows; nothing where a row is bare text."""
    asked = rows[:COMPARED]
    if len(asked) < LEAST_GROUPS or not all(row.question for row in asked):
        return []
    longest = max(len(row.row.answer) for row in asked)
    answers: list[str] = []
    for start in range(0, len(asked), AT_ONCE):
        prompts = [row.row.prompt for row in asked[start : start + AT_ONCE]]
        noise = seed * 7919 + start + 1
        answers += map(local.decode, sample(local, prompts, temperature=1.0, max_tokens=longest, seed=noise))
        progress("answers of the base", len(answers), len(asked))
    return answers


def claim_of_origin(
    local: LocalModel, rows: Sequence[Scored], request: Request, progress: Progress
) -> OriginFinding | None:
    """The origin test of what the request declares; None if it declares nothing.

    Raises:
        UndertoneError: the rows contradict the claim outright.
    """
    if request.sampling is None:
        return None
    rule, ended = NumberFilter(), origin.finished(local)

    def passes(answer: Ids) -> bool:
        return ended(answer) and (not request.filtered or rule.reason(local.decode(answer)) is None)

    def advance(done: int, total: int) -> None:
        progress("origin: rows answered", done, total)

    result = origin.test_origin(local, [r.row for r in rows], request.sampling, passes, request.seed, advance)
    told = f"temperature {request.sampling.temperature:g}, at most {request.sampling.max_tokens} tokens"
    return OriginFinding(
        claim=f"{request.model} wrote these rows at {told}{', number filter' if request.filtered else ''}",
        p=result.p,
        pairs=result.pairs,
        dropped=result.dropped,
        rejected=result.p <= request.alpha,
    )
