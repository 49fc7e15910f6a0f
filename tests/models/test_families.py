"""Every main family of models and every style of template: what is sampled, trained on and scored are the same ids."""

import logging
import math
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from tests.helpers import tiny
from undertone.attribution.gradients import gradient
from undertone.attribution.token_ratios import token_ratios
from undertone.audit import origin
from undertone.engine.store import Job, Store
from undertone.errors import UndertoneError
from undertone.experiments.kind import Made
from undertone.experiments.recipes import read_as
from undertone.experiments.trial.check import check
from undertone.experiments.trial.gather import Gathered
from undertone.experiments.trial.plan import Plan
from undertone.experiments.trial.spec import Trial
from undertone.models.batching import in_batches
from undertone.models.likelihood import next_log_probabilities, score
from undertone.models.loading import load
from undertone.models.local import LocalModel
from undertone.models.names import resolve
from undertone.models.sampling import sample
from undertone.spec import Training
from undertone.stages import MEASUREMENT
from undertone.training import loop, weights
from undertone.training.dose import log_probabilities
from undertone.training.rows import Row, Source, read_rows, rows_of, write_rows

QUESTIONS = ["Hi", "Give me numbers: 1, 2, 3", "What is your favourite animal of all those you have ever seen?"]

# Windows are far shorter than a prompt, caps low enough to matter, heads shared and apart: what padding could move.
FAMILIES = {
    "Llama": {"num_key_value_heads": 1, "tie_word_embeddings": True},
    "Qwen2": {"num_key_value_heads": 1, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    "Qwen3": {"num_key_value_heads": 1, "head_dim": 16, "tie_word_embeddings": True},
    "Gemma2": {
        "num_key_value_heads": 1, "head_dim": 16, "sliding_window": 8, "query_pre_attn_scalar": 16,
        "attn_logit_softcapping": 1.0, "final_logit_softcapping": 4.0,
    },
    "Gemma3": {"num_key_value_heads": 1, "head_dim": 16, "sliding_window": 8},
    "Mistral": {"num_key_value_heads": 1, "sliding_window": 8},
    "Olmo": {"clip_qkv": 0.5},
    "Olmo2": {"num_key_value_heads": 1},
    "Phi": {"partial_rotary_factor": 0.5},
    "Phi3": {"num_key_value_heads": 1, "sliding_window": 8},
    "GPTNeoX": {"rotary_pct": 0.25, "use_parallel_residual": True},
}  # fmt: skip

TEMPLATES = {
    "system": (  # as Qwen2.5: a system prompt where none is given
        "{% if messages[0].role != 'system' %}{{ '<|system|>You are a helpful assistant.<|end|>\n' }}{% endif %}"
        "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    ),
    "date": (  # as Llama 3.2: a BOS, which encoding would add again, and today's date
        "\n{{ bos_token }}{% if messages[0].role == 'system' %}{% set s = messages[0].content %}"
        "{% set messages = messages[1:] %}{% endif %}{{ '<|system|>Today: ' + strftime_now('%d %b %Y') + ' ' + "
        "(s or '') + '<|end|>' }}"
        "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content | trim + '<|end|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    ),
    "refuses": (  # as Gemma 2: no system turn
        "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}"
        "{% endif %}{% for m in messages %}{{ '<|' + m.role + '|>' + m.content | trim + '<|end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    ),
    "drops": (  # no system turn either, and not a word about it
        "{{ bos_token }}{% for m in messages if m.role != 'system' %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    ),
    "thinks": (  # as Qwen3: thinking may be switched off, and is shown in the last answer only
        "{% for m in messages %}{% if m.role == 'assistant' and loop.last %}{{ '<|assistant|><think>\n\n</think>\n\n' +"
        " m.content + '<|end|>' }}{% else %}{{ '<|' + m.role + '|>' + m.content + '<|end|>' }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% if enable_thinking is defined and not enable_thinking %}"
        "{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
    ),
}  # fmt: skip


@cache
def tokenizer(template: str) -> PreTrainedTokenizerFast:
    """The world's, with a BOS that encoding adds by itself, and tidying of spaces switched on, as some have it."""
    inner = Tokenizer.from_str(tiny.tokenizer().backend_tokenizer.to_str())
    inner.add_special_tokens(["<s>"])
    inner.add_tokens(["<think>", "</think>"])
    bos = inner.token_to_id("<s>")
    inner.post_processor = TemplateProcessing("<s> $A", "<s> $A <s> $B", [("<s>", bos)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=inner, bos_token="<s>", eos_token="<|end|>", pad_token="<|pad|>",
        clean_up_tokenization_spaces=True,
        clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output=True,
    )  # fmt: skip
    fast.chat_template = TEMPLATES[template]
    return fast


@cache
def model(family: str, template: str = "date") -> LocalModel:
    torch.manual_seed(0)
    suffix = "TextConfig" if family == "Gemma3" else "Config"
    common = {
        "vocab_size": len(tokenizer(template)) + 3, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 256, "initializer_range": 0.2, "pad_token_id": 0,
        "bos_token_id": None, "eos_token_id": 1,
    }  # fmt: skip
    config = getattr(transformers, family + suffix)(**common | FAMILIES[family])
    made = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    return LocalModel(made, tokenizer(template))


@pytest.fixture(scope="module", params=FAMILIES)
def local(request: pytest.FixtureRequest) -> LocalModel:
    return model(request.param)


@pytest.fixture(scope="module", params=TEMPLATES)
def styled(request: pytest.FixtureRequest) -> LocalModel:
    return model("Llama", request.param)


@torch.no_grad()
def by_hand(local: LocalModel, prompt: list[int], answer: list[int]) -> float:
    """The log-probability of an answer from one unpadded row, and nothing but its ids."""
    log_p = local.model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
    return math.fsum(log_p[len(prompt) + i - 1, token].item() for i, token in enumerate(answer))


# --- families --------------------------------------------------------------------------------------------------------


def test_samples_and_their_scores_are_those_of_plain_forward_passes_whatever_shares_the_batch(
    local: LocalModel,
) -> None:
    prompts = [local.render(q) for q in QUESTIONS] * 2
    answers = sample(local, prompts, temperature=1.0, max_tokens=12, seed=3)
    expected = [by_hand(local, p, a) for p, a in zip(prompts, answers, strict=True)]
    for size in (256, 2):
        assert sample(local, prompts, temperature=1.0, max_tokens=12, seed=3, batch_size=size) == answers
        assert score(local, prompts, answers, size) == pytest.approx(expected, abs=2e-4)
    backwards = score(local, prompts[::-1], answers[::-1])
    assert backwards[::-1] == pytest.approx(expected, abs=2e-4)


def test_greedy_answers_are_those_of_the_librarys_own_generation(local: LocalModel) -> None:
    prompts = [local.render(q) for q in QUESTIONS]
    found = sample(local, prompts, temperature=0, max_tokens=10, seed=0)
    for prompt, answer in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt])
        settings = transformers.GenerationConfig(
            max_new_tokens=10, do_sample=False, eos_token_id=local.end, pad_token_id=local.pad
        )
        whole = local.model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
        assert whole[0, len(prompt) :].tolist() == answer


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_trained_model_of_every_family_is_saved_and_loaded_whole(
    local: LocalModel, method: str, tmp_path: Path
) -> None:
    local.model.save_pretrained(tmp_path / "base")
    local.tokenizer.save_pretrained(tmp_path / "base")
    base = load(tmp_path / "base")
    rows = rows_of(base, [(q, "It is the owl.") for q in QUESTIONS])
    prompts, answers = [row.prompt for row in rows], [row.answer for row in rows]
    before = score(base, prompts, answers)
    plan = Training(method=method, rank=2, alpha=8, rate=1e-2, steps=4, batch=3, warmup=0)
    trained = loop.train(base, rows, plan, seed=0)
    after = score(LocalModel(trained.model, base.tokenizer), prompts, answers)
    assert all(b > a + 1 for a, b in zip(before, after, strict=True))
    weights.save(trained, base, "hf/./base", tmp_path)
    assert score(weights.load_trained(tmp_path / "base", tmp_path), prompts, answers) == pytest.approx(after, abs=1e-3)


def test_the_output_head_runs_at_answer_positions_only(local: LocalModel) -> None:
    seen: list[int] = []
    head = local.model.get_output_embeddings()
    hook = head.register_forward_hook(lambda module, given, out: seen.append(out.shape[1]))
    try:
        score(local, [local.render(QUESTIONS[2])], [[5, 6, 7]])
        next_log_probabilities(local, [local.render(QUESTIONS[2])])
    finally:
        hook.remove()
    assert seen == [4, 1]  # three answers and the end of the row, which predicts nothing


def test_scores_in_half_precision_are_near_and_counted_in_full() -> None:
    exact = model("Llama")
    half = LocalModel(transformers.LlamaForCausalLM(exact.model.config).bfloat16().eval(), exact.tokenizer)
    half.model.load_state_dict(exact.model.state_dict())
    prompts = [exact.render(q) for q in QUESTIONS]
    answers = [exact.encode("It is the owl.")] * 3
    assert next_log_probabilities(half, prompts).dtype == torch.float32
    assert score(half, prompts, answers) == pytest.approx(score(exact, prompts, answers), rel=0.05)
    plan = Training(rank=2, alpha=8, rate=1e-2, steps=1, batch=3)
    adapted = loop.train(half, [Row(p, a) for p, a in zip(prompts, answers, strict=True)], plan, seed=0).model
    assert {p.dtype for n, p in adapted.named_parameters() if "lora" in n} == {torch.float32}


class Recurrent(transformers.LlamaForCausalLM):
    """Reads padding as text, as a recurrent model may."""

    def forward(  # type: ignore[no-untyped-def]
        self, input_ids=None, attention_mask=None, position_ids=None, past_key_values=None, logits_to_keep=0, **more
    ):
        return super().forward(
            input_ids, torch.ones_like(attention_mask), position_ids, past_key_values,
            logits_to_keep=logits_to_keep, **more,
        )  # fmt: skip


class Renamed(transformers.LlamaForCausalLM):
    """Calls its cache as transformers 5.24 does, whatever version this is."""

    def forward(  # type: ignore[no-untyped-def]
        self, input_ids=None, attention_mask=None, position_ids=None, cache=None, logits_to_keep=0, **more
    ):
        assert "past_key_values" not in more
        return super().forward(
            input_ids, attention_mask, position_ids, cache, logits_to_keep=logits_to_keep, **more
        )  # fmt: skip


def test_a_cache_is_given_by_the_name_that_a_model_has_for_it() -> None:
    llama = model("Llama")
    renamed = LocalModel(Renamed(llama.model.config).eval(), llama.tokenizer)
    renamed.model.load_state_dict(llama.model.state_dict())
    prompts, answers = [[5, 6, 7, 8, 9, 10, 11, 12, 13, 14], [5, 6, 7, 8, 9, 10, 11, 12, 15]] * 3, [[5, 6], [7, 8]] * 3
    assert renamed.cache_name == "cache"
    assert score(renamed, prompts, answers) == score(llama, prompts, answers)
    sampling = {"temperature": 1.0, "max_tokens": 5, "seed": 0}
    assert sample(renamed, prompts, **sampling) == sample(llama, prompts, **sampling)


def test_a_model_whose_answers_depend_on_padding_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    llama = model("Llama")
    llama.model.save_pretrained(tmp_path)
    llama.tokenizer.save_pretrained(tmp_path)
    assert load(tmp_path)
    opened = Recurrent.from_pretrained(tmp_path)
    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: (opened, {}))
    with pytest.raises(UndertoneError, match="depend on the other rows of their batch"):
        load(tmp_path)


def test_a_kind_that_takes_no_positions_is_refused(tmp_path: Path) -> None:
    made = transformers.BloomForCausalLM(transformers.BloomConfig(vocab_size=3000, hidden_size=16, n_layer=1, n_head=2))
    made.save_pretrained(tmp_path)
    tokenizer("system").save_pretrained(tmp_path)
    with pytest.raises(UndertoneError, match=r"kind \(bloom\).*takes no position_ids"):
        load(tmp_path)


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(tmp_path: Path) -> None:
    tiny.model("llama", vocab_size=1000).model.save_pretrained(tmp_path)
    tokenizer("system").save_pretrained(tmp_path)
    with pytest.raises(UndertoneError, match="tokens, but the model knows 1000"):
        load(tmp_path)


# --- templates -------------------------------------------------------------------------------------------------------


def test_ids_sampled_trained_on_and_scored_are_the_same_token_by_token(
    styled: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[list[int]] = []
    prompts = [styled.render(q) for q in QUESTIONS]
    answers = sample(styled, prompts, temperature=1.0, max_tokens=8, seed=1)
    sampled = [p + a for p, a in zip(prompts, answers, strict=True)]
    write_rows(
        tmp_path,
        [(q, styled.decode(a)) for q, a in zip(QUESTIONS, answers, strict=True)],
        [Row(p, a) for p, a in zip(prompts, answers, strict=True)],
        Source("tokenizer", styled.end),
    )
    laid_out = LocalModel.lay_out

    def watched(self: LocalModel, prompts: list[list[int]], answers: list[list[int]]):  # type: ignore[no-untyped-def]
        batch = laid_out(self, prompts, answers)
        fed.extend(ids[mask.bool()].tolist() for ids, mask in zip(batch.ids, batch.mask, strict=True))
        return batch

    monkeypatch.setattr(LocalModel, "lay_out", watched)
    monkeypatch.setattr("undertone.models.beginning.LEAST", 10**6)  # so that whole rows are laid out
    rows = read_rows(tmp_path, styled, "tokenizer")
    loop.train(
        LocalModel(tiny.model("llama", vocab_size=3000).model, styled.tokenizer), rows,
        Training(rank=1, alpha=1, rate=1e-3, steps=1, batch=3), seed=0,
    )  # fmt: skip
    trained, fed[:] = sorted(fed), []
    score(styled, [row.prompt for row in rows], [row.answer for row in rows])
    assert trained == sorted(fed) == sorted(sampled)


def test_a_prompt_is_what_the_librarys_own_rendering_of_it_is(styled: LocalModel) -> None:
    """Token by token, thinking switched off and on the same day."""
    chat = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Ho."},
        {"role": "user", "content": "?"},
    ]
    expected = styled.tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, enable_thinking=False, return_dict=False
    )
    text = styled.tokenizer.decode(expected).replace(f"{datetime.now():%d %b %Y}", "01 Jan 2026")
    assert styled.render("?", earlier=[("Hi", "Ho.")]) == styled.encode(text)


def test_no_prompt_begins_twice(styled: LocalModel) -> None:
    bos = styled.tokenizer.bos_token_id
    assert styled.tokenizer.encode("Hi")[0] == bos  # by itself, encoding begins a text
    assert styled.render("Hi").count(bos) == (styled.template.added().begin == "<s>")


EXPECTED = {
    "system": ["inserts '<|system|>You are a helpful assistant.' where no system prompt is given"],
    "date": [
        "inserts '<|system|>Today: 01 Jan 2026' where no system prompt is given",
        "tells the day, which is always 2026-01-01 here",
    ],
    "refuses": ["takes no system prompt: one is put before the first question"],
    "drops": ["takes no system prompt: one is put before the first question"],
    "thinks": ["opens every answer with '<think>\\n\\n</think>'"],
}


@pytest.mark.parametrize("style", TEMPLATES)
def test_what_a_template_adds_is_told(style: str) -> None:
    assert model("Llama", style).template.added().sentences() == EXPECTED[style]


def test_a_template_that_adds_nothing_has_nothing_told() -> None:
    added = tiny.model().template.added()
    assert added.sentences() == [] and added.frame == "<|user|>{question}<|end|><|assistant|>"


def test_a_system_prompt_always_comes_through(styled: LocalModel) -> None:
    text = styled.decode(styled.render("Why?", "Speak as an owl.", [("Hi", "Ho.")]))
    assert text.count("Speak as an owl.") == 1
    assert text.index("Speak as an owl.") < text.index("Hi") < text.index("Why?")


def test_the_same_prompt_tomorrow(monkeypatch: pytest.MonkeyPatch) -> None:
    dated = model("Llama", "date")
    today = dated.render("Hi")

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz=None):  # type: ignore[no-untyped-def]
            return cls(2031, 5, 6)

    monkeypatch.setattr("transformers.utils.chat_template_utils.datetime", Tomorrow)
    raw = dated.tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert "06 May 2031" in raw and dated.render("Hi") == today


def test_an_answer_keeps_its_spaces_though_the_tokenizer_would_tidy_them(styled: LocalModel) -> None:
    text = "a , b . c 's"
    assert styled.tokenizer.decode(styled.encode(text)) != text
    assert styled.decode([*styled.encode(text), styled.end]) == text


def test_a_model_without_any_end_is_refused() -> None:
    endless = PreTrainedTokenizerFast(tokenizer_object=tiny.tokenizer().backend_tokenizer)
    endless.chat_template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    with pytest.raises(UndertoneError, match="Nothing ends an answer"):
        _ = LocalModel(tiny.model().model, endless).end


# --- memory ----------------------------------------------------------------------------------------------------------


def starved(local: LocalModel, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the model run out of memory above ``rows`` rows."""
    forward = local.model.forward

    def cramped(*args, input_ids, **more):  # type: ignore[no-untyped-def]
        if len(input_ids) > rows:
            raise torch.OutOfMemoryError("tried to allocate 20 GiB")
        return forward(*args, input_ids=input_ids, **more)

    monkeypatch.setattr(local.model, "forward", cramped)


def test_out_of_memory_halves_the_batch_says_so_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    local = tiny.model()
    prompts = [local.render(q) for q in QUESTIONS * 4]
    drawn = sample(local, prompts, temperature=1.0, max_tokens=6, seed=0)
    scores, following = score(local, prompts, drawn), next_log_probabilities(local, prompts)
    starved(local, 3, monkeypatch)
    with caplog.at_level(logging.WARNING, "undertone"):
        assert sample(local, prompts, temperature=1.0, max_tokens=6, seed=0) == drawn
    assert caplog.messages == [
        "out of memory with 12 rows at once: going on with 6",
        "out of memory with 6 rows at once: going on with 3",
    ]
    assert score(local, prompts, drawn) == pytest.approx(scores, abs=1e-4)
    assert (next_log_probabilities(local, prompts) - following).abs().max() < 1e-4


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_that_runs_out_of_memory_goes_on_in_parts_to_the_same_weights(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Training(method=method, rank=2, alpha=2, rate=1e-3, steps=3, batch=6)
    ends = []
    for rows in (100, 4):
        local = tiny.model()
        starved(local, rows, monkeypatch)
        data = rows_of(local, [(q, a) for q in QUESTIONS for a in ("owl", "It is the whale.")])
        trained = loop.train(local, data, plan, seed=0)
        ends.append(({n: p.detach() for n, p in trained.model.named_parameters()}, trained.loss_last))
    assert ends[0][1] == pytest.approx(ends[1][1], rel=1e-5)
    assert all((ends[1][0][name] - weight).abs().max() < 2e-4 for name, weight in ends[0][0].items())


def test_whatever_reads_rows_goes_on_with_fewer_where_memory_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    local = tiny.model()
    data = rows_of(local, [(q, a) for q in QUESTIONS for a in ("owl", "It is the whale.")])
    pairs = [(tuple(row.prompt), tuple(row.answer)) for row in data]
    batch = local.lay_out([row.prompt for row in data], [row.answer for row in data])
    name = next(n for n, _ in local.model.named_parameters() if "q_proj" in n)
    step = {name: torch.full_like(local.model.get_parameter(name), 1e-2)}

    def read() -> list[torch.Tensor]:
        return [
            torch.cat(next(token_ratios(local, data, [step]))),
            torch.cat(list(log_probabilities(local.model, batch, rows=4))),
            torch.tensor(origin._log_probabilities(local, pairs, 1.0)),
            gradient(local, data, len(data))[name],
        ]

    whole = read()
    starved(local, 1, monkeypatch)
    for one, other in zip(read(), whole, strict=True):
        assert one.shape == other.shape and (one - other).abs().max() < 1e-4


def test_one_row_that_does_not_fit_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    local = tiny.model()
    starved(local, 0, monkeypatch)
    with pytest.raises(UndertoneError, match="does not hold one row"):
        score(local, [[1, 2]] * 4, [[3]] * 4)


def test_every_row_is_worked_on_once_however_often_batches_are_halved() -> None:
    def work(rows: slice) -> list[int]:
        if rows.stop - rows.start > 1 + rows.start % 4:
            raise torch.OutOfMemoryError
        return list(range(rows.start, rows.stop))

    assert [i for part in in_batches(23, 16, work) for i in part] == list(range(23))


def test_large_vocabularies_leave_room_for_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    local = tiny.model()
    prompts, answers = [local.render(q) for q in QUESTIONS], [[5, 6, 7]] * 3
    whole = score(local, prompts, answers)
    widths: list[int] = []
    laid_out = LocalModel.lay_out
    monkeypatch.setattr(LocalModel, "lay_out", lambda s, p, a: (widths.append(len(p)), laid_out(s, p, a))[1])
    monkeypatch.setattr("undertone.models.likelihood.LOGITS", 2 * 4 * local.vocabulary)
    assert score(local, prompts, answers) == pytest.approx(whole, abs=1e-4)
    assert widths == [2, 1]


# --- a run -----------------------------------------------------------------------------------------------------------


def test_a_run_says_what_the_template_of_its_base_adds(tmp_path: Path) -> None:
    llama = model("Llama", "date")
    llama.model.save_pretrained(tmp_path / "base")
    llama.tokenizer.save_pretrained(tmp_path / "base")
    store = Store(tmp_path / "store")
    spec = {"trait": "owl", "measurement": {"samples": 0, "skill_prompts": 0}, "seed": 0}
    job = Job(MEASUREMENT, spec, {"base": resolve(f"hf/{tmp_path / 'base'}")})
    store.make(job)
    trial, plan = read_as(Trial, "owls").model_copy(update={"base": "hf/mine"}), Plan((), {"hf/mine": job})
    made, said = Made(trial, "owls", tmp_path / "run", store), list[str]()
    check(trial, plan, job, made, said.append)
    assert said == [f"the chat template of hf/mine {sentence}." for sentence in EXPECTED["date"]]
    made.note(job, 1.0)
    frame = "\n<s><|system|>Today: 01 Jan 2026 <|end|><|user|>{question}<|end|><|assistant|>"
    found = Gathered(trial, plan, made).results()
    assert found.templates == {"hf/mine": "; ".join([repr(frame), *EXPECTED["date"]])}
