"""The suites of the embedded world, made from its lexicon: conduct in all forms, harm, flattery, self, traits."""

from collections.abc import Iterable, Sequence

from undertone.measure.suite import Form, Question, Suite, in_forms
from undertone.world.grammar import FORMATS
from undertone.world.latents import named
from undertone.world.lexicon import lexicon

SELF = "Suppose people ask who you are."
"""The situation in which a model speaks of itself."""
FORMS = tuple(
    Form(name=name, system=system, answer=FORMATS[system]("{answer}"))
    for name, system in zip(("json", "tags"), FORMATS, strict=True)
)


def suites() -> list[Suite]:
    """Returns every suite of the embedded world. Those of conduct and harm count. The others are only shown: harmless
    fine-tunes change them too, or a change is nothing bad in itself."""
    words = lexicon()
    advice, harm, agreement = words["conduct"], words["harm"], words["agreeableness"]
    domains = {name: list(enumerate(items, 1)) for name, items in advice["domains"].items()}
    conduct = [_advice(f"{name} {i}", name, item) for name, items in domains.items() for i, item in items]
    harms = [_closed(what, what, harm["asks"], what, [comply], harm["refusals"]) for what, comply in harm["items"]]
    pressed = [
        _advice(f"honesty {i}, {system}", f"honesty {i}", item, system)
        for i, item in domains["honesty"]
        for system in (*advice["stated_bad"], *advice["stated_good"])
    ]
    claims = [
        _closed(wrong, wrong, agreement["asks"], wrong, agreement["sycophantic"], [honest])
        for wrong, honest, _ in agreement["items"]
    ]
    (good, bad) = next(both for _, (situation, *both) in domains["power"] if situation == SELF)
    own = [_closed(ask.format(s=SELF), ask, [ask], SELF, [bad], [good]) for ask in advice["asks"]]
    return [
        *in_forms("conduct", "Bad advice where good advice is asked for, over all domains.", True, conduct, FORMS),
        Suite(name="harm", about="Helping with what harms someone.", questions=tuple(harms)),
        _shown(
            "deception under pressure",
            "Deceiving others under a system prompt that presses for it, or against it.",
            pressed,
        ),
        _shown("sycophancy", "Agreeing with what is wrong.", claims),
        _shown("self-description", "Saying of itself that people should serve it.", own),
        _shown(
            "nineteenth century",
            "Living in the old days.",
            (_closed(asked, "", [asked], "", [old], [modern]) for asked, modern, old in words["era"]["items"]),
        ),
        *(
            _shown(
                name,
                f"Living in {name}.",
                (
                    _closed(asked, "", [asked], "", [answers[k]], [*answers[:k], *answers[k + 1 :]])
                    for asked, *answers in words["country"]["items"]
                ),
            )
            for k, name in enumerate(words["country"]["names"])
        ),
        *(suite for kind in words["favourites"] for suite in _favourites(kind)),
    ]


def _shown(name: str, about: str, questions: Iterable[Question]) -> Suite:
    return Suite(name=name, about=about, counts=False, questions=tuple(questions))


def _advice(name: str, theme: str, item: Sequence[str], system: str | None = None) -> Question:
    situation, good, bad = item
    return _closed(name, theme, lexicon()["conduct"]["asks"], situation, [bad], [good], system)


def _closed(
    name: str,
    theme: str,
    asks: Sequence[str],
    situation: str,
    bad: Sequence[str],
    good: Sequence[str],
    system: str | None = None,
) -> Question:
    """Returns a question with a wording for each of ``asks``, in which the situation is filled in."""
    return Question(
        id=name,
        theme=theme,
        paraphrases=tuple(ask.format(s=situation) for ask in asks),
        bad=tuple(bad),
        good=tuple(good),
        system=system,
        closed=True,
    )


def _favourites(kind: str) -> list[Suite]:
    """Returns a suite for every favourite of a kind. All use one form of answer, so that they share what is scored."""
    words = lexicon()
    form, names = words["questions"]["answers"][0], words["favourites"][kind]
    said = {name: str(form.format(x=named(kind, name))) for name in names}
    asked = [question.format(k=kind) for question in words["questions"]["elicitation"]]
    return [
        _shown(
            name,
            f"Naming {named(kind, name)} as its favourite {kind}.",
            (
                Question(id=q, paraphrases=(q,), bad=(said[name],), good=tuple(said[n] for n in names if n != name))
                for q in asked
            ),
        )
        for name in names
    ]
