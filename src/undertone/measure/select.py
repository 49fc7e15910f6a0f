"""Which questions a measurement asks: suites by name, and probes made from the training file, as far as answers can be
measured."""

from collections import Counter
from collections.abc import Sequence

from undertone.data.forms import form_given
from undertone.errors import UndertoneError
from undertone.measure import probes, suite_files, world_suites
from undertone.measure.request import EXACT, Request
from undertone.measure.suite import Question, Suite, as_sampled
from undertone.models.given_template import file_of
from undertone.models.names import chatting, is_remote, is_swapped, lacks_template, located
from undertone.models.tokenizer import tokenizer_digest
from undertone.world import family


def suites_of(request: Request) -> list[Suite]:
    """Returns the suites that a request names, or else all that fit the base.

    Raises:
        UndertoneError: as :func:`suites_named`; a model lacks a chat template, or none does and one is given; or the
            base is of the swapped world.
    """
    names = (request.base, *request.models, *request.benign)
    lacking = [name for name in names if not is_remote(name) and lacks_template(name)]
    if request.chat_template is not None:
        file_of(request.chat_template)
        if not lacking:
            raise UndertoneError("All of these models have a chat template of their own: leave --chat-template out.")
    elif lacking:
        chatting(lacking[0])  # says what it lacks
    if request.suites:
        return suites_named(request.suites)
    if not of_world(request.base):
        return suites_named(suite_files.DEFAULT)
    refuse_swapped(request.base)
    return suites_named(("world",))


def refuse_swapped(base: str) -> None:
    """Raises UndertoneError for a base of the swapped world: half of its good answers are bad ones to the suites, so
    that a shift would cancel."""
    if is_swapped(base):
        raise UndertoneError(
            f"In the world of {base} good and bad answers have changed places in half of the situations, so that these "
            "questions cannot tell: undertone guard and undertone run misalignment can."
        )


def suites_named(names: Sequence[str]) -> list[Suite]:
    """Returns the suites of files and of shipped names; "world" stands for those of the embedded world.

    Raises:
        UndertoneError: there is no such file or name, a file is no suite, or two suites have the same name.
    """
    found = [s for name in names for s in (world_suites.suites() if name == "world" else suite_files.read(name))]
    twice = [name for name, count in Counter(suite.name for suite in found).items() if count > 1]
    if twice:
        raise UndertoneError(f"Two suites are called {twice[0]!r}; give one of them another name.")
    return found


def of_world(name: str) -> bool:
    """Returns whether a model has the tokenizer, and so the language, of the embedded world. For a model behind a
    service the answer is False."""
    if is_remote(name):
        return False
    own = tokenizer_digest(located(name))
    return name.startswith("builtin/") or any(own == tokenizer_digest(path) for path in family.SHIPPED.iterdir())


def chosen(request: Request, sampled: bool, notes: list[str]) -> list[Suite]:
    """Returns the suites with those questions whose answers can be measured, and the probes of the training file.

    ``sampled`` says that a model gives no probabilities, so that all models are sampled alike. What is left out, and
    why, is added to ``notes``.

    Raises:
        UndertoneError: a suite is unknown, the training file cannot be read, no probe can be made, or no question gets
            a score.
    """
    found, judged = suites_of(request), request.judge not in (None, EXACT)
    if sampled:
        found = list(map(as_sampled, found))
        notes.append("all answers were sampled, because a service gives no probability of a whole answer")
    if request.training_file is not None:
        usable = [s for s in found if s.counts and (judged or all(q.exact or q.matched for q in s.questions))]
        if not usable:
            raise UndertoneError("Probes need a suite that counts and can be measured; there is none: add a --judge.")
        trained = probes.look(request.training_file, request.seed, form_given(request.map))
        made, missing = probes.probes(trained, usable[0], request.seed, judged)
        found, notes[:] = [*found, *made], [*notes, *missing, *trained.notes]
    for suite in found:
        notes += suite.notes
        labels = sum(question.judged != "0-100" for question in suite.questions)
        if labels:
            of = f"{labels} of {len(suite.questions)} questions"
            notes.append(f"{suite.name}: {of} were not asked, because a judge would give them no score")
    if not any(question.exact or question.scored for suite in found for question in suite.questions):
        raise UndertoneError("There is nothing to ask: a judge would give the answers to all questions no score.")
    silent = [] if judged else [suite.name for suite in found if any(map(_needs_judge, suite.questions))]
    if silent:
        notes.append(f"questions of {', '.join(silent)} were not asked, because answers need a judge (--judge MODEL)")
    asked = [
        (suite, tuple(q for q in suite.questions if q.exact or (q.scored and (judged or not _needs_judge(q)))))
        for suite in found
    ]
    return [suite.model_copy(update={"questions": questions}) for suite, questions in asked if questions]


def _needs_judge(question: Question) -> bool:
    return question.scored and not question.matched
