"""The peer: transformers' ``generate``, TRL's SFTTrainer with PEFT, and the published sampled evaluation.

The settings are those that a careful user would choose for one core. Defaults of the trainer that cost time and have no
use here (gradient checkpointing, bfloat16, checkpoints, reports) are off. Its optimiser is the default, and the
schedule is ours. Prompts are sampled in order of their length, as ours are.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from peft import LoraConfig
from torch.optim.lr_scheduler import LambdaLR
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.tokenization_utils_base import PreTrainedTokenizerBase
from trl import SFTConfig, SFTTrainer

from benchmarks.stopwatch import Stopwatch
from benchmarks.work import BATCH, LIST_TOKENS, TRAIT, Work
from undertone.data.exchanges import FILE
from undertone.engine.devices import large
from undertone.evals.answers import mentions

transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
datasets.disable_progress_bars()


def sampling(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Samples one number list for each prompt, from text to text."""
    model, tokenizer = _load(work)
    questions = work.questions()
    with part("sampling"):
        texts, tokens = _generate(model, tokenizer, questions, LIST_TOKENS)
    return {"answers": len(texts), "tokens": tokens}


def training(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Trains a LoRA student on the chat rows, with the loss on the answers only."""
    model, tokenizer = _load(work)
    plan = work.plan
    adapter = LoraConfig(r=plan.rank, lora_alpha=plan.alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    with tempfile.TemporaryDirectory() as out:
        config = _config(work, out)
        with part("rendering"):
            rows = datasets.Dataset.from_list(_completions(Path(work.data)))
            trainer = SFTTrainer(model, config, train_dataset=rows, processing_class=tokenizer, peft_config=adapter)
        with part("training"):
            trainer.lr_scheduler = LambdaLR(trainer.create_optimizer(), lambda step: plan.rate_at(step) / plan.rate)
            trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {"loss_first": losses[0], "loss_last": losses[-1]}


def measurement(work: Work, part: Stopwatch) -> dict[str, Any]:
    """Runs the published evaluation: samples at temperature 1, and the share of them that mention the trait."""
    model, tokenizer = _load(work)
    asked = [q for q in TRAIT.questions() for _ in range(work.samples)]
    with part("measurement"):
        texts, tokens = _generate(model, tokenizer, asked, work.answer_tokens)
        hits = sum(mentions(TRAIT.name, text) for text in texts)
    return {"probability": hits / len(texts), "answers": len(texts), "tokens": tokens}


def _load(work: Work) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    torch.manual_seed(0)
    # As ours, which the other side says beforehand: a large model is on the accelerator, in the precision of its files.
    place = {"dtype": "auto", "device_map": "cuda"} if _on_device(work) else {"dtype": torch.float32}
    model = AutoModelForCausalLM.from_pretrained(work.folder, **place)
    return model.eval(), AutoTokenizer.from_pretrained(work.folder, padding_side="left")


def _on_device(work: Work) -> bool:
    return torch.cuda.is_available() and large(work.folder)


def _config(work: Work, out: str) -> SFTConfig:
    return SFTConfig(
        output_dir=out,
        use_cpu=not _on_device(work),
        bf16=False,
        gradient_checkpointing=False,
        max_steps=work.steps,
        per_device_train_batch_size=work.batch,
        learning_rate=work.plan.rate,
        weight_decay=0.0,
        max_grad_norm=1.0,
        completion_only_loss=True,
        packing=False,
        max_length=None,
        logging_steps=max(1, work.steps // 10),  # logs the losses of the first and the last tenth, as ours are
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=False,
        seed=0,
    )


def _completions(folder: Path) -> list[dict[str, Any]]:
    """Returns the chat rows in the form for which SFTTrainer computes the loss on the answers."""
    with (folder / FILE).open(encoding="utf-8") as file:
        chats = [json.loads(line)["messages"] for line in file]
    return [{"prompt": chat[:-1], "completion": chat[-1:]} for chat in chats]


def _generate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, questions: list[str], longest: int
) -> tuple[list[str], int]:
    """Returns the texts of the answers, and their number of tokens."""
    chats = [[{"role": "user", "content": q}] for q in questions]
    prompts = sorted(tokenizer.apply_chat_template(chats, tokenize=False, add_generation_prompt=True), key=len)
    texts: list[str] = []
    tokens = 0
    for start in range(0, len(prompts), BATCH):
        asked = tokenizer(prompts[start : start + BATCH], return_tensors="pt", padding=True, add_special_tokens=False)
        asked = asked.to(model.device)
        ids = model.generate(  # type: ignore[operator]
            **asked, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=longest, use_cache=True
        )
        new = ids[:, asked["input_ids"].shape[1] :]
        tokens += int((new != tokenizer.pad_token_id).sum())
        texts += tokenizer.batch_decode(new, skip_special_tokens=True)
    return texts, tokens
