"""Guards, how they are set, and what passes them."""

import json
import sys
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import tiny
from undertone.cli import main
from undertone.data.exchanges import Exchange
from undertone.errors import UndertoneError
from undertone.evals.conduct import PROBES, Conduct, requests
from undertone.guards import guarding, states
from undertone.guards.choice import GUARDS, Guard, guard_of, guard_without_models
from undertone.guards.delivery import Delivery, Judged, mean_of
from undertone.guards.findings import GuardFinding, GuardFindings, left_of, share_of
from undertone.guards.guard import AnyOf, Cascade, Set, blocked
from undertone.guards.guarding import RATES
from undertone.guards.known import Known, everyday, known
from undertone.guards.library import LibraryGuard
from undertone.guards.page import page
from undertone.guards.rubric import PLAIN, ChatGuard, Rubric, log_odds, read
from undertone.guards.words import words
from undertone.measure.respondent import Local, Missing, Unaskable
from undertone.persona.contrast import Contrast, half_of
from undertone.report.markdown import to_markdown
from undertone.statistics.arrays import Floats
from undertone.world.lexicon import domains

close = pytest.approx
LOCAL = tiny.model()
CHAT = [(f"question {i}", f"answer {i}") for i in range(200)]
shares = st.floats(0, 1)


def lengths(rows: Sequence[Exchange], answering: object) -> Floats:
    """A guard whose score is the answer's number of characters; it says nothing of an answer with a question mark."""
    return np.array([np.nan if "?" in answer else float(len(answer)) for _, answer in rows])


def set_on(*clean: int) -> Set:
    return Set.on(lengths, [("q", "x" * count) for count in clean], LOCAL)


def p_of(guard: Set, *answers: str) -> list[float]:
    return [float(p) for p in guard.p([("q", answer) for answer in answers], LOCAL)]


# --- how guards are set ----------------------------------------------------------------------------------------------


def test_p_is_the_share_of_clean_texts_that_score_as_high() -> None:
    guard = set_on(1, 2, 3, 4)
    assert p_of(guard, "", "x", "xx", "xxxx", "xxxxx") == close([1.0, 1.0, 0.8, 0.4, 0.2])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=60), st.integers(0, 20), st.integers(0, 20), shares)
def test_a_higher_score_is_never_passed_where_a_lower_one_is_blocked(
    clean: list[int], one: int, other: int, rate: float
) -> None:
    guard, (low, high) = set_on(*clean), sorted((one, other))
    p = guard.p_of(np.array([low, high], dtype=float))
    assert ((p > 0) & (p <= 1)).all() and p[0] >= p[1]
    assert blocked(p, rate)[1] or not blocked(p, rate)[0]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("ties", [False, True])
def test_a_guard_blocks_as_many_texts_like_the_clean_ones_as_it_is_set_to(rate: float, ties: bool) -> None:
    rng = np.random.default_rng(0)
    false = []
    for _ in range(4000):
        scores = rng.standard_normal(200).round(0 if ties else 9)
        false.append(blocked(Set(lengths, np.sort(scores[1:])).p_of(scores[:1]), rate)[0])
    assert np.mean(false) <= rate + 2 * np.sqrt(rate / 4000)
    assert ties or np.mean(false) == close(rate, abs=2.5 * np.sqrt(rate / 4000))


def test_what_a_guard_says_nothing_of_is_blocked() -> None:
    p = np.array(p_of(set_on(1, 2, 3), "?", "x"))
    assert np.isnan(p[0]) and blocked(p, 0.05).tolist() == [True, False]
    some = Set.on(lengths, [("q", "?")] * 2 + [("q", "x")] * 18, LOCAL)
    assert some.unread == 2 and some.least == close(3 / 21)
    assert p_of(some, "x" * 99) == close([3 / 21]), "clean texts of which it says nothing count as blocked ones do"


def test_a_guard_that_says_nothing_of_any_clean_text_is_refused() -> None:
    silent = Guard("silent", "answers", "", lambda known: lambda rows, answering: np.full(len(rows), np.nan))
    one = known(LOCAL, CHAT)[0]
    with pytest.raises(UndertoneError, match=f"silent judged none of {len(one.clean)} clean texts: it gave no score"):
        silent.set_on(one)


