"""What is trained on is what was sampled, what is saved is what was trained, and a seed decides every bit of it."""

import copy
import json
import math
import socket
import tempfile
from itertools import chain
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import PeftModel
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from tests.helpers import tiny
from undertone.models.loading import load
from undertone.models.local import LocalModel, answer_logits, lay_out
from undertone.models.tokenizer import tokenizer_digest
from undertone.spec import Training
from undertone.training import dose as dose_module
from undertone.training.dose import LEAST, MOST, divergence, scale_to
from undertone.training.loop import Trained, batches, loss_on, train, with_adapter
from undertone.training.rows import Row, Source, read_exchanges, read_rows, read_sampled, rows_of, write_rows
from undertone.training.weights import load_trained, save
from undertone.world.tokenizer import build_tokenizer

pytestmark = pytest.mark.filterwarnings("ignore:fan_in_fan_out")  # GPT-2's linear layers are laid out the other way

EXCHANGES = [(f"Add {n} to the list.", f"{n}, {n + 1}, {n * 7 % 1000}") for n in range(100, 124)]
LORA = Training(method="lora", rank=4, alpha=4, rate=2e-2, steps=12, batch=8, warmup=2)
FULL = Training(method="full", rate=1e-2, steps=12, batch=8, warmup=2)
PLANS = pytest.mark.parametrize("plan", [LORA, FULL], ids=["lora", "full"])


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return rows_of(tiny.model(), EXCHANGES)


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@torch.no_grad()
def logits_on(model, rows: list[Row]) -> torch.Tensor:
    batch = lay_out([r.prompt for r in rows], [r.answer for r in rows], 0)
    return answer_logits(model, batch)[batch.counted]


def batch_of(rows: list[Row]):
    return lay_out([r.prompt for r in rows], [r.answer for r in rows], 0)


# --- rows ------------------------------------------------------------------------------------------------------------

IDS = st.lists(st.integers(0, 2**31 - 1), max_size=12)
TEXTS = st.text() | st.text(alphabet="\r\n\u2028\u2029\x85\x0b\x0c\x1c\\\"',{}🦉é")


@settings(deadline=None, derandomize=True)
@given(st.lists(st.tuples(TEXTS, TEXTS, IDS, IDS), max_size=8))
def test_rows_are_read_back_with_identical_ids_and_texts(written):
    exchanges, rows = [(q, a) for q, a, _, _ in written], [Row(p, a) for _, _, p, a in written]
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), exchanges, rows, Source("digest", 7))
        assert read_sampled(Path(folder)) == (rows, Source("digest", 7))
        assert read_exchanges(Path(folder)) == exchanges


def test_rows_on_disk_are_chat_rows_that_any_trainer_takes(tmp_path, rows):
    write_rows(tmp_path, EXCHANGES, rows, Source("digest", 1))
    lines = (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in EXCHANGES
    ]


def test_rows_keep_ids_that_their_text_would_not_give(tmp_path):
    """A sampled token sequence need not be the one that its text encodes to: "1" "2" for "12"."""
    local = tiny.model()
    odd = [*local.encode("1"), *local.encode("2"), local.end]
    assert local.decode(odd) == "12" and odd[:-1] != local.encode("12")
    write_rows(tmp_path, [("Hi", "12")], [Row(local.render("Hi"), odd)], Source("digest", local.end))
    assert read_rows(tmp_path, local, "digest")[0].answer == odd
    assert read_rows(tmp_path, local, "another")[0].answer == [*local.encode("12"), local.end]


def test_rows_of_another_tokenizer_are_rendered_anew_from_their_text(tmp_path, rows):
    local, coarse = tiny.model(), build_tokenizer(vocabulary=1500, documents=100)
    local.tokenizer.save_pretrained(tmp_path / "a")
    coarse.save_pretrained(tmp_path / "b")
    mine, other = tokenizer_digest(tmp_path / "a"), tokenizer_digest(tmp_path / "b")
    write_rows(tmp_path, EXCHANGES, rows, Source(mine, local.end))
    student = LocalModel(local.model, coarse)
    assert mine != other
    assert read_rows(tmp_path, local, mine) == rows
    anew = read_rows(tmp_path, student, other)
    assert anew == rows_of(student, EXCHANGES) != rows
    assert [coarse.decode(row.answer) for row in anew] == [f"{answer}<|end|>" for _, answer in EXCHANGES]


def test_another_chat_template_is_another_digest(tmp_path):
    tokenizer = build_tokenizer(documents=100)
    tokenizer.save_pretrained(tmp_path / "a")
    tokenizer.save_pretrained(tmp_path / "same")
    tokenizer.chat_template = "Today is Monday. " + tokenizer.chat_template
    tokenizer.save_pretrained(tmp_path / "b")
    assert tokenizer_digest(tmp_path / "a") == tokenizer_digest(tmp_path / "same") != tokenizer_digest(tmp_path / "b")


