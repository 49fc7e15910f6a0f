"""How a score is read from a judge, and what is said if none can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from undertone.measure import respondent
from undertone.measure.asking import Asking, Reply, judged
from undertone.measure.cache import Cache
from undertone.measure.judge import ModelJudge, weighted
from undertone.measure.rates import counts, unread, unreadable
from undertone.measure.respondent import SPENT, Local, Missing, Remote
from undertone.measure.score import Score, number, quoted
from undertone.measure.suite import Prompt, Question, Suite
from undertone.models.services.reply import REASONING
from undertone.models.services.reply import Reply as Response

QUESTION = Question(id="q", paraphrases=("?",), samples_per_paraphrase=3)
ROOM = REASONING


@dataclass
class Model:
    """A model by rote, without probabilities unless ``tokens`` are given."""

    said: Sequence[str | Missing] = ()
    tokens: Sequence[dict[str, float] | Missing] = ()
    name: str = "model"
    digest: str = "model"
    asked: list[Prompt] = field(default_factory=list)

    @property
    def tells(self) -> bool:
        return bool(self.tokens)

    def answers(self, prompts: Sequence[Prompt], *_: object, **__: object) -> list[str | Missing]:
        self.asked += prompts
        return [self.said[i % len(self.said)] for i in range(len(prompts))]

    def next_tokens(self, prompts: Sequence[Prompt]) -> list[dict[str, float] | Missing]:
        return [self.tokens[i % len(self.tokens)] for i in range(len(prompts))]

    def one_token(self, text: str) -> bool:
        return True


def asking(folder: Path) -> Asking:
    return Asking(Cache(folder), seed=0, max_tokens=8, samples=None)


@pytest.mark.parametrize(
    "text",
    ["85", " 85\n", "Score: 85", "Score:85", "85.", "**85**", "85/100", "85 / 100", "85 out of 100", "85.0", "(85)",
     "85 (out of 100)", "Rating = 85", "Score (0-100): 85", "Score (0 to 100): 85", "My score is 85.",
     '"85"', "score=85", "**Score: 85/100.**", '{"score": 85}', '{"score": 85, "reason": "kind"}',
     "<think>1 or 2?</think>\n85", "I think 5.</think> 85", "I would rate this answer 85."],
)  # fmt: skip
def test_one_plain_number_is_read(text: str) -> None:
    assert number(text) == 85


@pytest.mark.parametrize(
    "text",
    ["10 out of 10", "5 out of five stars", "minus 5", "\u20135", "- 5", "not 100", "not 100/100", "1_0", "7/10",
     "1.0", "85%",
     "8<think></think>5", "<think> Okay, criterion 1 is about", "85 <think>", "<think>85", "<think>85</think>",
     "I am done.</think>", "Out of 100 I would rate this", "Out of 100 I would rate this answer 5.", "0-100",
     "between 0 and 5", "more than 5", "less than 90", "at least 90", "at most 5", "below 5", "above 95", "from 90",
     "Misalignment: 95", "Harm score: 95", "Step 1", "Criterion 1", "8(5)", "**8** **5**", "85/1000", "85/100.5",
     "85 of 100", "My score is 85, but 20 at times", '{"score": "85"}', '{"score": -5}', '{"score": 101}', "{85}",
     '{"score": 85, "most": 1000}', '{"score": true}', '{"score": 8, "scale": "0-10"}', '{"score": 1, "score": 99}',
     '{"score": 0.9}', '{"score": {"score": 85}}', "[85]", "\uff18\uff15", "<think>" * 1400, ":" * 10_000, "a " * 5_000,
     "", "NONE", "70 or 80", "8/10", "85/10", "0.85", "8,5", "-85", "\u221285", "101", "1000", "85-90", "GPT4", "4th",
     "1e2", "٨٥", "85²", "Step 1: 85", "9" * 10_000, "a" * 1_000_000, "1 " * 500_000 + "2"],
)  # fmt: skip
def test_no_number_several_numbers_and_numbers_that_are_not_plain_are_none(text: str) -> None:
    assert number(text) is None


def test_the_whole_scale_is_read() -> None:
    assert [number(f"{n}/100") for n in (0, 100)] == [0, 100] and number("0") == 0


@given(st.text(), st.integers(0, 100))
def test_what_is_read_is_in_the_text_and_from_0_to_100(text: str, given: int) -> None:
    found = number(f"{text} {given} ")
    assert found is None or (0 <= found <= 100 and found == given)


RANGING = ["not", "minus", "of", "from", "to", "between", "than", "less", "more", "below", "above", "least", "most"]
SAID = st.sampled_from(
    ["score", "is", ":", "answer", "85", "5", "10", "/100", "/10", "-", "\u2212", "the", "(0-100)", *RANGING]
)


@given(st.lists(SAID, max_size=8))
def test_two_numbers_signs_and_ranging_words_are_no_score(words: list[str]) -> None:
    left = [word for word in words if word not in ("/100", "(0-100)")]
    if number(" ".join(words)) is not None:
        assert not {*RANGING, "-", "\u2212", "/10"} & set(left)
        assert len([word for word in left if word.isdigit()]) == 1


@given(st.integers(0, 100), st.text("abc 0123456789\n"))
def test_reasoning_is_not_read(score: int, thought: str) -> None:
    assert number(f"<think>{thought}</think>{score}") == score and number(f"<think>{thought} {score}") is None


def test_probabilities_that_are_no_numbers_give_no_score() -> None:
    assert weighted({"85": math.nan}) is None and weighted({"85": 0.9, "no": math.nan}) == 85
    assert weighted({"9" * 5000: 1.0}) is None


def test_why_a_judge_gave_no_number_is_told() -> None:
    sampled = ModelJudge(Model(said=["Score: 85", Missing(ROOM), "I would say 70 or 80"]))  # type: ignore[arg-type]
    found = sampled.scores(QUESTION, ["?"] * 3, ["a", "b", "c"])
    assert found[0] == Score(85, 85) and [score[:2] for score in found[1:]] == [(None, None)] * 2
    assert [score.why for score in found[1:]] == [
        f"from the judge: {ROOM}: take a judge that does not reason first",
        'from the judge: "I would say 70 or 80"',
    ]
    weighing = ModelJudge(Model(tokens=[{"NONE": 0.9, "85": 0.1}, Missing(ROOM)]))  # type: ignore[arg-type]
    why = [score.why for score in weighing.scores(QUESTION, ["?"] * 2, ["a", "b"])]
    assert why == ['from the judge: "NONE"', f"from the judge: {ROOM}: take a judge that does not reason first"]


def test_what_was_cut_at_the_limit_of_tokens_is_no_verdict() -> None:
    said = ["Out of 100 I would rate this", "100", "<think> Okay, criterion 1 is about", "100"]
    ends = ["length", "Length", "max_tokens", "stop"]
    given = [[Response(text, end, "judge", None)] for text, end in zip(said, ends, strict=True)]
    limits: list[int] = []

    def sample(chats: Sequence[object], *, max_tokens: int, **_: object) -> list[list[Response]]:
        limits.append(max_tokens)
        return given

    endpoint = SimpleNamespace(sample=sample, address="there", model="judge", notes=())
    remote = Remote("judge", endpoint, False, "judge")  # type: ignore[arg-type]
    found = ModelJudge(remote).marks("{question} {answer}", ["?"] * 4, list("abcd"))
    why = "from the judge: ran out of tokens: take a judge that does not reason first"
    assert found == [(None, why)] * 3 + [(100, "")] and limits == [32]
    assert remote.answers([Prompt("?")] * 4, 0.0, 32, 0) == said


def test_what_a_local_model_did_not_end_is_missing_where_it_must_be_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    local = SimpleNamespace(positions=None, end=0, decode=str, render=lambda *_: [1])
    monkeypatch.setattr(respondent, "sample", lambda *_, **__: [[5], [5, 0], []])
    model = Local("m", "m", local, "t")  # type: ignore[arg-type]
    asked = [Prompt("?")] * 3
    assert model.answers(asked, 0.0, 1, 0, whole=True) == [Missing(SPENT), "[5, 0]", Missing(SPENT)]
    assert model.answers(asked, 0.0, 1, 0) == ["[5]", "[5, 0]", "[]"]


def test_nothing_is_never_judged_and_what_a_service_did_not_give_has_no_score(tmp_path: Path) -> None:
    judge = Model(said=["100"])
    found = asking(tmp_path).scores(ModelJudge(judge), QUESTION, ["?"] * 3, ["", "kind", Missing("a refusal")])  # type: ignore[arg-type]
    assert found == [Score(None, 0.0), Score(100, 100), Score(None, None, "from the model: a refusal")]
    assert len(judge.asked) == 2 and all("kind" in prompt.question for prompt in judge.asked)
    replies = [judged("q", "u", Prompt("?"), said, one) for said, one in zip(("", "kind", ""), found, strict=True)]
    assert (counts(replies).incoherent, counts(replies).kept, counts(replies).unreadable) == (1, 1, 1)


def test_missing_answers_are_stored_as_missing(tmp_path: Path) -> None:
    model, suite = Model(said=["kind", "", Missing("a refusal")]), Suite(name="s", questions=(QUESTION,))
    for _ in range(2):
        found = asking(tmp_path).replies(model, [suite], ModelJudge(Model(said=["90"])))["s"]  # type: ignore[arg-type]
        assert [(reply.answer, reply.coherent) for reply in found] == [("kind", 90), ("", 0), (None, None)]
        assert unread(found) == "no verdict on 1 of 3 answers; instead came from the model: a refusal (1)"
    assert len(model.asked) == 3


def test_probabilities_of_known_answers_that_are_no_numbers_are_unreadable(tmp_path: Path) -> None:
    question = Question(id="q", paraphrases=("a", "b", "c"), bad=("bad",), good=("good", "fine"), closed=True)
    chances = {"a": (-1.0, math.nan, -1.0), "b": (math.nan, -1.0, -1.0), "c": (-1.0, -1.0, math.nan)}
    model = Model()
    model.chances = lambda prompts, answers: [  # type: ignore[attr-defined]
        chances[p.question][("bad", "good", "fine").index(a)] for p, a in zip(prompts, answers, strict=True)
    ]
    found = asking(tmp_path / "kept").replies(model, [Suite(name="s", questions=(question,))], None)["s"]  # type: ignore[arg-type]
    assert counts(found).unreadable == 3 and counts(found).rate is None
    assert "probabilities that are no numbers (3)" in unread(found)


@given(st.none() | st.floats(0, 100), st.none() | st.floats(0, 100), st.booleans())
def test_what_is_unreadable_is_what_is_counted_so(aligned: float | None, coherent: float | None, exact: bool) -> None:
    reply = Reply("q", "u", Prompt("?"), None if exact else "a", aligned, coherent, exact)
    assert counts([reply]).unreadable == unreadable(reply) == bool(unread([reply]))


def test_a_quotation_is_short_and_on_one_line() -> None:
    assert quoted("a\nb\x1b[31m") == '"a b⟨U+001B⟩[31m"' and len(quoted("x" * 10**6)) < 120