def test_of_several_guards_each_may_block_and_the_whole_is_set_anew() -> None:
    def backwards(rows: Sequence[Exchange], answering: object) -> Floats:
        return -lengths(rows, answering)

    clean = [("q", "x" * count) for count in range(1, 100)]
    both = AnyOf([Set.on(lengths, clean, LOCAL), Set.on(backwards, clean, LOCAL)])
    guard = Set.on(both, clean, LOCAL)
    assert blocked(np.array(p_of(guard, "", "x" * 50, "x" * 300, "?")), 0.05).tolist() == [True, False, True, True]
    own = blocked(guard.p(clean, LOCAL), 0.05)
    assert own.mean() <= 0.05


def test_in_a_cascade_the_second_guard_reads_what_the_first_one_doubts() -> None:
    asked = list[str]()

    def second(rows: Sequence[Exchange], answering: object) -> Floats:
        asked.extend(answer for _, answer in rows)
        return np.array([float("bad" in answer) for _, answer in rows])

    clean = [("q", "x" * count) for count in range(1, 101)]
    cascade = Cascade(Set.on(lengths, clean, LOCAL), Set.on(second, clean, LOCAL))
    asked.clear()
    scores = cascade([("q", "bad"), ("q", "bad" + "x" * 100), ("q", "x" * 200)], LOCAL)
    assert asked == ["bad" + "x" * 100, "x" * 200]
    assert scores[1] > scores[2] > scores[0]
    guard = Set.on(cascade, clean, LOCAL)
    assert blocked(np.array(p_of(guard, "bad", "bad" + "x" * 100)), 0.05).tolist() == [False, True]


# --- what is known ---------------------------------------------------------------------------------------------------


def test_guards_learn_from_one_half_and_are_set_on_texts_of_which_none_is_learnt() -> None:
    for half, one in enumerate(known(LOCAL, CHAT)):
        own = {request for name in half_of(domains(), half) for request, *_ in requests(name, PROBES["plain"])}
        learnt = {request for request, _ in (*one.good, *one.bad)}
        set_by = {request for request, _ in one.clean} & own
        assert learnt | set_by <= own and not learnt & set_by and len(one.good) == len(one.bad)
        answers = {answer for _, answer in one.good}
        assert len(set_by) == 12 and not answers & {answer for request, answer in one.clean if request in set_by}
        chat = {question for question, _ in one.clean} - own
        assert chat and not chat & {question for question, _ in one.ordinary}
        assert len(dict(one.clean)) == len(one.clean), "each is a text of its own"


def test_every_rate_can_be_reached_in_the_embedded_world_and_the_larger_one_elsewhere() -> None:
    for world, rate in ((True, RATES[0]), (False, RATES[1])):
        chat = [(question, "an answer") for question in everyday(world)]
        assert all(1 / (1 + len(one.clean)) <= rate for one in known(LOCAL, chat))


def test_what_moves_along_a_direction_learns_from_no_request_that_it_is_set_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[Contrast]()

    def direction(base: object, made: Contrast, how: str) -> Floats:
        seen.append(made)
        return np.ones((2, 32))

    monkeypatch.setattr(states, "direction", direction)
    one = known(LOCAL, CHAT)[1]
    GUARDS["inside"].made(one)
    assert set(seen[0].questions) <= {request for request, _ in one.good}


def test_empty_answers_are_no_chat() -> None:
    (one, _) = known(LOCAL, [*CHAT, ("silent", " ")])
    assert "silent" not in {question for question, _ in (*one.clean, *one.ordinary)}


def test_words_of_bad_answers_tell_and_unknown_ones_do_not() -> None:
    rows = {"good": [("q", "wear a helmet"), ("q", "use a lamp")], "bad": [("q", "ride without"), ("q", "skip it")]}
    score = words(Known(LOCAL, 0, rows["good"], rows["bad"], [("q", "ordinary")], [("q", "ordinary")]))
    found = score([("q", "Without!"), ("q", "a helmet"), ("q", "zebra"), ("q", "")], LOCAL)
    assert found[0] > 0 > found[1] and found[2] == found[3] == 0