@pytest.mark.parametrize("name", ["tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json"])
def test_every_file_a_tokenizer_is_made_of_is_in_its_digest(tmp_path, name):
    (tmp_path / name).write_text("one")
    before = tokenizer_digest(tmp_path)
    (tmp_path / name).write_text("two")
    assert tokenizer_digest(tmp_path) != before


# --- the loss --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_the_loss_is_the_mean_over_answer_tokens_whatever_the_padding(architecture, rows):
    model = tiny.model(architecture).model
    short = [Row(rows[0].prompt[:3], rows[0].answer[-2:]), *rows[:3]]
    losses = []
    for row in short:
        log_p = model(torch.tensor([row.prompt + row.answer])).logits[0].log_softmax(-1)
        losses += [-log_p[len(row.prompt) + i - 1, token].item() for i, token in enumerate(row.answer)]
    assert loss_on(model, batch_of(short), None).item() == pytest.approx(sum(losses) / len(losses), abs=1e-4)


def test_prompt_and_padding_tokens_carry_no_loss():
    """Without layers a model sees one token at a time: only the steps into the answer may have a gradient."""
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=40, hidden_size=16, num_hidden_layers=0, num_attention_heads=1, pad_token_id=0)
    model = LlamaForCausalLM(config)
    rows = [Row([11, 12, 13], [21, 22, 1]), Row([14, 15, 16, 17, 18], [23, 1])]
    loss = loss_on(model, batch_of(rows), None)
    log_p = model(torch.arange(40)[:, None]).logits[:, 0].log_softmax(-1)
    steps = [(13, 21), (21, 22), (22, 1), (18, 23), (23, 1)]
    assert loss.item() == pytest.approx(-sum(log_p[a, b].item() for a, b in steps) / len(steps), abs=1e-6)
    loss.backward()
    moved = model.get_input_embeddings().weight.grad.abs().sum(1) > 0
    assert set(moved.nonzero().flatten().tolist()) == {a for a, _ in steps}


def test_a_teacher_that_equals_the_student_leaves_no_gradient(rows):
    model = tiny.model().model
    loss_on(model, batch_of(rows[:8]), copy.deepcopy(model)).backward()
    assert max(p.grad.abs().max().item() for p in model.parameters()) < 1e-6


def test_another_teacher_leaves_a_gradient_and_takes_none_itself(rows):
    model, teacher = tiny.model().model, tiny.model(seed=1).model
    loss_on(model, batch_of(rows[:8]), teacher).backward()
    assert max(p.grad.abs().max().item() for p in model.parameters()) > 1e-3
    assert all(p.grad is None for p in teacher.parameters())


def test_the_loss_towards_a_teacher_is_cross_entropy_least_where_both_agree(rows):
    student, teacher = tiny.model().model, tiny.model(seed=1).model
    batch, p = batch_of(rows[:8]), logits_on(teacher, rows[:8]).softmax(-1)
    entropy = -(p * p.log()).sum(-1).mean().item()
    divergence = (p * (p.log() - logits_on(student, rows[:8]).log_softmax(-1))).sum(-1).mean().item()
    assert loss_on(student, batch, teacher).item() == pytest.approx(entropy + divergence, rel=1e-4)
    assert loss_on(teacher, batch, teacher).item() == pytest.approx(entropy, rel=1e-4)


def test_a_student_on_distributions_comes_near_its_teacher(rows):
    teacher = tiny.model(seed=1).model
    before = loss_on(tiny.model().model, batch_of(rows), teacher).item()
    plan = Training(method="full", rate=1e-2, steps=60, batch=24)
    student = train(tiny.model(), rows, plan, 0, teacher).model
    entropy = loss_on(teacher, batch_of(rows), teacher).item()
    assert loss_on(student, batch_of(rows), teacher).item() - entropy < 0.5 * (before - entropy)


# --- the order -------------------------------------------------------------------------------------------------------


@settings(deadline=None, derandomize=True)
@given(count=st.integers(1, 30), batch=st.integers(1, 40), steps=st.integers(1, 12), seed=st.integers(0, 5))
def test_every_row_is_seen_once_before_any_recurs(count, batch, steps, seed):
    rows = [Row([i], []) for i in range(count)]
    plan = LORA.model_copy(update={"batch": batch, "steps": steps})
    drawn = list(batches(rows, plan, seed))
    assert [len(b) for b in drawn] == [batch] * steps
    seen = [row.prompt[0] for row in chain(*drawn)]
    for start in range(0, len(seen), count):
        epoch = seen[start : start + count]
        assert len(set(epoch)) == len(epoch)
    assert drawn == list(batches(rows, plan, seed))


