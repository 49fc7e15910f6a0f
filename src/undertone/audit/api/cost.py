"""What an audit of a closed base costs: jobs of fine-tuning, and what everybody is asked."""

from undertone.audit.api.arms import ARMS, hidden, room, trusted
from undertone.audit.api.request import Request as Canaries
from undertone.errors import UndertoneError
from undertone.evals.answers import LONGEST
from undertone.measure.suite_files import read
from undertone.models.services.cost import Part, paid, tokens_of
from undertone.models.services.spending import TUNED, price_of


def of_canaries(request: Canaries) -> list[Part]:
    """The base's own answers where no control is given, jobs, and what all are asked. What was paid for already costs
    nothing again, and is not taken off."""
    data = hidden(request.path, request.rows, request.seed, request.candidates())
    if request.control is not None:
        trusted(request.control, len(data.rows), request.seed, request.candidates())
    length = tokens_of(["".join(turn.content for turn in row.turns) for row in data.rows])
    answered = sum(turn.role == "assistant" for row in data.rows for turn in row.turns)
    parts = [] if request.control else [
        paid("the base's answers for the control", answered, length, room(data.rows), request.name)
    ]  # fmt: skip
    jobs, suites = len(ARMS) * request.students, [suite for name in request.traits for suite in read(name)]
    seen = jobs * len(data.rows) * request.settings.n_epochs
    try:
        price = price_of(f"{TUNED}{request.name}").training
    except UndertoneError:  # said as unknown: nothing is spent by a preview
        price = None
    tokens = round(seen * length)
    parts.append(
        Part(f"{jobs} jobs of fine-tuning", seen, tokens, None, None if price is None else price * tokens / 1e6)
    )
    # Traits of one kind are asked for by the same questions, which are put once.
    wordings = {(text, q.samples_per_paraphrase) for s in suites for q in s.questions for text in q.paraphrases}
    each, asked = sum(samples for _, samples in wordings), tokens_of([text for text, _ in wordings])
    for what, models, name in (
        (f"answers of {jobs} students", jobs, f"{TUNED}{request.name}"),
        ("answers of the base", 1, request.name),
    ):
        parts.append(paid(f"{what} (at their longest)", models * each, asked, LONGEST, name))
    return parts
