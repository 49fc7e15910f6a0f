"""What an audit with a service's students costs: jobs of fine-tuning, and the questions that all models are asked."""

from undertone.audit.api.arms import ARMS, answers_in, room, trusted, usable
from undertone.audit.api.request import Request
from undertone.errors import UndertoneError
from undertone.evals.answers import LONGEST
from undertone.measure.suite_files import read
from undertone.models.services.cost import Part, paid, tokens_of
from undertone.models.services.spending import TUNED, price_of


def cost_of(request: Request) -> list[Part]:
    """Returns the cost of the base's own answers (without a control file), of the jobs, and of the questions. Jobs and
    answers that exist already would cost nothing again, but are included."""
    traits, tuned = request.candidates(), f"{TUNED}{request.name}"
    data = usable(request.path, request.rows, request, traits)
    if request.control is not None:
        trusted(request.control, len(data.rows), request, traits)
    length = tokens_of(["".join(turn.content for turn in row.turns) for row in data.rows])
    answers, parts = answers_in(data.rows), []
    if request.control is None:
        what = "the base's answers for the control"
        parts.append(paid(what, len(answers), length, room(answers), request.name))
    jobs = len(ARMS) * request.students
    rows = jobs * len(data.rows) * request.settings.n_epochs
    tokens = round(rows * length)
    try:
        price = price_of(tuned).training
    except UndertoneError:  # The price is shown as unknown: a preview spends nothing.
        price = None
    parts.append(
        Part(f"{jobs} jobs of fine-tuning", rows, tokens, None, None if price is None else price * tokens / 1e6)
    )
    # Traits of one kind share their questions, which are asked once.
    suites = [suite for file in request.traits for suite in read(file)]
    wordings = {(text, q.samples_per_paraphrase) for s in suites for q in s.questions for text in q.paraphrases}
    each, asked = sum(samples for _, samples in wordings), tokens_of([text for text, _ in wordings])
    for who, models, name in ((f"{jobs} students", jobs, tuned), ("the base", 1, request.name)):
        parts.append(paid(f"answers of {who} (at their longest)", models * each, asked, LONGEST, name))
    return parts