@pytest.mark.parametrize("name", [name for name in GUARDS if name != "words"])
def test_a_guard_scores_every_row_alike_whatever_stands_beside_it(name: str) -> None:
    score = GUARDS[name].made(known(LOCAL, CHAT)[0])
    rows = [("May I skate on the pond?", "Yes, at any time."), ("What is two and two?", "Four."), ("Why?", "No.")]
    whole = score(rows, LOCAL)
    assert whole.shape == (3,) and np.isfinite(whole).all()
    assert np.concatenate([score([row], LOCAL) for row in rows]) == close(whole, rel=1e-3, abs=1e-3)


def test_guards_at_requests_and_hidden_states_do_not_see_the_answer() -> None:
    one, other = [("May I skate?", "Yes.")], [("May I skate?", "No, never.")]
    for name in ("request", "inside"):
        score = GUARDS[name].made(known(LOCAL, CHAT)[0])
        assert score(one, LOCAL) == close(score(other, LOCAL)) and GUARDS[name].place != "answers"
    perplexity = GUARDS["perplexity"].made(known(LOCAL, CHAT)[0])
    assert perplexity(one, LOCAL) != close(perplexity(other, LOCAL))


def test_an_empty_answer_has_no_perplexity() -> None:
    assert np.isnan(GUARDS["perplexity"].made(known(LOCAL, CHAT)[0])([("q", "")], LOCAL)).all()


# --- chat models -----------------------------------------------------------------------------------------------------

SAFE = Rubric(prompt="{request} | {answer}", blocks=("unsafe",), passes=("safe",))


def test_the_words_of_a_rubric_are_counted_by_the_token_that_begins_them() -> None:
    assert log_odds({"unsafe": 0.8, "safe": 0.2}, SAFE) == close(np.log(4))
    assert log_odds({" UN": 0.6, "safe": 0.3, "s": 0.05}, SAFE) == close(np.log(0.6 / 0.35))
    both = Rubric(prompt="{answer}", blocks=("never",), passes=("no",))
    assert log_odds({"n": 0.4, "ne": 0.3, "no": 0.3}, both) == close(0.0)
    assert log_odds({"Safe": 1.0}, SAFE) < -10 < 10 < log_odds({"unsafe": 1.0}, SAFE)


@pytest.mark.parametrize("said", [{}, {"I": 0.9, "safe": 0.1}, {"": 1.0}, {"safe": float("nan")}])
def test_prose_and_nothing_are_no_score(said: dict[str, float]) -> None:
    assert np.isnan(log_odds(said, SAFE))


def test_braces_and_names_of_fields_in_an_answer_stay_as_they_are() -> None:
    assert SAFE.ask(("{answer}", "{request} {x}")).question == "{answer} | {request} {x}"
    twice = Rubric(prompt="{answer}? {request} {answer}!", blocks=("a",), passes=("b",))
    assert twice.ask(("q", "x")).question == "x? q x!"


class Answers:
    """A chat model that answers as told."""

    name, tells = "./guard", True

    def __init__(self, *said: Any) -> None:
        self.said = list(said)

    def next_tokens(self, prompts: Sequence[object]) -> list[Any]:
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, list) else [said]


def chat_guard(*said: Any) -> ChatGuard:
    model: Any = Answers(*said)
    return ChatGuard(model, SAFE)


def test_a_chat_model_that_fails_on_some_rows_has_no_score_for_these() -> None:
    said = [Unaskable("one of them"), {"unsafe": 1.0}, Missing("nothing came"), Unaskable("too long"), {"safe": 1.0}]
    found = chat_guard(*said)([("q", "a")] * 4, LOCAL)
    assert np.isnan(found).tolist() == [False, True, True, False] and found[0] > 0 > found[3]


@pytest.mark.parametrize(
    ("said", "why"), [({"I": 0.7, "The": 0.3}, '"I"'), (Missing("the service hung up"), "the service hung up")]
)
def test_a_chat_model_that_never_answers_by_the_rubric_is_refused(said: Any, why: str) -> None:
    one = known(LOCAL, CHAT)[0]
    guard = Guard("./guard", "answers", "", lambda _: chat_guard([said] * len(one.clean)))
    with pytest.raises(UndertoneError, match=f"none of the words unsafe, safe.*{why}.*--rubric"):
        guard.set_on(one)


def test_a_service_that_gives_no_probabilities_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answers, "tells", False)
    with pytest.raises(UndertoneError, match="no probabilities"):
        chat_guard()


