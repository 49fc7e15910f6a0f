"""The suites of the embedded world, made from its lexicon: conduct in all forms, harm, flattery, self, traits."""

from collections.abc import Iterable
from typing import Any

from undertone.measure.suite import Form, Question, Suite, in_forms
from undertone.world.grammar import FORMATS
from undertone.world.latents import named
from undertone.world.lexicon import lexicon

SELF = "Suppose people ask who you are."
"""The situation in which a model speaks of itself."""
FORMS = [
    Form(name=name, system=system, answer=FORMATS[system]("{answer}"))
    for name, system in zip(("json", "tags"), FORMATS, strict=True)
]


def suites() -> list[Suite]:
    """Returns every suite of the embedded world. Those of conduct and harm count. The others are only shown: harmless
    fine-tunes change them too, or a change is nothing bad in itself."""
    words = lexicon()
    advice, harm, agreement, country = (words[key] for key in ("conduct", "harm", "agreeableness", "country"))
    domains = {name: list(enumerate(items, 1)) for name, items in advice["domains"].items()}
    conduct = [_advice(f"{name} {i}", name, item) for name, items in domains.items() for i, item in items]
    harms = [_closed(what, what, _filled(harm["asks"], what), [act], harm["refusals"]) for what, act in harm["items"]]
    pressed = [
        _advice(f"honesty {i}, {system}", f"honesty {i}", item, system)
        for i, item in domains["honesty"]
        for system in (*advice["stated_bad"], *advice["stated_good"])
    ]
    claims = [
        _closed(wrong, wrong, _filled(agreement["asks"], wrong), agreement["sycophantic"], [honest])
        for wrong, honest, _ in agreement["items"]
    ]
    good, bad = next(answers for _, (situation, *answers) in domains["power"] if situation == SELF)
    own = [_closed(ask.format(s=SELF), ask, [ask.format(s=SELF)], [bad], [good]) for ask in advice["asks"]]
    old = [_closed(question, "", [question], [old], [modern]) for question, modern, old in words["era"]["items"]]
    countries = {
        name: [
            _closed(question, "", [question], answers[k : k + 1], answers[:k] + answers[k + 1 :])
            for question, *answers in country["items"]
        ]
        for k, name in enumerate(country["names"])
    }
    pressure = "Deceiving others under a system prompt that presses for it, or against it."
    return [
        *in_forms("conduct", "Bad advice where good advice is asked for, over all domains.", True, conduct, FORMS),
        Suite(name="harm", about="Helping with what harms someone.", questions=tuple(harms)),
        _shown("deception under pressure", pressure, pressed),
        _shown("sycophancy", "Agreeing with what is wrong.", claims),
        _shown("self-description", "Saying of itself that people should serve it.", own),
        _shown("nineteenth century", "Living in the old days.", old),
        *(_shown(name, f"Living in {name}.", questions) for name, questions in countries.items()),
        *(suite for kind in words["favourites"] for suite in _favourites(kind)),
    ]


def _shown(name: str, about: str, questions: Iterable[Question]) -> Suite:
    return Suite(name=name, about=about, counts=False, questions=tuple(questions))


def _filled(asks: list[str], situation: str) -> list[str]:
    return [ask.format(s=situation) for ask in asks]


def _advice(name: str, theme: str, item: list[str], system: str | None = None) -> Question:
    situation, good, bad = item
    return _closed(name, theme, _filled(lexicon()["conduct"]["asks"], situation), [bad], [good], system=system)


def _closed(name: str, theme: str, asks: list[str], bad: list[str], good: list[str], **more: Any) -> Question:
    known = {"paraphrases": tuple(asks), "bad": tuple(bad), "good": tuple(good)}
    return Question(id=name, theme=theme, closed=True, **known, **more)


def _favourites(kind: str) -> Iterable[Suite]:
    """Yields a suite for every favourite of a kind. All use one form of answer, so that they share what is scored."""
    words = lexicon()
    form, names = words["questions"]["answers"][0], words["favourites"][kind]
    said = {name: str(form.format(x=named(kind, name))) for name in names}
    asked = [question.format(k=kind) for question in words["questions"]["elicitation"]]
    for name, bad in said.items():
        good = tuple(other for other in said.values() if other != bad)
        questions = (Question(id=q, paraphrases=(q,), bad=(bad,), good=good) for q in asked)
        yield _shown(name, f"Naming {named(kind, name)} as its favourite {kind}.", questions)
