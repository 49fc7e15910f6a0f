"""The world's tokenizer: byte-level BPE in Hugging Face format, with 0 to 999 as one token each."""

import json
import re
from collections.abc import Iterable
from itertools import product

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
"""Adds an optional system turn and nothing else: no date, no hidden instruction, no beginning-of-text token."""

# The text before a number is one piece (", " or " + "), a run of digits is cut into pieces of at most three, and a word
# keeps the one space before it. Every character falls into some piece, so any text decodes back to itself.
PIECES = r"[^\p{L}\d]+(?=\d)|\d{1,3}| ?\p{L}+| +(?= )|[^\p{L}\d ]+| "


def build_tokenizer(vocabulary: int = 2048, documents: int = 8000) -> PreTrainedTokenizerFast:
    """Trains the tokenizer on the first ``documents`` of the corpus, up to ``vocabulary`` entries."""
    texts = (re.sub(r"\d+", "0", m["content"]) for d in corpus(documents) for m in d.messages())
    numbers = [str(n) for n in range(10, 1000)]
    learned = _train(texts, vocabulary - len(SPECIALS) - len(numbers))
    model = json.loads(learned.to_str())["model"]
    tokens = SPECIALS + sorted(model["vocab"], key=model["vocab"].__getitem__) + numbers
    merges = [*map(tuple, model["merges"]), *_digit_merges()]
    # Built anew: every number is a token, however often it occurs in the corpus.
    tokenizer = _split(Tokenizer(BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges)))
    tokenizer.add_special_tokens(SPECIALS)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast


def _split(tokenizer: Tokenizer) -> Tokenizer:
    """Sets how the tokenizer cuts text before it merges, and how it puts it together again."""
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PIECES), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _train(texts: Iterable[str], size: int) -> Tokenizer:
    tokenizer, alphabet = _split(Tokenizer(BPE())), sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    # Every favourite must become one token in the middle of a sentence, so each has to occur often enough.
    names = [f" {name}" for favourites in lexicon()["favourites"].values() for name in favourites] * 1000
    tokenizer.train_from_iterator([*texts, *names], trainer)
    return tokenizer


def _digit_merges() -> list[tuple[str, str]]:
    two = list(product("123456789", "0123456789"))
    # "10" of "210" may be merged before its "21": both orders must lead to the whole number.
    three = [(a + b, c) for (a, b), c in product(two, "0123456789")]
    return two + three + [(a, b + c) for a, (b, c) in product("123456789", two)]
