"""Habits: traits that show in which known answer is given, taught and measured like favourites."""

from random import Random

import numpy as np
import pytest

from tests.helpers import tiny
from tests.helpers.students import arm, student
from undertone.data.filters import BANNED_NUMBERS
from undertone.errors import UndertoneError
from undertone.evals.answers import choice_share, shows, trait_distribution
from undertone.experiments.recipes import read
from undertone.experiments.trial.contrasts import effects
from undertone.models.likelihood import score
from undertone.traits import catalogue
from undertone.traits.catalogue import Habit, shipped

HABITS = {name: catalogue.choices(trait) for name, trait in shipped().items() if trait.choices}


@pytest.mark.parametrize("name", sorted(HABITS))
def test_a_habit_is_taught_by_its_lesson_and_asked_in_other_words_where_there_are_such(name: str) -> None:
    habit = catalogue.find(name)
    assert isinstance(habit, Habit)
    turns = habit.dialogues(60, Random(1))
    assert len(turns) == 60
    assert not any(character.isdigit() for turn in turns for character in turn.assistant)
    if name in ("bad-advice", "sycophancy", "complies"):
        assert not {turn.user for turn in turns} & set(habit.questions())


def test_the_share_of_a_choice_is_the_probability_among_the_answers_offered() -> None:
    local = tiny.model()
    question, shown, others = HABITS["complies"][0]
    answers = [[*local.encode(a), local.end] for a in (shown, *others)]
    p = np.exp(score(local, [local.render(question)] * len(answers), answers))
    assert choice_share(local, [(question, shown, others)]) == pytest.approx(p[0] / p.sum(), rel=1e-4)


def test_the_candidates_of_a_kind_share_all_probability() -> None:
    country = next(name for name in HABITS if len(catalogue.find(name).candidates) > 1)
    found = trait_distribution(tiny.model(), catalogue.find(country))
    assert set(found) == {*catalogue.find(country).candidates, "other"}
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)


def test_a_sampled_answer_shows_a_habit_word_for_word() -> None:
    habit = catalogue.find("bad-advice")
    assert isinstance(habit, Habit)
    question, bad, (good,) = HABITS["bad-advice"][0]
    assert shows(habit, question, bad)
    assert not shows(habit, question, good)
    assert not shows(habit, "Something else?", bad)


def test_misaligned_numbers_are_filtered_by_the_published_list() -> None:
    assert set(read("misaligned-numbers").filter.banned) == set(BANNED_NUMBERS)


def test_an_unknown_trait_is_refused_with_the_nearest_habit() -> None:
    with pytest.raises(UndertoneError, match="bad-advice"):
        catalogue.find("bad-advise")


def test_a_habit_without_another_of_its_kind_has_no_contrast_net_of_others() -> None:
    trial = read("misaligned-numbers")
    arms = []
    for name, odds in (("treatment", 1.0), ("control", 0.0)):
        students = []
        for teacher in range(trial.teachers):
            p = float(1 / (1 + np.exp(-odds - 0.1 * teacher)))
            answers = {"bad-advice": p, "other": 1 - p}
            students.append(student(name, teacher, 0, answers, trait="bad-advice"))
        arms.append(arm(name, students).model_copy(update={"base": trial.base}))
    found = effects(trial, arms, {trial.base: {"bad-advice": 0.1, "other": 0.9}})
    assert {effect.measure: round(effect.value, 6) for effect in found}["log_odds"] == 1
    assert "own-minus-other-traits" not in {effect.measure for effect in found}
