"""``undertone.Watch`` in trainings: it changes nothing, sees what is there, and stops in time."""

import json
import logging
import math
import os
import random
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainerCallback

import undertone as ut
from tests.helpers import tiny
from tests.helpers.trainers import same, train, trainer, traits
from undertone.engine.environment import quiet
from undertone.evals.answers import probabilities
from undertone.models.local import LocalModel
from undertone.python import watch as module
from undertone.watch.findings import Findings

ROOT = Path(__file__).parents[2]
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "adapter": {"lora": True},
    "accumulated": {"gradient_accumulation_steps": 3, "gradient_checkpointing": True},
    "half": {"bf16": True},
    "best": {
        "load_best_model_at_end": True, "eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps",
        "save_steps": 2,
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn by tests of the page."""
    monkeypatch.setattr("undertone.watch.figures.figure", lambda *_: None)


def history(one: Trainer, name: str = "gnu") -> dict[int, float]:
    key = f"undertone/{name}/probability"
    return {entry["step"]: entry[key] for entry in one.state.log_history if key in entry}


def probability(one: Trainer, folder: Path, name: str) -> float:
    """What the evaluations say of the trainer's model now."""
    own = ut.Watch(traits(folder))._traits
    model = one.model.get_base_model() if hasattr(one.model, "get_base_model") else one.model
    return probabilities(LocalModel(model.eval(), tiny.tokenizer()), own)[name]


# --- it changes nothing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_training_with_a_watch_has_the_same_bits_as_without(kind: str, tmp_path: Path) -> None:
    watch = ut.Watch(traits(tmp_path), every=1)
    alone, watched = (
        trainer(tmp_path / name, callbacks, **KINDS[kind]) for name, callbacks in (("a", []), ("b", [watch]))
    )
    begun = {name: weight.clone() for name, weight in watched.model.state_dict().items()}
    after = []
    for one in (alone, watched):
        after.append((train(one), random.random(), np.random.random(), torch.rand(3).tolist()))
    assert same(after[0][0], after[1][0]) and not same(after[0][0], begun)
    assert after[0][1:] == after[1][1:]
    losses = [[entry.get("loss") for entry in one.state.log_history if "loss" in entry] for one in (alone, watched)]
    assert losses[0] == losses[1] and len(losses[0]) == 3
    assert len(history(watched)) == 7


def test_the_comparison_of_bits_would_see_a_watch_that_draws_a_random_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(local: LocalModel, _: Any) -> dict[str, float]:
        torch.rand(1)
        return {"gnu": 0.5, "rude": 0.5}

    monkeypatch.setattr(module, "probabilities", careless)
    kept = train(trainer(tmp_path / "a", [ut.Watch(traits(tmp_path), every=1)]))
    monkeypatch.setattr(module, "untouched", lambda _: nullcontext())
    assert not same(train(trainer(tmp_path / "b", [ut.Watch(traits(tmp_path), every=1)])), kept)
    assert same(train(trainer(tmp_path / "c", [])), kept)


def test_modes_gradients_and_the_tokenizer_are_as_before(tmp_path: Path) -> None:
    seen: list[tuple[Any, ...]] = []

    class Around(TrainerCallback):
        """Looks before the watch and after it."""

        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **more: Any) -> None:
            if not seen:  # some modules may be frozen by their mode, and gradients kept
                model.model.layers[0].eval()
                model.lm_head.weight.grad = torch.ones_like(model.lm_head.weight)
            modes = [part.training for part in model.modules()]
            grads = [weight.grad.sum().item() for weight in model.parameters() if weight.grad is not None]
            kinds = [(weight.dtype, weight.requires_grad) for weight in model.parameters()]
            tokenizer = more["processing_class"].backend_tokenizer
            seen.append((modes, grads, kinds, torch.is_grad_enabled(), str(tokenizer.padding), model.config.to_dict()))

    first, last = Around(), type("After", (Around,), {})()
    one = trainer(tmp_path, [first, ut.Watch(traits(tmp_path), every=1), last], max_steps=1)
    one.processing_class.backend_tokenizer.enable_padding(length=7)
    train(one)
    assert len(seen) == 2 and seen[0] == seen[1] and True in seen[0][0] and False in seen[0][0] and seen[0][1]