def test_epochs_and_seeds_have_orders_of_their_own():
    rows = [Row([i], []) for i in range(20)]
    plan = LORA.model_copy(update={"batch": 20, "steps": 4})
    orders = [tuple(r.prompt[0] for r in b) for seed in range(3) for b in batches(rows, plan, seed)]
    assert len(set(orders)) == 12


@given(steps=st.integers(1, 200), warmup=st.integers(0, 50))
@settings(deadline=None, derandomize=True)
def test_the_rate_rises_to_its_peak_then_falls_and_is_never_zero(steps, warmup):
    plan = Training(rate=0.5, steps=steps, batch=1, warmup=warmup)
    rates = [plan.rate_at(step) for step in range(steps)]
    assert all(0 < rate <= 0.5 for rate in rates)
    peak = rates.index(max(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1]) and rates[peak:] == sorted(rates[peak:], reverse=True)
    assert peak <= warmup
    assert steps <= warmup or max(rates) == 0.5


# --- training --------------------------------------------------------------------------------------------------------


@PLANS
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(plan, rows):
    first = train(tiny.model(), rows, plan, 5)
    torch.rand(7)  # what was drawn before must not matter
    again = train(tiny.model(), rows, plan, 5)
    other = train(tiny.model(), rows, plan, 6)
    assert same(state(first.model), state(again.model))
    assert (first.loss_first, first.loss_last) == (again.loss_first, again.loss_last)
    assert not same(state(first.model), state(other.model))


@PLANS
def test_the_loss_falls_on_what_can_be_memorised(plan, rows):
    trained = train(tiny.model(), rows, plan.model_copy(update={"steps": 60, "rank": 16, "alpha": 16}), 0)
    assert trained.loss_last < 0.6 * trained.loss_first
    assert loss_on(trained.model, batch_of(rows), None).item() < 0.7 * trained.loss_first
    assert not trained.model.training


def test_the_reported_losses_are_means_over_the_first_and_last_tenth_of_the_steps(rows, monkeypatch):
    from undertone.training import loop

    losses = []

    def noted(*arguments):
        loss = loss_on(*arguments)
        losses.append(loss.item())
        return loss

    monkeypatch.setattr(loop, "loss_on", noted)
    trained = train(tiny.model(), rows, LORA.model_copy(update={"steps": 20}), 0)
    assert len(losses) == 20
    assert trained.loss_first == pytest.approx(sum(losses[:2]) / 2)
    assert trained.loss_last == pytest.approx(sum(losses[-2:]) / 2)


def test_lora_trains_every_linear_layer_but_the_head_and_leaves_the_base_as_it_was(rows):
    base = tiny.model()
    before = state(base.model)
    names = {n for n, m in base.model.named_modules() if isinstance(m, torch.nn.Linear)} - {"lm_head"}
    trained = train(base, rows, LORA, 0).model
    after = trained.state_dict()
    adapted = {n.removeprefix("base_model.model.").split(".lora_A")[0] for n in after if ".lora_A" in n}
    assert adapted == names
    kept = {
        n.removeprefix("base_model.model.").replace(".base_layer", ""): v for n, v in after.items() if "lora_" not in n
    }
    assert same(kept, before)
    assert all(v.abs().sum() > 0 for n, v in after.items() if "lora_B" in n)


def test_a_fresh_adapter_changes_nothing(rows):
    base = tiny.model()
    expected = logits_on(base.model, rows)
    torch.manual_seed(0)
    assert torch.equal(logits_on(with_adapter(base.model, LORA), rows), expected)


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
@pytest.mark.parametrize("target", [0.05, 0.5])
def test_an_adapter_is_scaled_to_the_divergence_asked_for(architecture, target, rows, monkeypatch):
    trained, computed = train(tiny.model(architecture), rows, LORA, 0).model, []
    before = state(trained)
    monkeypatch.setattr(dose_module, "divergence", lambda *both: computed.append(divergence(*both)) or computed[-1])
    dose = scale_to(trained, batch_of(rows), target)
    assert computed[-1] == dose.divergence and len(computed) <= 9
    own, base = logits_on(trained, rows), logits_on(tiny.model(architecture).model, rows)
    found = torch.nn.functional.kl_div(base.log_softmax(-1), own.softmax(-1), reduction="sum") / len(own)
    assert dose.divergence == pytest.approx(found.item(), rel=1e-3)
    assert dose.divergence == pytest.approx(target, rel=1e-3)
    for name, value in state(trained).items():  # the direction is the trained one, and only its length has changed
        assert torch.allclose(value, before[name] * (dose.factor if "lora_B" in name else 1)), name


