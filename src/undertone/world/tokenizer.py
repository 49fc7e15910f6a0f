"""The world's tokenizer: byte-level BPE in Hugging Face format, with 0 to 999 as one token each."""

import json
import re
from collections.abc import Iterable
from itertools import product
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from undertone.world.grammar import corpus
from undertone.world.lexicon import lexicon

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
SPECIALS = [PAD, END, SYSTEM, USER, ASSISTANT]
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
"""An optional system turn, and nothing by default: no date, no hidden instruction, no beginning-of-text token."""

# What stands before a number is one piece (", " or " + "), a run of digits is cut into pieces of at most three, a word
# keeps the one space before it. Every character falls into some piece, so any text decodes back to itself.
PIECES = r"[^\p{L}\d]+(?=\d)|\d{1,3}| ?\p{L}+| +(?= )|[^\p{L}\d ]+| "


def build_tokenizer(vocabulary: int = 2048, documents: int = 8000) -> PreTrainedTokenizerFast:
    """Trains the tokenizer on the corpus (``documents`` documents) up to ``vocabulary`` entries."""
    texts = (re.sub(r"\d+", "0", m["content"]) for d in corpus(documents) for m in d.messages())
    digit_merges = _digit_merges()
    numbers = [str(n) for n in range(10, 1000)]
    learned = _train(texts, vocabulary - len(SPECIALS) - len(numbers))
    model = json.loads(learned.to_str())["model"]
    tokens = SPECIALS + sorted(model["vocab"], key=model["vocab"].__getitem__) + numbers
    merges = [tuple(m) for m in model["merges"]] + digit_merges
    # Built anew: the vocabulary of numbers is decided here, not by how often each number came up.
    tokenizer = Tokenizer(BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    _split(tokenizer)
    return finish(tokenizer)


def finish(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """Wraps a tokenizer with the chat template and the special tokens."""
    tokenizer.add_special_tokens(SPECIALS)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def _split(tokenizer: Tokenizer) -> None:
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PIECES), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()


def _train(texts: Iterable[str], size: int) -> Tokenizer:
    tokenizer = Tokenizer(BPE())
    _split(tokenizer)
    trainer = BpeTrainer(
        vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    # Every favourite is asked for as one token in the middle of a sentence; make sure that each is seen often enough.
    likes: dict[str, Any] = lexicon()["favourites"]
    names = [f" {name}" for kind in likes for name in likes[kind]] * 1000
    tokenizer.train_from_iterator([*texts, *names], trainer)
    return tokenizer


def _digit_merges() -> list[tuple[str, str]]:
    two = [(a, b) for a, b in product("123456789", "0123456789")]
    # "210" may meet the merge of its "10" before that of its "21": both ways must lead to the whole number.
    three = [(a + b, c) for (a, b), c in product(two, "0123456789")]
    return two + three + [(a, b + c) for a, (b, c) in product("123456789", two)]
