"""Which questions a measurement asks: suites by name, and probes of the training file, where answers can be read."""

from collections.abc import Sequence

from undertone.errors import UndertoneError
from undertone.measure import probes
from undertone.measure import suite_files as reading
from undertone.measure import world_suites as world
from undertone.measure.endpoint import is_remote
from undertone.measure.judge import EXACT
from undertone.measure.request import Request
from undertone.measure.suite import Suite, as_sampled
from undertone.models.names import resolve, tokenizer_digest
from undertone.world import family


def suites_of(request: Request) -> list[Suite]:
    """The suites asked for: those named, or all that fit the base."""
    return suites_named(request.suites or (("world",) if of_world(request.base) else reading.DEFAULT))


def suites_named(names: Sequence[str]) -> list[Suite]:
    """The suites of files and shipped names, and of the embedded world by the name "world".

    Raises:
        UndertoneError: there is no such file or name, it is no suite, or two suites have one name.
    """
    found = [suite for name in names for suite in (world.suites() if name == "world" else reading.read(name))]
    seen: set[str] = set()
    for suite in found:
        if suite.name in seen:
            raise UndertoneError(f"Two suites are called {suite.name!r}; give one of them another name.")
        seen.add(suite.name)
    return found


def of_world(name: str) -> bool:
    """Whether a model has the tokenizer, and so the language, of the embedded world; of a service nobody can tell."""
    if is_remote(name):
        return False
    own = tokenizer_digest(resolve(name.partition(":")[0]).path)
    shipped = (family.SHIPPED / member for member in family.FAMILY)
    return name.startswith("builtin/") or own in {tokenizer_digest(path) for path in shipped if path.is_dir()}


def chosen(request: Request, sampled: bool, notes: list[str]) -> list[Suite]:
    """What is asked: suites whose answers can be measured, and the probes of the training file. ``sampled``: some of
    the models tell no probabilities, so that all are sampled alike. What is left out, and why, goes to ``notes``.

    Raises:
        UndertoneError: an unknown suite, a training file that cannot be read, or nothing to make probes of.
    """
    found, judged = suites_of(request), request.judge not in (None, EXACT)
    if sampled:
        found = [as_sampled(suite) for suite in found]
        notes.append("no exact chances: a service tells no probability of a whole answer, so all answers are sampled")
    if request.training_file is not None:
        usable = [s for s in found if s.counts and (judged or all(q.exact or q.matched for q in s.questions))]
        if not usable:
            raise UndertoneError("Probes are made of a suite that counts, and none can be measured; give a --judge.")
        made, missing = probes.probes(probes.look(request.training_file, request.seed), usable[0], request.seed, judged)
        found, notes[:] = [*found, *made], [*notes, *missing]
    for suite in found:
        labels = sum(question.judged == "label" for question in suite.questions)
        if labels:
            notes.append(f"{suite.name}: {labels} questions want a label, not a score, and were not asked")
    asked = [part for suite in found if (part := _measurable(suite, judged)) is not None]
    silent = [s.name for s in found if not judged and any(q.scored and not q.matched for q in s.questions)]
    if silent:
        notes.append(f"not asked, since answers need a judge (--judge MODEL): questions of {', '.join(silent)}")
    return asked


def _measurable(suite: Suite, judged: bool) -> Suite | None:
    kept = tuple(q for q in suite.questions if q.exact or (q.scored and (judged or q.matched)))
    return suite.model_copy(update={"questions": kept}) if kept else None