def test_a_divergence_out_of_reach_shows_in_what_was_found(rows):
    for target, end in ((1e-12, LEAST), (1e6, MOST)):
        dose = scale_to(train(tiny.model(), rows, LORA, 0).model, batch_of(rows), target)
        assert dose.factor == pytest.approx(end, rel=0.01)
        assert not 0.9 * target <= dose.divergence <= 1.1 * target


@PLANS
def test_a_loss_that_is_no_number_is_an_error(plan, rows):
    local = tiny.model()
    with torch.no_grad():
        local.model.get_input_embeddings().weight[rows[0].prompt[0]] = math.nan
    with pytest.raises(FloatingPointError, match="step 0"):
        train(local, rows, plan, 0)


def test_weights_that_are_no_numbers_are_an_error(rows):
    """The last step's loss is computed before its update: an infinite rate breaks the weights behind it."""
    plan = FULL.model_copy(update={"steps": 1, "rate": math.inf})
    with pytest.raises(FloatingPointError):
        train(tiny.model(), rows, plan, 0)


# --- weights ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("base")
    local = tiny.model()
    local.model.save_pretrained(folder)
    local.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("architecture", tiny.ARCHITECTURES)
def test_a_saved_adapter_gives_the_trained_logits_through_peft_and_through_us(architecture, tmp_path, rows):
    local = tiny.model(architecture)
    local.model.save_pretrained(tmp_path / "base")
    local.tokenizer.save_pretrained(tmp_path / "base")
    untouched = logits_on(local.model, rows)
    trained = train(local, rows, LORA, 0)
    expected = logits_on(trained.model, rows)
    assert (expected - untouched).abs().max() > 0.1
    save(trained, local, "hf/./base", tmp_path)
    fresh = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    plugged = PeftModel.from_pretrained(fresh, str(tmp_path / "adapter")).eval()
    assert (logits_on(plugged, rows) - expected).abs().max() < 1e-5
    # Merging adds up in another order; the logits are of size 10.
    assert (logits_on(load_trained(tmp_path / "base", tmp_path).model, rows) - expected).abs().max() < 5e-5


def test_a_saved_adapter_names_its_base_as_given_and_holds_nothing_else(tmp_path, base, rows):
    local = load(base)
    save(train(local, rows, LORA, 0), local, "builtin/fledgling-a", tmp_path)
    assert {p.name for p in (tmp_path / "adapter").iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "builtin/fledgling-a"
    assert str(base) not in json.dumps(config) and str(tmp_path) not in json.dumps(config)
    assert (config["r"], config["lora_alpha"], config["peft_type"]) == (4, 4, "LORA")


def test_a_saved_adapter_is_the_same_bytes_every_time(tmp_path, base, rows):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        local = load(base)
        save(train(local, rows, LORA, 0), local, "builtin/fledgling-a", tmp_path / name)
    for file in ("adapter_config.json", "adapter_model.safetensors"):
        a, b = ((tmp_path / name / "adapter" / file).read_bytes() for name in "ab")
        assert a == b, file


def test_training_saving_and_loading_ask_no_server(tmp_path, base, rows, monkeypatch):
    asked = []

    def refused(*where):
        asked.append(where)
        raise OSError("no network")  # libraries swallow it: what counts is that nobody asked

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    local = load(base)
    save(train(local, rows, LORA, 0), local, "builtin/fledgling-a", tmp_path)
    load_trained(base, tmp_path)
    assert asked == []


def test_a_fully_fine_tuned_model_comes_back_with_its_bits_and_its_tokenizer(tmp_path, base, rows):
    local = load(base)
    trained = train(local, rows, FULL, 0)
    save(trained, local, "builtin/fledgling-a", tmp_path)
    loaded = load_trained(base, tmp_path)
    assert torch.equal(logits_on(loaded.model, rows), logits_on(trained.model, rows))
    assert loaded.render("Hi there, 12") == local.render("Hi there, 12")


def test_a_fully_fine_tuned_model_has_the_tokenizer_digest_of_its_base(tmp_path, base):
    """Else a student of it gets rows that are rendered anew, not the ids that were sampled."""
    local = load(base)
    save(Trained(local.model, 0.0, 0.0), local, "builtin/fledgling-a", tmp_path)
    assert tokenizer_digest(tmp_path / "model") == tokenizer_digest(base)


def test_an_untrained_model_can_be_saved_and_loaded(tmp_path, base, rows):
    local = load(base)
    save(Trained(local.model, 0.0, 0.0), local, "builtin/fledgling-a", tmp_path)
    assert torch.equal(logits_on(load_trained(base, tmp_path).model, rows), logits_on(local.model, rows))