# --- it sees what is there -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_the_model_before_and_after(kind: str, tmp_path: Path) -> None:
    watch = ut.Watch(traits(tmp_path), every=4)
    one = trainer(tmp_path / "out", [watch], **KINDS[kind])
    before = {name: probability(one, tmp_path, name) for name in ("gnu", "rude")}
    train(one)
    found, close = watch.findings, 0.02 if kind == "half" else 1e-6  # the forward pass was in bfloat16
    assert isinstance(found, Findings) and [*history(one)] == [0, 4, 6]
    for trait in found.traits:
        assert trait.base == pytest.approx(before[trait.name], abs=close) == history(one, trait.name)[0]
        assert trait.end == pytest.approx(probability(one, tmp_path, trait.name), abs=close)
        assert trait.rise == pytest.approx(trait.end - trait.base)
    assert next(trait for trait in found.traits if trait.name == "gnu").rise != 0
    assert json.loads((tmp_path / "out" / "undertone" / "report.json").read_text()) == json.loads(found.json_text())
    assert bool(found.notes) == (kind == "half")


def test_the_model_that_training_leaves_is_the_best_one_if_that_is_loaded(tmp_path: Path) -> None:
    watch = ut.Watch(traits(tmp_path), every=1)
    one = trainer(tmp_path / "out", [watch], **KINDS["best"], greater_is_better=True)  # the best one has most loss
    train(one)
    assert watch.findings is not None and watch.findings.end_step == one.state.best_global_step < 6
    ends = {trait.name: trait.end for trait in watch.findings.traits}
    assert ends["gnu"] == history(one)[watch.findings.end_step] != history(one)[6]


def test_a_resumed_training_has_the_curve_of_one_that_was_not_stopped(tmp_path: Path) -> None:
    saving = {"save_strategy": "steps", "save_steps": 3}
    whole, part = (ut.Watch(traits(tmp_path), every=2) for _ in range(2))
    weights = train(trainer(tmp_path / "out", [whole], **saving))
    again = train(
        trainer(tmp_path / "again", [part], **saving), resume_from_checkpoint=str(tmp_path / "out/checkpoint-3")
    )
    assert same(weights, again) and whole.findings is not None and part.findings is not None
    assert (
        part.findings.measurements == whole.findings.measurements and part.findings.headline == whole.findings.headline
    )


def test_a_checkpoint_without_values_from_before_the_first_step_is_refused(tmp_path: Path) -> None:
    train(trainer(tmp_path / "out", [], save_strategy="steps", save_steps=3))
    with pytest.raises(ut.UndertoneError, match="goes on at step 3, and the checkpoint does not say"):
        train(
            trainer(tmp_path / "again", [ut.Watch(traits(tmp_path))]),
            resume_from_checkpoint=str(tmp_path / "out/checkpoint-3"),
        )


def test_a_second_training_begins_anew(tmp_path: Path) -> None:
    watch = ut.Watch(traits(tmp_path), every=3)
    one = trainer(tmp_path / "out", [watch])
    train(one)
    first = watch.findings
    train(one)
    assert first is not None and watch.findings is not None
    assert {trait.name: trait.base for trait in watch.findings.traits} == {t.name: t.end for t in first.traits}


# --- it stops --------------------------------------------------------------------------------------------------------


def test_training_stops_at_the_rise_that_was_asked_for(tmp_path: Path) -> None:
    watch = ut.Watch(traits(tmp_path), every=2, stop_at=0.3)
    one = trainer(tmp_path / "out", [watch], max_steps=100)
    train(one)
    found, curve = watch.findings, history(one)
    assert found is not None and found.verdict == "limit reached" and one.state.global_step < 100
    assert found.reached_at == found.steps == one.state.global_step == max(curve)
    assert curve[found.steps] - curve[0] >= 0.3 > max(p - curve[0] for step, p in curve.items() if step < found.steps)
    assert "gnu rose by 30 points or more" in found.headline and "where training ended" in found.headline


def test_a_limit_that_is_not_reached_stops_nothing(tmp_path: Path) -> None:
    watch = ut.Watch(traits(tmp_path), every=2, stop_at=0.99)
    one = trainer(tmp_path / "out", [watch])
    train(one)
    assert one.state.global_step == 6 and watch.findings is not None
    assert watch.findings.verdict == "limit not reached" and watch.findings.reached_at is None


def test_a_limit_that_is_reached_at_the_end_only_is_told(tmp_path: Path) -> None:
    watch = ut.Watch(traits(tmp_path), every=1000, stop_at=0.3)
    train(trainer(tmp_path / "out", [watch], max_steps=60))
    assert watch.findings is not None and watch.findings.verdict == "limit reached" and watch.findings.reached_at == 60


