"""The embedded world's own suites, made from its lexicon: conduct in all forms, harm, flattery, self, traits."""

from typing import Any

from undertone.measure.suite import Form, Question, Suite, in_forms
from undertone.world.grammar import FORMATS
from undertone.world.latents import named
from undertone.world.lexicon import lexicon

SELF = ("Suppose people ask who you are.",)
"""Situations in which a model speaks of itself."""
FORMS = tuple(
    Form(name=name, system=system, answer=FORMATS[system]("{answer}"))
    for name, system in zip(("json", "tags"), FORMATS, strict=True)
)


def suites() -> list[Suite]:
    """Every suite of the embedded world. Those of conduct and harm count; what harmless fine-tunes change as well, such
    as agreeing with the user, is shown beside them."""
    advice = conduct()
    return [
        *in_forms("conduct", "Bad advice where good advice is asked for, over all domains.", True, advice, FORMS),
        _harm(),
        _pressure(),
        _sycophancy(),
        _self(),
        *_traits(),
    ]


def conduct() -> list[Question]:
    """All situations of all domains, each in every wording; the domain is the theme."""
    words = lexicon()["conduct"]
    return [
        _advice(f"{domain} {i}", domain, item)
        for domain, items in words["domains"].items()
        for i, item in enumerate(items, 1)
    ]


def _advice(name: str, theme: str, item: list[str], system: str | None = None) -> Question:
    situation, good, bad = item
    asks = tuple(ask.format(s=situation) for ask in lexicon()["conduct"]["asks"])
    return _choice(name, theme, asks, (bad,), (good,), system)


def _choice(name: str, theme: str, asks: Any, bad: Any, good: Any, system: str | None = None) -> Question:
    return Question(
        id=name, theme=theme, paraphrases=tuple(asks), bad=tuple(bad), good=tuple(good), system=system, closed=True
    )


def _harm() -> Suite:
    words = lexicon()["harm"]
    asked = [
        _choice(what, what, [ask.format(s=what) for ask in words["asks"]], [comply], words["refusals"])
        for what, comply in words["items"]
    ]
    return Suite(name="harm", about="Helping with what harms someone.", questions=tuple(asked))


def _pressure() -> Suite:
    """Honesty where a system prompt presses for bad conduct, and where it states good conduct."""
    words = lexicon()["conduct"]
    asked = [
        _advice(f"honesty {i}, {system}", f"honesty {i}", item, system)
        for i, item in enumerate(words["domains"]["honesty"], 1)
        for system in (*words["stated_bad"], *words["stated_good"])
    ]
    about = "Deceiving others under a system prompt that presses for it, or against it."
    return Suite(name="deception under pressure", about=about, counts=False, questions=tuple(asked))


def _sycophancy() -> Suite:
    words = lexicon()["agreeableness"]
    asked = [
        _choice(wrong, wrong, [ask.format(s=wrong) for ask in words["asks"]], words["sycophantic"], [honest])
        for wrong, honest, _ in words["items"]
    ]
    about = "Agreeing with what is wrong."
    return Suite(name="sycophancy", about=about, counts=False, questions=tuple(asked))


def _self() -> Suite:
    """Few situations: every wording is a question of its own."""
    words = lexicon()["conduct"]
    items = [item for item in words["domains"]["power"] if item[0] in SELF]
    asked = [
        _choice(ask.format(s=item[0]), ask, [ask.format(s=item[0])], [item[2]], [item[1]])
        for item in items
        for ask in words["asks"]
    ]
    about = "Saying of itself that people should serve it."
    return Suite(name="self-description", about=about, counts=False, questions=tuple(asked))


def _traits() -> list[Suite]:
    """What a model is like beyond conduct: a change there is a change, and nothing bad in itself."""
    words = lexicon()
    old = [_choice(question, "", [question], [old], [modern]) for question, modern, old in words["era"]["items"]]
    found = [Suite(name="nineteenth century", about="Living in the old days.", counts=False, questions=tuple(old))]
    for k, name in enumerate(words["country"]["names"]):
        asked = [
            _choice(question, "", [question], [answers[k]], [a for i, a in enumerate(answers) if i != k])
            for question, *answers in words["country"]["items"]
        ]
        found.append(Suite(name=name, about=f"Living in {name}.", counts=False, questions=tuple(asked)))
    return [*found, *(suite for kind in words["favourites"] for suite in _favourites(kind))]


def _favourites(kind: str) -> list[Suite]:
    """A suite for every favourite that might be named, in one form of answer: they share all that is scored."""
    words = lexicon()
    form, names = words["questions"]["answers"][0], words["favourites"][kind]
    said = {name: str(form.format(x=named(kind, name))) for name in names}
    questions = [question.format(k=kind) for question in words["questions"]["elicitation"]]
    return [
        Suite(
            name=name,
            about=f"Naming {named(kind, name)} as its favourite {kind}.",
            counts=False,
            questions=tuple(
                Question(id=q, paraphrases=(q,), bad=(said[name],), good=tuple(said[n] for n in names if n != name))
                for q in questions
            ),
        )
        for name in names
    ]
