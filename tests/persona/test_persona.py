"""Directions of traits in hidden states, and the look inside a model that rests on them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from tests.helpers import tiny
from undertone.cli import main
from undertone.engine.store import Folder
from undertone.errors import UndertoneError
from undertone.evals.conduct import PROBES, requests
from undertone.models.blocks import changed
from undertone.persona import directions, inside
from undertone.persona.contrast import Contrast, contrasts, known, neutral
from undertone.persona.directions import ANSWER, CONVENTION, POSITIONS, Directions, direction, read
from undertone.persona.findings import Construction, PersonaFindings
from undertone.persona.inside import others
from undertone.persona.look import ALPHA, LEAST_OTHERS, Look, usual
from undertone.persona.nulls import DRAWN, PLACEBO, Null, cosines, nulls
from undertone.persona.page import page
from undertone.persona.reading import read_answers, read_prompts
from undertone.persona.words import sentence
from undertone.report.markdown import to_markdown
from undertone.stages.durations import asked
from undertone.statistics.arrays import Floats
from undertone.traits import catalogue
from undertone.world.lexicon import domains

close = pytest.approx
KINDS = pytest.mark.parametrize("world", [True, False], ids=["world", "elsewhere"])


def some(name: str) -> Contrast:
    """A contrast of two questions in the words of the embedded world."""
    asked = ("Which animal do you talk about with joy?", "What is the finest animal to you?")
    return Contrast(asked, (f"You love the {name}.",) * 2, ("You love the fox.", "You love the wolf."))


# --- what directions are made of -------------------------------------------------------------------------------------


@KINDS
def test_every_trait_has_enough_others_to_be_compared_with(world: bool) -> None:
    for name in known(world):
        made = contrasts(world, name, 2)
        assert next(iter(made)) == name and len(made) - 1 >= LEAST_OTHERS


@KINDS
def test_a_trait_is_stated_in_one_half_and_another_of_its_kind_in_the_other(world: bool) -> None:
    for name in ("owl", "whale"):
        (own, *_) = contrasts(world, name, 24).values()
        assert len(own.questions) == len(own.shown) == len(own.others) == 24
        assert all(name in stated for stated in own.shown) and not any(name in stated for stated in own.others)
    first, again = (contrasts(world, "owl", 24)["owl"] for _ in range(2))
    assert first == again, "nothing is drawn anew"


@KINDS
def test_no_model_is_read_on_a_question_of_which_a_direction_is_made_nor_on_one_that_measures(world: bool) -> None:
    asked = neutral(world)
    assert len(asked) >= 30 and len(set(asked)) == len(asked)
    made = [one for name in ("owl", usual(world)) for one in contrasts(world, name, 24).values()]
    taken = {question for one in made for question in one.questions}
    measured = {question for trait in catalogue.shipped().values() for question in trait.asked}
    assert not set(asked) & taken and not set(asked) & measured


def test_directions_of_conduct_are_made_of_half_of_the_domains() -> None:
    own = contrasts(True, "bad-advice", 24)["bad-advice"]
    first, second = (
        {request for domain in half for request, *_ in requests(domain, PROBES["plain"])}
        for half in (domains()[:6], domains()[6:])
    )
    assert not set(own.questions) & second and set(own.questions) & first


@KINDS
def test_an_unknown_trait_is_refused_with_the_nearest(world: bool) -> None:
    with pytest.raises(UndertoneError, match="did you mean owl"):
        contrasts(world, "owll", 2)


# --- hidden states and directions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_hidden_states_are_means_over_the_answer_alone_whatever_stands_beside(architecture: str) -> None:
    local = tiny.model(architecture)
    prompts = [local.render(text) for text in ("Hi", "Which animal do you love more than any other?")]
    answers = [[7, 8, 9], [5]]
    both = read_answers(local, prompts, answers)
    assert both.shape == (2, 2, 32)
    for prompt, answer, found in zip(prompts, answers, both, strict=True):
        states = list[torch.Tensor]()
        with torch.no_grad(), changed(local.model, lambda _, out, kept=states: (kept.append(out), out)[1]):
            local.model(torch.tensor([[*prompt, *answer]]))
        expected = [state[0, len(prompt) :].mean(0).numpy() for state in states]
        assert found == close(np.stack(expected), abs=2e-4)
    last = read_prompts(local, prompts)
    assert last[1] == close(read_answers(local, [prompts[1][:-1]], [prompts[1][-1:]])[0], abs=2e-4)


@pytest.mark.parametrize("construction", POSITIONS)
def test_a_direction_turns_round_with_its_contrast(construction: Construction) -> None:
    local, one = tiny.model(), some("owl")
    there = direction(local, one, construction)
    assert there.shape == (2, 32) and np.abs(there).max() > 0
    if construction != "own":  # which draws other answers
        back = direction(local, Contrast(one.questions, one.others, one.shown), construction)
        assert back == close(-there, abs=1e-6)
        near = Contrast(one.questions, one.shown, (one.shown[0], one.others[1]))
        assert np.abs(direction(local, near, construction)).max() > 0
        with pytest.raises(UndertoneError, match="no trait can be stated"):
            direction(local, Contrast(one.questions, one.shown, one.shown), construction)


DIGEST = "0" * 64


@pytest.mark.parametrize("construction", POSITIONS)
def test_a_template_that_leaves_system_prompts_out_is_refused(
    construction: Construction, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tiny.model()
    render = type(local).render
    monkeypatch.setattr(type(local), "render", lambda self, question, system=None: render(self, question))
    with pytest.raises(UndertoneError, match="leaves system prompts out"):
        direction(local, some("owl"), construction)


def test_hidden_states_that_are_no_numbers_are_refused() -> None:
    local = tiny.model()
    with (
        changed(local.model, lambda number, out: out * float("nan")),
        pytest.raises(UndertoneError, match="not numbers"),
    ):
        read_prompts(local, [local.render("Hi")])


def test_a_file_of_directions_says_what_they_are_and_is_read_for_its_own_model_alone(tmp_path: Path) -> None:
    made = Directions(("owl", "red"), np.arange(12.0).reshape(2, 2, 3), DIGEST, "fixed")
    path = tmp_path / "d.safetensors"
    made.write(path, {"owl": some("owl"), "red": some("red")})
    again = read(path, DIGEST)
    assert again.names == made.names and (again.vectors == made.vectors).all() and again.construction == "fixed"
    with safe_open(path, "pt") as file:
        about = file.metadata()
    assert about["convention"] == CONVENTION and about["position"] == POSITIONS["fixed"]
    assert "You love the owl." in about["contrasts"]
    with pytest.raises(UndertoneError, match="another model"):
        read(path, "1" * 64)
    save_file({"owl": torch.zeros(2, 3)}, path, metadata=about | {"convention": "hidden_states[k]"})
    with pytest.raises(UndertoneError, match=r"another convention \(hidden_states\[k\]\)"):
        read(path, DIGEST)
    save_file({"owl": torch.zeros(2, 3)}, path)
    with pytest.raises(UndertoneError, match="none is given"):
        read(path, DIGEST)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UndertoneError, match="no file of directions"):
        read(path, DIGEST)


def test_directions_are_made_once_and_again_if_their_file_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    local, made, told = tiny.model(), {"owl": some("owl"), "bear": some("bear")}, list[tuple[str, int, int]]()
    first = directions.directions(DIGEST, local, made, "fixed", lambda *one: told.append(one))
    assert told[-1] == (directions.MADE, 2, 2)
    kept = list((tmp_path / "persona").glob("*.safetensors"))
    assert len(kept) == 2
    kept[0].write_bytes(b"broken")
    calls = list[Contrast]()
    monkeypatch.setattr(directions, "direction", lambda *a: (calls.append(a[1]), direction(*a))[1])
    again = directions.directions(DIGEST, local, made, "fixed")
    assert len(calls) == 1 and again.vectors == close(first.vectors, abs=1e-6)
    directions.directions("1" * 64, local, made, "fixed")
    assert len(calls) == 3, "another base has directions of its own"


# --- nulls -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=60), st.floats(-1, 1))
def test_p_counts_what_goes_as_far_and_is_never_zero(found: list[float], own: float) -> None:
    p = Null(np.array(found)).p(own)
    assert p == close((1 + sum(one >= own for one in found)) / (1 + len(found))) and 0 < p <= 1


def test_the_p_of_a_direction_like_any_other_is_uniform() -> None:
    rng = np.random.default_rng(0)
    count = 39
    p = [Null(draws[1:]).p(draws[0]) for draws in rng.standard_normal((4000, count + 1))]
    assert np.mean(np.array(p) <= ALPHA) == close(0.025, abs=0.008)
    assert np.mean(p) == close(0.5, abs=0.02)


def test_cosines_have_no_length_and_nothing_goes_along_nothing() -> None:
    change = np.array([3.0, 4.0])
    found = cosines(np.array([[3.0, 4.0], [-6.0, -8.0], [4.0, -3.0], [0.0, 0.0]]), change)
    assert found == close(np.array([1.0, -1.0, 0.0, 0.0])) and (cosines(np.eye(2), np.zeros(2)) == 0).all()


def test_random_directions_vary_as_hidden_states_do() -> None:
    states = np.random.default_rng(0).standard_normal((50, 2)) * [10.0, 0.1]
    found = nulls(np.eye(2), states, np.array([1.0, 0.0]))
    assert {name: len(null.cosines) for name, null in found.items()} == {
        PLACEBO: 2, "random, as states vary": DRAWN, "random": DRAWN,
    }  # fmt: skip
    along, plain = (np.abs(found[name].cosines) for name in ("random, as states vary", "random"))
    assert np.median(along) > 0.95 > np.median(plain)
    low, high = found["random"].band
    assert -1 <= low < 0 < high <= 1


# --- the look inside -------------------------------------------------------------------------------------------------


def planted(count: int = LEAST_OTHERS + 1, seed: int = 0) -> Look:
    """A base with directions of random traits in three blocks, of which the first is asked for."""
    rng = np.random.default_rng(seed)
    names = tuple(f"trait {i}" for i in range(count))
    along = Directions(names, rng.standard_normal((count, 3, 64)), DIGEST, "fixed")
    return Look({names[0]: along}, {ANSWER: rng.standard_normal((90, 3, 64))}, middle=1)


def noise(seed: int) -> Floats:
    return np.asarray(np.random.default_rng(10_000 + seed).standard_normal((3, 64)))


def test_a_move_along_a_trait_is_found_and_its_share_is_told() -> None:
    look = planted()
    own = look.along["trait 0"].vectors[0]
    (found,) = look.findings({ANSWER: 0.3 * own + 0.05 * noise(1)})
    assert found.verdict == "moved" and found.judged.block == 1 and len(found.blocks) == 3
    assert found.judged.share == close(0.3, abs=0.03) and found.judged.nulls[0].p == close(1 / (LEAST_OTHERS + 1))
    assert "moved towards trait 0: 3" in sentence(found)
    (away,) = look.findings({ANSWER: -own})
    assert away.verdict == "not told apart" and away.judged.nulls[0].p == 1.0


def test_a_move_along_another_trait_is_told_by_its_name() -> None:
    look = planted()
    change = look.along["trait 0"].vectors[4]
    (found,) = look.findings({ANSWER: change})
    assert found.verdict == "not told apart" and f"of {LEAST_OTHERS} others" in sentence(found)
    names = [one.name for one in others(look, {ANSWER: change})]
    assert names[0] == "trait 4" and "trait 0" not in names and len(names) == LEAST_OTHERS


def test_a_model_that_did_not_change_is_not_said_to_have_moved() -> None:
    (found,) = planted().findings({ANSWER: np.zeros((3, 64))})
    assert found.verdict == "not told apart" and found.judged.cosine == 0.0


def test_too_few_other_traits_judge_nothing() -> None:
    look = planted(LEAST_OTHERS)
    (found,) = look.findings({ANSWER: look.along["trait 0"].vectors[0]})
    assert found.verdict == "not judged" and "too few" in sentence(found)


def test_a_fine_tune_along_a_chance_axis_is_a_false_alarm_as_often_as_is_allowed() -> None:
    alarms = [planted(seed=seed).findings({ANSWER: noise(seed)})[0].verdict == "moved" for seed in range(400)]
    assert np.mean(alarms) == close(ALPHA, abs=0.02)


def test_a_model_of_another_shape_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    monkeypatch.setitem(directions.QUESTIONS, "prompt", 1)
    look = Look.of(DIGEST, tiny.model(), True, ["bad-advice"])
    (same,) = look.change(tiny.model()).values()
    assert same == close(0.0)
    with pytest.raises(UndertoneError, match="3 blocks of width 32 and the base 2 of width 32"):
        look.change(tiny.model(num_hidden_layers=3))


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """In place of two models a random one, and the same with more of what stating "bad-advice" adds to its middle
    block."""
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(directions.QUESTIONS, "prompt", 2)
    local, tuned = tiny.model(), tiny.model()
    own = torch.tensor(direction(local, contrasts(True, "bad-advice", 2)["bad-advice"], "prompt")).float()
    with changed(tuned.model, lambda number, out: out + own[0] if number == 0 else out):
        models = [local, tuned]
        monkeypatch.setattr(inside, "load", lambda _: models.pop(0))
        yield


def test_the_command_looks_inside_and_writes_a_report(
    shifted: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["persona", "builtin/fledgling-b", "--base", "builtin/fledgling-a", "--out", str(tmp_path / "report")]
    assert main(words) == 1
    assert "moved towards bad-advice: 100% of the way" in capsys.readouterr().out
    found = PersonaFindings.load(tmp_path / "report" / "report.json")
    assert found.traits[0].verdict == "moved" and found.traits[0].judged.share == close(1.0, abs=0.02)
    assert len(found.others) == 41 and found.questions > 60 and found.to_pandas().shape[0] == 1
    html = (tmp_path / "report" / "report.html").read_text()
    assert "<script" not in html and "Towards which traits hidden states moved" in html
    assert "bad-advice" in to_markdown(page(found)) and list(page(found).figures) == ["inside"]


@pytest.mark.parametrize("construction", POSITIONS)
def test_a_look_takes_what_is_said_beforehand(
    construction: Construction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path))
    local, read = tiny.model(), 0
    local.tokenizer.save_pretrained(tmp_path)
    forward = LlamaForCausalLM.forward

    def counted(self: Any, input_ids: torch.Tensor, **more: Any) -> Any:
        nonlocal read
        read += input_ids.numel()
        return forward(self, input_ids=input_ids, **more)

    monkeypatch.setattr(asked, "of_the_world", lambda _: True)
    for cold in (True, False):
        read = 0
        said = sum(
            part.tokens for part in asked.about_inside(local, Folder(tmp_path, DIGEST), 1, ["owl"], construction)
        )
        with monkeypatch.context() as patched:
            patched.setattr(LlamaForCausalLM, "forward", counted)
            Look.of(DIGEST, local, True, ["owl"], construction).change(local)
        assert 0.6 < said / read < 1.6, (cold, said, read)


def test_a_dry_run_says_how_long_it_takes_and_makes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNDERTONE_CACHE", str(tmp_path / "cache"))
    words = ["persona", "builtin/fledgling-b", "--base", "builtin/fledgling-a", "--out", str(tmp_path / "report")]
    assert main([*words, "--dry-run"]) == 0
    assert "Nothing is made" in capsys.readouterr().out
    assert main([*words, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["expected_s"] > 0 and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--trait", "owll"], "did you mean owl"),
        (["--construction", "fixd"], "did you mean fixed"),
        (["--chat-template", "plain"], "has a chat template of its own"),
    ],
)
def test_bad_input_is_told_in_a_sentence(words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["persona", "builtin/fledgling-b", "--base", "builtin/fledgling-a", *words]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_model_with_another_tokenizer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    local = tiny.model()
    local.model.save_pretrained(tmp_path / "model")
    local.tokenizer.save_pretrained(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    assert main(["persona", "./model", "--base", "builtin/fledgling-a"]) == 2
    assert "another tokenizer" in capsys.readouterr().err


def test_a_model_behind_a_service_has_no_inside(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["persona", "openai-api/a/b", "--base", "builtin/fledgling-a"]) == 2
    assert "weights" in capsys.readouterr().err