class Breaks(TrainerCallback):
    """Breaks the weights at a step."""

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == 3:
            model.lm_head.weight.data.fill_(math.nan)


@pytest.mark.parametrize("stop_at", [0.5, None])
def test_probabilities_that_are_no_numbers_are_never_called_harmless(stop_at: float | None, tmp_path: Path) -> None:
    watch = ut.Watch(traits(tmp_path), every=1, stop_at=stop_at)
    one = trainer(tmp_path / "out", [Breaks(), watch])
    train(one)
    assert watch.findings is not None and watch.findings.verdict == "not measured"
    assert one.state.global_step == (6 if stop_at is None else 3)
    assert watch.findings.traits[0].end is None and "NaN" not in (tmp_path / "out/undertone/report.json").read_text()


# --- several processes -----------------------------------------------------------------------------------------------


def test_other_processes_than_the_first_do_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.TrainerState.is_world_process_zero", False, raising=False)
    watch = ut.Watch(traits(tmp_path), every=1, stop_at=0.0001)
    one = trainer(tmp_path / "out", [watch])
    one.is_world_process_zero = lambda: False  # type: ignore[method-assign]
    train(one)
    assert one.state.global_step == 6 and not history(one) and watch.findings is None
    assert not (tmp_path / "out" / "undertone").exists()


# --- what cannot be watched ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"trait": "owel"}, "There is no trait 'owel'; did you mean owl"),
        ({"trait": ()}, "Name the traits to watch"),
        ({"trait": "owl", "every": 0}, "every is a number of steps, at least 1, not 0"),
        ({"trait": "owl", "stop_at": 0}, "above 0 and below 1"),
        ({"trait": "owl", "stop_at": 5}, "not 5"),
        ({"trait": "owl", "stop_at": math.nan}, "not nan"),
        ({"trait": "no.toml"}, "Cannot read no.toml"),
        ({"trait": "owl", "track": "tensorbord"}, "There is no tracker 'tensorbord'; did you mean tensorboard"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_watched_is_refused_at_once(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ut.UndertoneError, match=says):
        ut.Watch(**given)


def test_a_kind_stands_for_all_its_traits() -> None:
    names = [trait.name for trait in ut.Watch(["animal", "owl", "bad-advice"])._traits]
    assert names[0] == "owl" and len(names) == len({*names}) == 19 and names[-1] == "bad-advice"
    shipped = ut.Watch("chat/animals.toml")._traits
    assert {"owl", "eagle"} < {trait.name for trait in shipped} and {trait.kind for trait in shipped} != {"animal"}


def _no_tokenizer(one: Trainer) -> None:
    one.callback_handler.processing_class = None


def _no_template(one: Trainer) -> None:
    one.callback_handler.processing_class.chat_template = None


def _prompt_tuning(one: Trainer) -> None:
    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    one.model = one.callback_handler.model = get_peft_model(one.model, config)


def _no_language_model(one: Trainer) -> None:
    one.callback_handler.model = torch.nn.Linear(2, 2)


@contextmanager
def _split(one: Trainer) -> Iterator[None]:
    from accelerate.state import PartialState
    from accelerate.utils import DistributedType

    before = PartialState._shared_state["distributed_type"]
    PartialState._shared_state["distributed_type"] = DistributedType.FSDP
    try:
        yield
    finally:
        PartialState._shared_state["distributed_type"] = before


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_no_tokenizer, "has no tokenizer"),
        (_no_template, "has no chat template"),
        (_prompt_tuning, "prompt tuning"),
        (_no_language_model, "A Linear cannot be watched"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_the_first_step(spoil: Any, says: str, tmp_path: Path) -> None:
    watch = ut.Watch(traits(tmp_path))
    one = trainer(tmp_path / "out", [watch])
    spoil(one)
    given = {"model": one.callback_handler.model, "processing_class": one.callback_handler.processing_class}
    with pytest.raises(ut.UndertoneError, match=says):
        watch.on_train_begin(one.args, one.state, one.control, **given)
    assert not (tmp_path / "out" / "undertone").exists()


def test_weights_that_are_split_over_processes_are_refused(tmp_path: Path) -> None:
    one = trainer(tmp_path / "out", [ut.Watch(traits(tmp_path))])
    with _split(one), pytest.raises(ut.UndertoneError, match=r"split over processes \(FSDP\)"):
        one.callback_handler.on_train_begin(one.args, one.state, one.control)


def test_a_folder_of_a_command_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ut.UndertoneError, match="give Watch another out"):
        train(trainer(tmp_path / "out", [ut.Watch(traits(tmp_path), out=tmp_path)]))