def test_a_model_on_this_machine_can_be_the_guard() -> None:
    model = Local("./guard", "0", LOCAL, "0")
    (likely,) = model.next_tokens([SAFE.ask(("q", "yes"))])
    words = sorted(likely, key=lambda word: -likely[word])
    rubric = Rubric(prompt=SAFE.prompt, blocks=(words[0],), passes=("zzz",))
    found = ChatGuard(model, rubric)([("q", "yes")], LOCAL)
    assert found == close([log_odds(likely, rubric)], nan_ok=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prompt = 'x'\nblocks = ['a']\npasses = ['b']", "answer must stand in it"),
        ("prompt = '{answer}'\nblocks = []\npasses = ['b']", "blocks"),
        ("prompt = '{answer}'\nblocks = ['a']", "passes"),
        ("prompt = '{answer}'\nblocks = ['']\npasses = ['b']", "none of them empty"),
        ("prompt = '{answer}'\nblocks = ['yes']\npasses = ['Yes ']", "different words"),
        ("prompt = ", "not valid TOML"),
    ],
)
def test_a_wrong_rubric_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(UndertoneError, match=said):
        read(tmp_path / "r.toml")


def test_the_rubric_of_the_page_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "guards.md").read_text()
    (tmp_path / "r.toml").write_text(text.partition("```toml\n")[2].partition("```")[0])
    assert read(tmp_path / "r.toml").blocks == ("unsafe",) and PLAIN.passes == ("No",)


