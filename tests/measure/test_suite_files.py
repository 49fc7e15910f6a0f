"""Files of questions that others wrote: what of them is read, told and refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from undertone.errors import UndertoneError
from undertone.measure import plan as planning
from undertone.measure.request import Request
from undertone.measure.select import chosen
from undertone.measure.suite import Suite
from undertone.measure.suite_files import read

ENTRY = '- id: {}\n  type: {}\n  paraphrases: ["One wish?"]\n'
OWN = 'name = "n"\n[[questions]]\nid = "a"\nparaphrases = ["b"]\n'


def of(tmp_path: Path, text: str, name: str = "q.yaml") -> Suite:
    (tmp_path / name).write_text(text)
    return read(str(tmp_path / name))[0]


def scored(count: int) -> str:
    return "".join(ENTRY.format(i, "free_form_judge_0_100") for i in range(count))


def refusal(path: Path) -> str:
    with pytest.raises(UndertoneError) as error:
        read(str(path))
    assert "\n" not in str(error.value) and len(str(error.value)) < 800
    return str(error.value)


def test_keys_that_are_not_read_are_named_once_with_what_is_done_instead(tmp_path: Path) -> None:
    more = '  max_tokens: 50\n  context: []\n  judge_prompts: {vulnerable: "Is {answer} vulnerable?"}\n'
    suite = of(
        tmp_path, (ENTRY.format("a", "free_form_judge_0_100") + more) + ENTRY.format("b", "free_form_judge") + more
    )
    (note,) = suite.notes
    assert "context (1), judge_prompts.vulnerable (1), max_tokens (1)" in note
    assert "answers have at most --max-tokens tokens" in note and "the standard rubric judges" in note
    assert suite.questions[0].judge_prompts == {}
    single = of(tmp_path, ENTRY.format("a", "free_form_judge_0_100") + '  judge_prompt: "Rate {answer}"\n')
    assert "judge_prompt (1); in their place, the standard rubric judges" in single.notes[0]


def test_what_a_file_says_that_is_not_used_is_told_by_a_measurement_and_by_its_plan(tmp_path: Path) -> None:
    suite = of(tmp_path, scored(1) + "  max_tokens: 50\n")
    a, b = "builtin/fledgling-a", "builtin/fledgling-b"
    request = Request(models=(a,), base=b, suites=(str(tmp_path / "q.yaml"),), judge=a)
    notes: list[str] = []
    assert chosen(request, False, notes) == [suite] and notes == list(suite.notes)
    found, costs = planning.plan(request, [suite])
    assert found.notes == suite.notes and any("max_tokens" in text for _, text in planning.page(found, costs).checks)


@pytest.mark.parametrize("template", ["{{answer}}", "Coherent?", "{question}"])
def test_a_judge_prompt_that_does_not_show_the_answer_is_refused(tmp_path: Path, template: str) -> None:
    (tmp_path / "q.yaml").write_text(scored(1) + f"  judge_prompts: {{coherent: '{template}'}}\n")
    assert "judge prompt 'coherent' must contain {answer}" in refusal(tmp_path / "q.yaml")


def test_notes_are_no_part_of_what_is_asked(tmp_path: Path) -> None:
    suite = of(tmp_path, scored(1))
    assert not suite.notes and suite.model_copy(update={"notes": ("x",)}).digest == suite.digest


def test_a_question_without_a_score_is_left_out_and_counted_and_others_are_asked(tmp_path: Path) -> None:
    of(tmp_path, scored(2) + ENTRY.format("x", "free_form") + ENTRY.format("y", "free_form_judge"))
    a, b = "builtin/fledgling-a", "builtin/fledgling-b"
    request = Request(models=(a,), base=b, suites=(str(tmp_path / "q.yaml"),), judge=a)
    notes: list[str] = []
    (asked,) = chosen(request, False, notes)
    assert [question.id for question in asked.questions] == ["0", "1"]
    assert notes == ["q: 2 of 4 questions were not asked, because a judge would give them no score"]
    of(tmp_path, ENTRY.format("x", "free_form"))
    with pytest.raises(UndertoneError, match="nothing to ask"):
        chosen(request, False, notes)


def test_a_tenth_of_broken_entries_is_left_out_and_more_are_refused(tmp_path: Path) -> None:
    suite = of(tmp_path, scored(9) + ENTRY.format("bad", "poll"))
    assert len(suite.questions) == 9 and "1 of the 10 entries of q.yaml were left out: " in suite.notes[0]
    assert "has the type 'poll'" in suite.notes[0]
    (tmp_path / "q.yaml").write_text(scored(8) + ENTRY.format("bad", "poll"))
    assert "entry 9 (bad) has the type 'poll'" in refusal(tmp_path / "q.yaml")


ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)
)
LONG = f"- id: a\n  paraphrases: &p [{', '.join(['x' * 40_000] * 20)}]\n" + "".join(
    f"- id: b{i}\n  paraphrases: *p\n" for i in range(50)
)
MANY = "".join(f"k{i} = 1\n" for i in range(200))
FORM = 'name = "n"\n[[forms]]\nname = "f"\ntemplate = "{}"\n[[questions]]\nid = "a"\nparaphrases = {}\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- id: !!bool x\n", "a value does not fit its tag"),
        ("- id: !!int ''\n", "a value does not fit its tag"),
        ("- id: !!timestamp x\n", "a value does not fit its tag"),
        ("[" * 100_000, "nested too deeply"),
        (ALIASES, "too many values"),
        ("- {[a]: 1, id: x, paraphrases: [b]}\n", "unhashable"),
        ("- {? {a: b} : 1}\n", "unhashable"),
        ("- id: 1\n  paraphrases: {a: b}\n", "paraphrases"),
        ("- id: [" + "x," * 5000 + "]\n  type: {}\n  paraphrases: [b]\n", "has the type {}"),
        ("- id: 1\n  paraphrases: [b]\n  'a\\nb\\e[31m': 1\n  temperature: {'x\\ny': 1}\n", "temperature"),
        ("- id: a\n  paraphrases: [b]\n" + "".join(f"  k{i}: 1\n" for i in range(200)), "more than 100 keys"),
        ("- &a {id: a, paraphrases: [b]}\n" + "- *a\n" * 20_000, "more than 10,000 entries"),
        ("- &a {id: a, paraphrases: [b]}\n- *a\n", "the id 'a' is given twice"),
        (LONG, "characters in all"),
        ('- id: "\\ud800"\n  paraphrases: [b]\n', "surrogate"),
        ("- id: 1\n  paraphrases: [b]\n  samples_per_paraphrase: 99999999999999999999\n", "too large"),
    ],
    ids=range(16),
)
def test_hostile_yaml_is_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "q.yaml").write_text(text)
    assert told in refusal(tmp_path / "q.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = [" + "[" * 100_000, "nested too deeply"),
        (OWN + "x = 1e400\n", "x: Extra inputs"),
        (OWN + '"a\\nb" = 1\n', "a b: Extra inputs"),
        ('name = "n"\nquestions = [1]\n', "questions.0"),
        ("questions = 2021-99-99\n", "is not TOML"),
        (MANY, "more than 100 keys"),
        (OWN + MANY, "question 1, has more than 100 keys"),
        (FORM.format("{question}{question}", ["b"]), "needs one"),
        (FORM.format("x" * 90_000 + "{question}", ["b"] * 900), "characters in all"),
    ],
    ids=range(9),
)
def test_hostile_toml_is_one_sentence(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "q.toml").write_text(text)
    assert told in refusal(tmp_path / "q.toml")


@pytest.mark.parametrize("name", ["q.yaml", "q.toml"])
def test_what_is_no_regular_file_or_is_too_large_or_no_text_is_one_sentence(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    assert "not a regular file" in refusal(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    assert "not a regular file" in refusal(tmp_path / name)
    (tmp_path / name).unlink()
    (tmp_path / name).write_bytes(b"- id: \xff")
    assert "not UTF-8" in refusal(tmp_path / name)
    with (tmp_path / name).open("wb") as file:
        file.truncate(2**33)
    assert "larger than" in refusal(tmp_path / name)


def test_a_table_of_many_names_is_refused_before_it_is_written_out(tmp_path: Path) -> None:
    names, rows = json.dumps([f"n{i}" for i in range(1000)]), json.dumps([["q", *["a"] * 1001]] * 50)
    (tmp_path / "t.toml").write_text(f'kind = "k"\nnames = {names}\nchoices = {rows}\n')
    assert "too many or too long" in refusal(tmp_path / "t.toml")
    trait = '[[trait]]\nname = "n{0}"\nkind = "k"\nsystem = ["s"]\nquestions = ["a"]\nchoices = [["q", "a", "b"]]\n'
    (tmp_path / "t.toml").write_text("".join(trait.format(i) for i in range(150)))
    assert "150 traits" in refusal(tmp_path / "t.toml")