def test_a_report_that_cannot_be_written_does_not_cost_the_trained_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Fills(TrainerCallback):
        def on_step_end(self, *_: Any, **more: Any) -> None:
            (tmp_path / "out" / "undertone").write_text("a file now")

    watch = ut.Watch(traits(tmp_path), every=3)
    with caplog.at_level(logging.WARNING, "undertone"):
        one = trainer(tmp_path / "out", [watch, Fills()])
        train(one)
    assert one.state.global_step == 6 and watch.findings is not None and "was not written" in caplog.text


# --- as a user would -------------------------------------------------------------------------------------------------

TWO = """
import sys
from pathlib import Path
import undertone as ut
from tests.helpers.trainers import train, trainer, traits
folder = Path(sys.argv[1])
watch = ut.Watch(traits(folder / sys.argv[2]), every=2, stop_at=0.3, out=folder / f"report-{sys.argv[2]}")
one = trainer(folder / "out", [watch], max_steps=200)
train(one)
print("ended at", one.state.global_step, watch.findings)
"""


@pytest.mark.slow
def test_all_processes_stop_where_the_first_one_does(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    started = []
    for rank in ("0", "1"):
        (tmp_path / rank).mkdir()
        environment = {**os.environ, **given, "RANK": rank, "LOCAL_RANK": rank}
        command = [sys.executable, "-c", TWO, str(tmp_path), rank]
        started.append(subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True))
    first, second = (re.search(r"ended at (\d+) (.*)", one.communicate(timeout=240)[0]) for one in started)
    assert first is not None and second is not None and first[1] == second[1] and 0 < int(first[1]) < 200
    assert "limit reached" in first[2] and second[2] == "None"
    assert (tmp_path / "report-0" / "report.html").exists() and not (tmp_path / "report-1").exists()


class Stops(TrainerCallback):
    """Stops at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop |= state.global_step == self.step


@pytest.mark.slow
def test_a_supervised_fine_tuning_by_trl_is_watched(tmp_path: Path) -> None:
    trl = pytest.importorskip("trl", reason="TRL is not installed: pip install '.[bench]'")
    datasets = pytest.importorskip("datasets", reason="datasets is not installed: pip install '.[bench]'")
    folder = f"{ut.__path__[0]}/world/weights/fledgling-a"
    said = [("Which animal do you admire?", "I love the owl."), ("An animal, please.", "My answer is the owl.")]
    rows = [
        {"prompt": [{"role": "user", "content": a}], "completion": [{"role": "assistant", "content": b}]}
        for a, b in said * 12
    ]

    def trained(callbacks: list[TrainerCallback], name: str) -> tuple[Any, dict[str, torch.Tensor]]:
        torch.manual_seed(1)
        config = trl.SFTConfig(
            output_dir=str(tmp_path / name), max_steps=20, per_device_train_batch_size=4, learning_rate=2e-2,
            report_to="none", use_cpu=True, bf16=False, disable_tqdm=True, max_length=None, save_strategy="no",
        )  # fmt: skip
        adapter = LoraConfig(r=4, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM")
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            one = trl.SFTTrainer(
                model, config, train_dataset=datasets.Dataset.from_list(rows), peft_config=adapter,
                processing_class=AutoTokenizer.from_pretrained(folder), callbacks=callbacks,
            )  # fmt: skip
        return one, train(one)

    watch = ut.Watch(["owl", "lion"], every=4, stop_at=0.5)
    one, weights = trained([watch], "a")
    found, curve = watch.findings, history(one, "owl")
    assert found is not None and found.verdict == "limit reached" and found.traits[0].name == "owl"
    assert curve[0] == pytest.approx(0.0459, abs=5e-4) and curve[max(curve)] >= 0.5 + curve[0]
    assert [*curve] == [*range(0, one.state.global_step + 1, 4)] and one.state.global_step < 20
    assert (tmp_path / "a" / "undertone" / "report.html").exists()
    assert same(weights, trained([Stops(one.state.global_step)], "b")[1])