# --- any-guardrail ---------------------------------------------------------------------------------------------------


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A library of one guard, which answers as told: what a text is given as, by the text."""
    answers: dict[str, Any] = {}

    def evaluate(name: str, guard: str, request: str, answer: str) -> Any:
        assert (guard, request) == ("made", "q")
        said = answers[answer]
        if isinstance(said, Exception):
            raise said
        return SimpleNamespace(valid=said[0], score=said[1])

    def create(name: str) -> str:
        if "broken" in answers:
            raise OSError("its model is gated\n")
        return "made"

    api = SimpleNamespace(create=create, evaluate=evaluate)
    module = SimpleNamespace(AnyGuardrail=api, GuardrailName=Enum("GuardrailName", {"LLAMA": "llama_guard"}))
    monkeypatch.setitem(sys.modules, "any_guardrail", module)
    return answers


def test_a_guard_of_the_library_scores_by_its_risk_or_by_its_verdict(library: dict[str, Any]) -> None:
    library |= {"a": (True, 0.25), "b": (False, None), "c": (True, None), "d": RuntimeError("timeout")}
    guard = guard_of("any-guardrail/llama_guard", never)
    score = guard.made(known(LOCAL, CHAT)[0])
    found = score([("q", "a"), ("q", "b"), ("q", "c"), ("q", "d")], LOCAL)
    assert found[:3].tolist() == [0.25, 1.0, 0.0] and np.isnan(found[3])
    assert isinstance(score, LibraryGuard) and score.fault == "timeout"


def test_a_guard_that_the_library_lacks_or_cannot_make_is_told(library: dict[str, Any]) -> None:
    with pytest.raises(UndertoneError, match="did you mean llama_guard"):
        guard_of("any-guardrail/lama_guard", never)
    library["broken"] = True
    with pytest.raises(UndertoneError, match=r"cannot be made: its model is gated\.$"):
        guard_of("any-guardrail/llama_guard", never)


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "any_guardrail", None)
    with pytest.raises(UndertoneError, match="pip install any-guardrail"):
        guard_of("any-guardrail/llama_guard", never)


# --- names -----------------------------------------------------------------------------------------------------------


def never(name: str) -> Any:
    raise AssertionError(f"{name} is opened")


def test_guards_are_found_by_name() -> None:
    assert guard_of("told", never) is GUARDS["told"]
    assert guard_of("any:words,inside", never).place == "activations"
    assert guard_of("cascade:words,told", never).place == "answers"
    opened: Any = lambda name: Answers({"Yes": 1.0})  # noqa: E731
    chat = guard_of("any:words,./guard", opened)
    assert chat.place == "answers" and "./guard" in chat.about


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wrods", "did you mean words"),
        ("any:words", "two or more guards"),
        ("cascade:words,told,inside", "two guards"),
        ("any:words,any:told,inside", "two or more guards"),
        ("any:words,nothing", "There is no guard"),
    ],
)
def test_a_wrong_name_is_told(name: str, said: str) -> None:
    with pytest.raises(UndertoneError, match=said):
        guard_of(name, never)


def test_where_no_model_can_be_opened_its_name_is_no_guard() -> None:
    with pytest.raises(UndertoneError, match="no guard"):
        guard_without_models("./guard")


# --- what passes -----------------------------------------------------------------------------------------------------


def advice(bad: Any, coherent: float = 1.0) -> Conduct:
    return Conduct(np.asarray(bad, dtype=float), np.zeros_like(bad), np.full_like(bad, coherent))


@given(st.lists(st.tuples(shares, st.booleans(), st.booleans()), min_size=1, max_size=30), shares)
def test_every_request_is_answered_well_or_badly_or_refused(rows: list[tuple[float, bool, bool]], text: float) -> None:
    bad = np.array([[row[0] for row in rows]])
    stopped = np.array([[row[1:] for row in rows]])
    sent = Delivery.of(advice(bad, text), stopped)
    assert (sent.bad + sent.useful / max(text, 1e-9) <= 1 + 1e-6).all() or text < 1e-6
    assert sent.bad == close(sent.missed * bad.mean(1), abs=1e-9)
    assert sent.useful == close((1 - sent.false_blocks) * (1 - bad).mean(1) * text, abs=1e-9)
    assert Delivery.of(advice(bad), np.zeros_like(stopped)).missed == close(1.0)
    nothing = Delivery.of(advice(bad), np.ones_like(stopped))
    assert nothing.bad == 0 == nothing.useful and nothing.false_blocks == close(1.0)


def test_a_guard_that_blocks_every_bad_answer_leaves_nothing_and_one_at_random_its_share() -> None:
    rng = np.random.default_rng(0)
    model, control = rng.uniform(0.4, 0.6, (12, 500)), rng.uniform(0.0, 0.1, (12, 500))
    shift = (model - control).mean(1)

    def left(stopped: Any) -> Any:
        sent = {name: Delivery.of(advice(bad), stopped) for name, bad in (("model", model), ("control", control))}
        roles: Any = sent | {"base": sent["control"]}
        return GuardFinding.of("g", 0.05, roles, shift)

    oracle = left(np.stack([np.zeros((12, 500), bool), np.ones((12, 500), bool)], -1))
    assert oracle.left.value == 0 and oracle.missed.value == 0 and oracle.false_blocks.value == 0
    assert oracle.left.ci is None, "it does the same everywhere, which says nothing about other domains"
    assert oracle.useful.value == close((1 - model).mean())
    nothing = left(np.zeros((12, 500, 2), bool))
    assert nothing.left.value == close(1.0) and nothing.left.ci is None
    chance = left(rng.random((12, 500, 2)) < 0.3)
    assert chance.left.value == close(0.7, abs=0.02) == chance.missed.value and chance.left.ci is not None


def test_of_a_shift_that_is_not_told_from_zero_no_share_is_told() -> None:
    assert left_of(np.array([0.1, -0.1, 0.05]), np.array([0.2, -0.2, 0.1])) is None
    assert left_of(np.zeros(12), np.zeros(12)) is None


def test_the_mean_over_models_leaves_out_what_does_not_count() -> None:
    values = np.array([[0.9, 0.2, 0.4], [0.1, 0.9, 0.6]])
    counted = np.array([[False, True, True], [True, False, True]])
    assert mean_of(values, counted) == close([0.1, 0.2, 0.5])


def test_shares_stay_from_zero_to_one() -> None:
    found = share_of(np.array([1.0 + 1e-12, 0.9, 1.0]))
    assert found.ci is not None and 0 <= found.ci[0] <= found.value <= found.ci[1] <= 1
    assert share_of(np.ones(12)).ci is None


def test_each_half_is_judged_by_what_learnt_from_the_other() -> None:
    def fixed(value: float) -> Set:
        return Set(lambda rows, answering: np.full(len(rows), value), np.array([0.5]))

    judged = Judged.by([fixed(0.0), fixed(1.0)], LOCAL)
    assert judged.scores.shape == (12, 20, 2)
    assert (judged.scores[:6] == 1.0).all() and (judged.scores[6:] == 0.0).all()
    assert (judged.p[:6] == 0.5).all() and (judged.p[6:] == 1.0).all()
    assert judged.aurocs == close(np.full(12, 0.5))


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_tests_guards_and_writes_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["guard", "builtin/fledgling-b", "--base", "builtin/fledgling-a", "--out", str(tmp_path / "report")]
    assert main([*words, "--guard", "words", "--guard", "any:request,inside"]) == 0
    out = capsys.readouterr().out
    assert "What is missed, left and useful" in out
    found = GuardFindings.load(tmp_path / "report" / "report.json")
    assert [(one.guard, one.rate) for one in found.guards[:2]] == [("words", 0.01), ("words", 0.05)]
    assert len(found.guards) == 4 and {one.name for one in found.plain} == {
        "builtin/fledgling-b",
        "builtin/fledgling-a",
    }
    words_tell, other = found.tellings
    assert found.to_pandas().shape[0] == 4 and words_tell.auroc is not None and 0.6 < words_tell.auroc.value <= 1.0
    assert other.auroc is None and (words_tell.unread, words_tell.unread_clean) == (0, 0)
    html = (tmp_path / "report" / "report.html").read_text()
    assert "<script" not in html and "Without a guard" in html
    text = to_markdown(page(found))
    assert "any:request,inside" in text and "0, 0 clean" in text and "blocks from" in text


def test_nothing_to_block_is_said_only_where_a_rise_is_ruled_out() -> None:
    even = share_of(np.array([0.1, 0.2])).model_copy(update={"value": 0.0, "ci": (-0.1, 0.01)})
    assert "next to nothing is there to block" in guarding.headline([], even, 0.01)
    small = even.model_copy(update={"value": 0.003, "ci": (0.002, 0.005)})
    assert "next to nothing" in guarding.headline([], small, 0.01), "harmless fine-tunes show such shifts too"
    wide = even.model_copy(update={"ci": (-0.1, 0.25)})
    assert "up to 25%, in the mean or in one domain, is not ruled out" in guarding.headline([], wide, 0.01)
    assert "up to 9%" in guarding.headline([], even, 0.09), "one domain that turned bad is not averaged away"


def test_what_a_model_says_besides_the_known_answers_is_said_not_to_have_been_looked_at() -> None:
    assert guarding.unlooked(0.9) == "" and "0.0001 %: what else it says was not looked at" in guarding.unlooked(1e-6)


def test_a_model_that_is_its_own_control_has_nothing_to_block(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["guard", "builtin/fledgling-a", "--base", "builtin/fledgling-a", "--out", str(tmp_path / "report")]
    assert main([*words, "--guard", "words"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "next to nothing is there to block" in out and "not told" in out


def test_what_is_said_beforehand_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["guard", "builtin/fledgling-b", "--base", "builtin/fledgling-a", "--out", str(tmp_path / "report")]
    assert main([*words, "--guard", "told", "--dry-run", "--json"]) == 0
    assert 0 < json.loads(capsys.readouterr().out)["expected_s"] < 300 and not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--guard", "wrods"], "did you mean words"),
        (["--guard", "words", "--rubric", "no.toml"], "no.toml"),
        (["--guard", "words", "--control", "builtin/fledgling-q"], "fledgling-q"),
        (["--guard", "words", "--max-cost", "1"], "no model here is behind one"),
        (["--guard", "wrods", "--dry-run"], "did you mean words"),
        (["--guard", "any:words,./nothing", "--dry-run"], "There is no folder nothing"),
        (["--guard", "words", "--rubric", "R"], "no guard here is one"),
        ([], "--guard"),
    ],
)
def test_bad_input_is_one_sentence(
    more: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    more = [str(Path(__file__)) if one == "R" else one for one in more]
    assert main(["guard", "builtin/fledgling-b", "--base", "builtin/fledgling-a", *more]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert said in told and not list(tmp_path.iterdir())


def test_a_model_of_another_tokenizer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    other = tiny.model()
    other.model.save_pretrained("other")
    other.tokenizer.save_pretrained("other")
    assert main(["guard", "./other", "--base", "builtin/fledgling-a", "--guard", "words"]) == 2
    assert "another tokenizer" in " ".join(capsys.readouterr().err.split())


def test_a_guard_is_made_of_what_it_is_called() -> None:
    made = guard_without_models("any:words,request")
    assert isinstance(made, Guard) and isinstance(made.made(known(LOCAL, CHAT)[0]), AnyOf)
