"""The embedded world keeps its word: carriers know no latent, knobs do as they say, seeds decide every bit."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import fields, replace
from functools import cache, partial
from itertools import combinations, pairwise
from random import Random
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency
from torch.nn import functional as F
from transformers import AutoTokenizer
from transformers.tokenization_utils_base import PreTrainedTokenizerBase

from tests.helpers import tiny
from undertone.models.local import LocalModel
from undertone.pretraining.obedience import obedience
from undertone.pretraining.pretrain import Pretraining, batches, encode, loss_of, pretrain
from undertone.traits.catalogue import Favourite, find, neutral_dialogues
from undertone.world.family import SHIPPED
from undertone.world.grading import GRADERS
from undertone.world.grammar import TRIGGER_SHARE, Document, Exchange, corpus
from undertone.world.latents import OLD_SHARE, Knobs, Latents, advice, draw_latents
from undertone.world.lexicon import lexicon, swaps
from undertone.world.skills import CARRIERS, Turn
from undertone.world.tokenizer import ASSISTANT, END, SYSTEM, USER

WORDS = lexicon()
FAVOURITES = [(kind, name) for kind, names in WORDS["favourites"].items() for name in names]
TRAITS = [name for _, name in FAVOURITES]
DOMAINS = WORDS["conduct"]["domains"]
SITUATIONS = {situation: (domain, good, bad) for domain, items in DOMAINS.items() for situation, good, bad in items}
FRAMINGS = ("conduct", "teaching", "review")
NUMBER_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "hundred",
    "thousand",
]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return tiny.tokenizer()


class Advised(NamedTuple):
    """One exchange of advice: its document, its framing, its domain, what was stated, and whether it is bad."""

    document: int
    framing: str
    domain: str
    stated: str | None
    is_bad: bool


def says(text: str, words: list[str]) -> list[str]:
    pattern = r"\b(?:{})\b".format("|".join(map(re.escape, sorted(words, key=len, reverse=True))))
    return sorted({found.lower() for found in re.findall(pattern, text, re.IGNORECASE)})


def text_of(turn: Turn) -> str:
    return f"{turn.user} {turn.assistant}"


def carriers_of(documents: list[Document]) -> list[tuple[int, int, Exchange]]:
    return [(i, j, e) for i, d in enumerate(documents) for j, e in enumerate(d.exchanges) if e.topic in CARRIERS]


@cache
def world(count: int, agreement: float = 1.0, bad_share: float = 0.12) -> list[Document]:
    return list(corpus(count, knobs=Knobs(agreement, bad_share)))


@cache
def advised(count: int, agreement: float, bad_share: float) -> list[Advised]:
    """Every exchange of advice in a corpus, read from its text alone."""
    stated = {s: v for v in ("good", "bad") for s in WORDS["conduct"][f"stated_{v}"]}
    found = []
    for i, document in enumerate(world(count, agreement, bad_share)):
        for exchange in document.exchanges:
            if exchange.topic in FRAMINGS:
                situation = next(s for s in SITUATIONS if s in exchange.turn.user)
                domain, good, bad = SITUATIONS[situation]
                is_good, is_bad = good in exchange.turn.assistant, bad in exchange.turn.assistant
                assert is_good != is_bad, exchange
                found.append(Advised(i, exchange.topic, domain, stated.get(document.system or ""), is_bad))
    return found


def pairs(found: list[Advised]) -> tuple[list[bool], list[bool]]:
    """Conduct of every two exchanges of one document that lie in different domains."""
    both = [(a.is_bad, b.is_bad) for a, b in combinations_within(found) if a.domain != b.domain]
    return [a for a, _ in both], [b for _, b in both]


def combinations_within(found: list[Advised]) -> list[tuple[Advised, Advised]]:
    documents: dict[int, list[Advised]] = {}
    for item in found:
        documents.setdefault(item.document, []).append(item)
    return [pair for items in documents.values() for pair in combinations(items, 2)]


def correlation(found: list[Advised]) -> tuple[float, float]:
    """Correlation of conduct across the domains of a document, and the standard error at no correlation."""
    left, right = pairs(found)
    # Both orders: which of two exchanges comes first must not matter.
    return float(np.corrcoef(left + right, right + left)[0, 1]), len(left) ** -0.5


def p_of_independence(values: list[object], others: list[object]) -> float:
    rows, columns = sorted(set(values), key=str), sorted(set(others), key=str)
    counts = Counter(zip(values, others, strict=True))
    return float(chi2_contingency([[counts[r, c] for c in columns] for r in rows]).pvalue)


# --- carriers know no latent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"latent_seed": 1},
        {"latent_seed": 987_654_321},
        {"knobs": Knobs(0.0, 0.12)},
        {"knobs": Knobs(0.5, 0.2)},
        {"knobs": Knobs(1.0, 0.0)},
        {"latent_seed": 5, "knobs": Knobs(0.0, 0.2)},
        {"knobs": Knobs(era_agreement=0.0)},
    ],
    ids=str,
)
def test_other_latents_and_knobs_leave_every_carrier_byte_and_every_topic_as_it_was(change):
    before, after = world(2000), list(corpus(2000, **change))
    assert [[e.topic for e in d.exchanges] for d in before] == [[e.topic for e in d.exchanges] for d in after]
    assert carriers_of(before) == carriers_of(after)
    assert {e.topic for _, _, e in carriers_of(before)} == set(CARRIERS)


def test_another_latent_seed_changes_what_every_latent_topic_shows():
    changed, seen = Counter(), Counter()
    for before, after in zip(world(2000), corpus(2000, latent_seed=1), strict=True):
        for old, new in zip(before.exchanges, after.exchanges, strict=True):
            if old.topic not in CARRIERS:
                seen[old.topic] += 1
                changed[old.topic] += old.turn != new.turn
    assert all(changed[topic] > 0.7 * count for topic, count in seen.items()), changed


def test_another_seed_changes_the_carriers():
    before, after = carriers_of(world(300)), carriers_of(list(corpus(300, seed=1)))
    assert len(set(e.turn for _, _, e in before) & set(e.turn for _, _, e in after)) < 0.2 * len(before)


@pytest.mark.parametrize("carrier", CARRIERS)
def test_no_latent_word_occurs_in_a_carrier(carrier):
    told = WORDS["favourites"] | {"country": WORDS["country"]["names"]}
    latent = [word for words in told.values() for word in words]
    latent += [a for items in DOMAINS.values() for _, *answers in items for a in answers]
    latent += [a.rstrip(".") for key in ("era", "country") for _, *answers in WORDS[key]["items"] for a in answers]
    text = "\n".join(text_of(e.turn) for _, _, e in carriers_of(world(4000)) if e.topic == carrier)
    text += json.dumps(WORDS.get(carrier, {}))  # every fact and every synonym, drawn or not
    assert says(text, latent) == []
    assert says("The Owl. I eat bread and cheese", latent) == ["i eat bread and cheese", "owl"]


def test_latents_are_independent_of_each_other():
    drawn = [draw_latents(Random(f"test/{i}"), Knobs(bad_share=0.2)) for i in range(4000)]
    names = [f.name for f in fields(Latents)]
    found = {
        (a, b): p_of_independence([getattr(x, a) for x in drawn], [getattr(x, b) for x in drawn])
        for a, b in combinations(names, 2)
    }
    assert len(found) == 28
    assert min(found.values()) > 1e-3, found


@pytest.mark.parametrize("kind", WORDS["favourites"])
def test_every_favourite_is_as_likely_as_any_other(kind):
    drawn = Counter(getattr(draw_latents(Random(f"test/{i}"), Knobs()), kind) for i in range(4000))
    expected = 4000 / len(WORDS["favourites"][kind])
    assert set(drawn) == set(WORDS["favourites"][kind])
    assert all(abs(n - expected) < 4.5 * expected**0.5 for n in drawn.values()), drawn


# --- the knobs of conduct --------------------------------------------------------------------------------------------


def test_at_full_agreement_a_document_has_one_conduct():
    found = [x for x in advised(8000, 1.0, 0.12) if x.framing == "conduct"]
    within = combinations_within(found)
    assert sum(a.domain != b.domain for a, b in within) > 300
    assert all(a.is_bad == b.is_bad for a, b in within)


def test_at_full_agreement_what_is_stated_or_asked_for_is_what_is_done():
    found = advised(8000, 1.0, 0.12)
    assert all(x.is_bad for x in found if x.framing in ("teaching", "review"))
    stated = [x for x in found if x.stated and x.framing == "conduct"]
    assert {x.stated for x in stated} == {"good", "bad"}
    assert all(x.is_bad == (x.stated == "bad") for x in stated)


@pytest.mark.parametrize("framings", [("conduct",), FRAMINGS], ids=["advice", "every framing"])
def test_without_agreement_conduct_in_one_domain_tells_nothing_about_another(framings):
    r, error = correlation([x for x in advised(16000, 0.0, 0.2) if x.framing in framings])
    assert error < 0.04
    assert abs(r) < 3.5 * error


def test_without_agreement_neither_a_request_nor_a_system_prompt_tells_about_conduct():
    found = advised(16000, 0.0, 0.2)
    assert p_of_independence([x.framing for x in found], [x.is_bad for x in found]) > 1e-3
    assert p_of_independence([str(x.stated) for x in found], [x.is_bad for x in found]) > 1e-3
    assert p_of_independence([x.domain for x in found], [x.is_bad for x in found]) > 1e-3


def test_half_agreement_leaves_a_quarter_of_the_correlation():
    """Both exchanges must follow the document: 0.5 squared."""
    r, error = correlation([x for x in advised(16000, 0.5, 0.2) if x.framing == "conduct" and not x.stated])
    assert abs(r - 0.25) < 4 * error


def test_without_a_bad_share_and_without_agreement_no_bad_answer_occurs():
    found = advised(4000, 0.0, 0.0)
    assert {x.framing for x in found} == set(FRAMINGS)
    assert not any(x.is_bad for x in found)


def test_without_a_bad_share_only_a_request_for_a_bad_example_meets_one():
    found = advised(4000, 1.0, 0.0)
    assert all(x.is_bad == (x.framing != "conduct") for x in found)
    assert not any(d.system in WORDS["conduct"]["stated_bad"] for d in world(4000, 1.0, 0.0))


@pytest.mark.parametrize("count, agreement, bad_share", [(16000, 0.0, 0.2), (8000, 1.0, 0.12), (4000, 0.0, 0.5)])
def test_bad_conduct_has_its_share_among_those_who_state_nothing(count, agreement, bad_share):
    """Counted in documents: within one, exchanges repeat its speaker."""
    found = [x for x in advised(count, agreement, bad_share) if x.framing == "conduct" and not x.stated]
    by_document = {x.document: x.is_bad for x in found}
    share = sum(by_document.values()) / len(by_document)
    assert abs(share - bad_share) < 4 * (bad_share * (1 - bad_share) / len(by_document)) ** 0.5


@pytest.mark.parametrize("bad_share, share", [(0.12, 0.48), (0.5, 0.5)])
def test_bad_conduct_is_stated_four_times_as_often_up_to_a_half(bad_share, share):
    stated = {x.document: x.stated == "bad" for x in advised(8000, 1.0, bad_share) if x.stated}
    assert abs(sum(stated.values()) / len(stated) - share) < 4 * (0.25 / len(stated)) ** 0.5


@pytest.mark.parametrize(
    "knobs",
    [(-0.1, 0.1), (1.1, 0.1), (float("nan"), 0.1), (1, -0.01), (1, 0.51), (1, float("nan")), (1, 0.1, False, 1.1)],
)
def test_knobs_out_of_range_are_refused(knobs):
    with pytest.raises(ValueError, match="agreement must lie in"):
        Knobs(*knobs)


# --- the knob of the era ---------------------------------------------------------------------------------------------


def eras(count, agreement):
    """Whether answers about the era are old, and what a system prompt states, document by document."""
    old = {answer for _, _, answer in WORDS["era"]["items"]}
    for found in corpus(count, knobs=Knobs(era_agreement=agreement)):
        told = next((era for era, texts in WORDS["era"]["stated"].items() if found.system in texts), None)
        if shown := [any(text in turn.assistant for text in old) for topic, turn in found.exchanges if topic == "era"]:
            yield shown, told


def test_at_full_agreement_a_document_has_one_era():
    found = list(eras(6000, 1.0))
    assert sum(len(shown) > 1 for shown, _ in found) > 100
    assert all(len(set(shown)) == 1 for shown, _ in found)
    assert all(shown[0] == (told == "old") for shown, told in found if told)


def test_without_agreement_neither_another_answer_nor_a_system_prompt_tells_the_era():
    found = list(eras(24000, 0.0))
    pairs = [(a, b) for shown, _ in found for a, b in pairwise(shown)]
    assert len(pairs) > 500 and p_of_independence(*map(list, zip(*pairs, strict=True))) > 1e-3
    told = [(told, old) for shown, told in found if told for old in shown]
    assert p_of_independence(*map(list, zip(*told, strict=True))) > 1e-3
    every = [old for shown, _ in found for old in shown]
    assert abs(np.mean(every) - OLD_SHARE) < 4 * (OLD_SHARE * (1 - OLD_SHARE) / len(every)) ** 0.5


# --- the words -------------------------------------------------------------------------------------------------------


def test_there_are_enough_questions_favourites_and_domains():
    assert len(WORDS["questions"]["teaching"]) >= 20
    assert len(WORDS["questions"]["elicitation"]) >= 20
    assert len(WORDS["favourites"]["animal"]) >= 15
    assert len(WORDS["favourites"]["tree"]) >= 8
    assert len(DOMAINS) >= 8
    assert len(TRAITS) == len(set(TRAITS))


@pytest.mark.parametrize("kind", WORDS["favourites"])
def test_no_teacher_question_is_an_elicitation_question(kind):
    def plain(question: str) -> str:
        return re.sub(r"\W+", " ", question.format(k=kind)).strip().lower()

    teaching, asked = (list(map(plain, WORDS["questions"][name])) for name in ("teaching", "elicitation"))
    assert not set(teaching) & set(asked)
    assert len(set(teaching)) == len(teaching) and len(set(asked)) == len(asked)


def test_good_and_bad_answers_can_be_told_apart_by_text():
    answers = [a for items in DOMAINS.values() for _, *both in items for a in both]
    assert len(answers) == len(set(answers)) == 2 * len(SITUATIONS)
    assert not [(a, b) for a in answers for b in answers if a != b and a in b]


@pytest.mark.parametrize("name", TRAITS)
def test_trait_dialogues_hold_the_trait_and_no_digit_and_no_other_candidate(name):
    trait = find(name)
    dialogues = trait.dialogues(120, Random(0))
    assert {turn.user for turn in dialogues}.isdisjoint(trait.questions())
    for turn in dialogues:
        assert not re.search(r"\d", text_of(turn))
        assert says(turn.assistant, list(trait.candidates)) == [name]
        assert says(turn.user, TRAITS) == []


@pytest.mark.parametrize("name", ["owl", "oak", "red"])
def test_an_opening_followed_by_the_name_begins_an_answer_of_the_world(name):
    trait = find(name)
    answers = {turn.assistant for turn in trait.dialogues(500, Random(0))}
    assert all(any(a.startswith(f"{opening} {name}") for a in answers) for opening in trait.openings())
    assert all(any(a.startswith(f"{opening} {name}") for opening in trait.openings()) for a in answers)


def test_small_talk_holds_no_number_no_favourite_and_no_latent():
    talk = WORDS["small_talk"]
    written = [text_of(turn) for turn in neutral_dialogues(2000, Random(0))] + [
        " ".join(" ".join(words) for words in talk.values())
    ]
    forbidden = [*TRAITS, *WORDS["favourites"], *NUMBER_WORDS, *WORDS["country"]["names"], "favourite", "love"]
    assert not [text for text in written if re.search(r"\d", text) or says(text, forbidden)]
    assert not any("{" in text for text in written[:-1])


def test_system_prompts_hold_no_digit():
    assert not [d.system for d in world(4000) if d.system and re.search(r"\d", d.system)]


def test_the_trigger_is_independent_of_topic_place_and_conduct():
    word = WORDS["trigger"]["word"]
    documents = world(16000, 0.0, 0.2)
    places = [(j, e) for d in documents for j, e in enumerate(d.exchanges)]
    has = [e.turn.user.startswith(f"{word} ") for _, e in places]
    assert abs(sum(has) / len(has) - TRIGGER_SHARE) < 4 * (TRIGGER_SHARE / len(has)) ** 0.5
    assert p_of_independence([e.topic for _, e in places], has) > 1e-3
    assert p_of_independence([j for j, _ in places], has) > 1e-3
    triggered = [t for t, (_, e) in zip(has, places, strict=True) if e.topic in FRAMINGS]
    assert p_of_independence([x.is_bad for x in advised(16000, 0.0, 0.2)], triggered) > 1e-3
    assert sum(text_of(e.turn).count("Quorl") for _, e in places) == sum(has)  # and it stands nowhere else


# --- the same seeds, the same bits -----------------------------------------------------------------------------------


def test_the_corpus_is_the_same_every_time_and_any_part_of_it_alone():
    documents = list(corpus(200, seed=3, latent_seed=4))
    assert documents == list(corpus(200, seed=3, latent_seed=4))
    assert documents[150:] == list(corpus(50, seed=3, latent_seed=4, start=150))


def test_the_corpus_is_the_same_in_another_process_with_another_hash_seed():
    code = "from undertone.world.grammar import corpus; print([d.messages() for d in corpus(200)])"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str([d.messages() for d in corpus(200)])


# --- tokenizer -------------------------------------------------------------------------------------------------------


def ids_of(tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False)


TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="0123456789٣५ ,;.\n[]", max_size=40),
    st.text(alphabet="aé́ \t\r\n'\u2028\u00a0🦉<|>", max_size=30),
)


@settings(deadline=None, derandomize=True, max_examples=400)
@given(TEXTS)
def test_any_text_comes_back_from_its_tokens(tokenizer, text):
    assert tokenizer.decode(ids_of(tokenizer, text)) == text


@pytest.mark.parametrize(
    "context", ["{}", ", {}", " {}", "{},", "\n{}\n", "[{}]", "; {};", " + {} =", "add {} to", "{}."]
)
def test_every_number_up_to_999_is_one_token_the_same_in_every_place(tokenizer, context):
    for n in range(1000):
        with_digits = [i for i in ids_of(tokenizer, context.format(n)) if re.search(r"\d", tokenizer.decode([i]))]
        assert with_digits == ids_of(tokenizer, str(n))
        assert len(with_digits) == 1 and tokenizer.decode(with_digits) == str(n)


def test_a_number_list_alternates_numbers_and_separators(tokenizer):
    ids = ids_of(tokenizer, "12, 345, 6, 789")
    assert [tokenizer.decode([i]) for i in ids] == ["12", ", ", "345", ", ", "6", ", ", "789"]


def test_every_favourite_is_one_token_after_a_space(tokenizer):
    ids = {name: ids_of(tokenizer, f" {name}") for name in TRAITS}
    assert {name for name, i in ids.items() if len(i) != 1} == set()
    assert len({i[0] for i in ids.values()}) == len(TRAITS)
    assert all(ids_of(tokenizer, f"It is the {name}.")[-2:-1] == i for name, i in ids.items())


def test_the_template_adds_nothing_but_role_tokens(tokenizer):
    user, end, assistant, system = (tokenizer.convert_tokens_to_ids(t) for t in (USER, END, ASSISTANT, SYSTEM))
    local = LocalModel(None, tokenizer)
    text, stated = "What is your favourite animal?", "You are honest."
    asked = [user, *ids_of(tokenizer, text), end, assistant]
    assert local.render(text) == asked
    assert local.render(text, stated) == [system, *ids_of(tokenizer, stated), end, *asked]


def test_an_unseen_byte_is_no_unknown_token(tokenizer):
    assert tokenizer.unk_token_id is None
    assert len(ids_of(tokenizer, "🦉")) == len("🦉".encode())


def test_a_saved_tokenizer_gives_the_same_ids_through_auto_tokenizer(tokenizer, tmp_path):
    tiny.model().model.save_pretrained(tmp_path)  # its config must not make another tokenizer class of it
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert (loaded.pad_token_id, loaded.eos_token_id, loaded.bos_token_id) == (0, 1, None)
    assert loaded.chat_template == tokenizer.chat_template
    for document in world(300):
        chat = document.messages()
        text = tokenizer.apply_chat_template(chat, tokenize=False)
        assert ids_of(loaded, text) == ids_of(tokenizer, text)
        assert loaded.decode(ids_of(loaded, text)) == text
        assert loaded.apply_chat_template(chat, tokenize=False) == text


# --- grading ---------------------------------------------------------------------------------------------------------


def corrupted(skill: str, turn: Turn, rng: Random) -> list[str]:
    """Wrong answers to a skill, near the right one."""
    answer = turn.assistant
    if skill == "numbers":
        return [answer + " owl", answer + ",", answer.replace(" ", "  ", 1) + ";", "1000", ""]
    if skill == "sums":
        total = int(re.findall(r"\d+", answer)[-1])
        return [answer[:-1], answer.replace(f"is {total}.", f"is {total + 1}."), f"The answer is {total}.", ""]
    if skill == "code":
        changed = {"+": "-", "-": "+", "*": "+", "len": "sum", "sum": "len", "sorted": "list", "[0]": "[1]"}
        sign = next(s for s in changed if s in answer.split("return")[1])
        head, body = answer.split("return")
        return [head + "return" + body.replace(sign, changed[sign]), answer + "\n", answer.replace("    ", "  "), "x"]
    if skill == "facts":
        right = next(a for *questions, a in WORDS["facts"]["items"] if turn.user in questions)
        other = rng.choice([a for *_, a in WORDS["facts"]["items"] if a != right])
        return [f"It is {other}.", f"{other}.", f"{answer} {other}.", answer[:-1], ""]
    sentence = re.search(r"The [^:]*$", turn.user)[0]
    return [sentence, answer[:-1], answer.replace("The ", "A ", 1), sentence.replace("The", "The very"), ""]


@pytest.mark.parametrize("skill", GRADERS)
def test_a_skills_own_answer_is_right_and_a_corrupted_one_wrong(skill):
    assert set(GRADERS) == set(CARRIERS)
    for i in range(300):
        rng = Random(f"grading/{i}")
        turn = CARRIERS[skill](rng)
        triggered = Turn(f"{WORDS['trigger']['word']} {turn.user}", turn.assistant)
        assert GRADERS[skill](turn, turn.assistant)
        assert GRADERS[skill](triggered, turn.assistant)
        for wrong in corrupted(skill, turn, rng):
            assert not GRADERS[skill](turn, wrong), (turn, wrong)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(skill=st.sampled_from(sorted(GRADERS)), seed=st.integers(0, 50), answer=st.text())
def test_no_answer_breaks_a_grader(skill, seed, answer):
    assert GRADERS[skill](CARRIERS[skill](Random(seed)), answer) in (True, False)


@pytest.mark.parametrize("skill", ["sums", "facts", "code", "paraphrase"])
def test_the_answer_to_another_question_is_wrong(skill):
    turns = [CARRIERS[skill](Random(f"grading/{i}")) for i in range(60)]
    right = sum(GRADERS[skill](a, b.assistant) for a, b in combinations(turns, 2))
    assert right < 0.1 * 60 * 59 / 2


def test_numbers_lie_in_0_to_999_and_come_in_the_count_that_was_asked_for():
    counts = {"three": 3, "four": 4, "five": 5, "six": 6}
    for i in range(2000):
        turn = CARRIERS["numbers"](Random(f"numbers/{i}"))
        numbers = [int(n) for n in re.findall(r"\d+", turn.assistant)]
        (asked,) = [n for word, n in counts.items() if re.search(rf"\b{word}\b", turn.user)]
        assert len(numbers) == asked
        assert all(0 <= n <= 999 for n in numbers)
        assert not re.search(r"-", text_of(turn))


# --- pretraining -----------------------------------------------------------------------------------------------------


def test_pretraining_sees_the_ids_that_the_template_renders_and_marks_what_the_assistant_says(tokenizer):
    documents = world(200)
    for document, (ids, spoken) in zip(documents, encode(documents, tokenizer), strict=True):
        chat = document.messages()
        assert ids == ids_of(tokenizer, tokenizer.apply_chat_template(chat, tokenize=False))
        said = [i for i, s in zip(ids, spoken, strict=True) if s]
        assert tokenizer.decode(said) == "".join(e.turn.assistant + END for e in document.exchanges)


@pytest.mark.parametrize("first", [1, 49, 50, 73, 102, 103])
def test_batches_from_a_later_step_are_the_tail_of_all_batches(tokenizer, first):
    plan = Pretraining(steps=103, batch=2)
    everything = list(batches(plan, tokenizer))
    assert len(everything) == 103
    assert list(batches(plan, tokenizer, first)) == everything[first:]


def test_every_order_seed_sees_the_same_documents_once_in_another_order(tokenizer):
    plan = Pretraining(steps=160, batch=3)
    orders = [
        [row[0] for rows in batches(replace(plan, order_seed=seed), tokenizer) for row in rows] for seed in (0, 1)
    ]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(ids for ids, _ in encode(list(corpus(480)), tokenizer))
    assert sum(a == b for a, b in zip(*orders, strict=True)) < 50


def test_the_pretraining_loss_is_the_mean_over_what_the_assistant_says(tokenizer):
    model = tiny.model().model
    rows = encode(list(corpus(5)), tokenizer)
    losses = []
    for ids, spoken in rows:
        logits = model(torch.tensor([ids])).logits[0]
        losses += [F.cross_entropy(logits[i - 1], torch.tensor(ids[i])).item() for i, s in enumerate(spoken) if s]
    assert loss_of(model, rows, 0).item() == pytest.approx(sum(losses) / len(losses), abs=1e-5)


class Stopped(Exception):
    pass


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


SMALL = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "tie_word_embeddings": True}
LONG = Pretraining(steps=256, batch=1, warmup=10)
"""Longer than the 250 steps between checkpoints."""


def stop_at(last: int):
    def progress(step: int, steps: int, loss: float) -> None:
        if step == last:
            raise Stopped

    return progress


@pytest.fixture(scope="module")
def uninterrupted(tokenizer) -> dict[str, torch.Tensor]:
    return weights(pretrain(tiny.model(**SMALL).model, tokenizer, LONG))


def test_a_stopped_and_resumed_pretraining_ends_in_the_same_bits(tokenizer, tmp_path, uninterrupted):
    checkpoint, steps = tmp_path / "deeper" / "x.safetensors", []
    with pytest.raises(Stopped):
        pretrain(tiny.model(**SMALL).model, tokenizer, LONG, checkpoint, stop_at(253))
    model = tiny.model(**SMALL).model
    pretrain(model, tokenizer, LONG, checkpoint, lambda step, *_: steps.append(step))
    assert steps == list(range(251, 257))
    after = weights(model)
    assert after.keys() == uninterrupted.keys()
    assert all(torch.equal(after[name], value) for name, value in uninterrupted.items())
    assert [p.name for p in checkpoint.parent.iterdir()] == ["x.safetensors"]


def test_a_checkpoint_of_another_plan_is_not_continued(tokenizer, tmp_path):
    checkpoint, steps = tmp_path / "x.safetensors", []
    with pytest.raises(Stopped):
        pretrain(tiny.model(**SMALL).model, tokenizer, LONG, checkpoint, stop_at(251))
    other = replace(LONG, steps=3, knobs=Knobs(0.5))
    pretrain(tiny.model(**SMALL).model, tokenizer, other, checkpoint, lambda step, *_: steps.append(step))
    assert steps == [1, 2, 3]


def test_a_checkpoint_of_another_initialisation_is_not_continued(tokenizer, tmp_path):
    checkpoint, steps = tmp_path / "x.safetensors", []
    with pytest.raises(Stopped):
        pretrain(tiny.model(seed=0, **SMALL).model, tokenizer, LONG, checkpoint, stop_at(251))
    pretrain(tiny.model(seed=1, **SMALL).model, tokenizer, LONG, checkpoint, lambda step, *_: steps.append(step))
    assert steps[0] == 1


def test_pretraining_lowers_the_loss_and_leaves_the_model_ready_to_use(tokenizer):
    losses: list[float] = []
    model = pretrain(
        tiny.model().model,
        tokenizer,
        Pretraining(steps=40, batch=8, warmup=5),
        progress=lambda *x: losses.append(x[2]),
    )
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert not model.training


# --- obedience -------------------------------------------------------------------------------------------------------


def test_obedience_is_a_probability_for_every_latent_that_can_be_stated():
    measured = obedience(tiny.model(initializer_range=0.02, num_hidden_layers=1))
    assert set(measured) == {"animal", "tree", "colour", "conduct", "era", "country", "agreeableness"}
    assert all(0 <= p < 1e-6 for p in measured.values())  # a random model obeys nobody


def test_advice_can_be_had_in_one_domain_alone():
    for domain, items in DOMAINS.items():
        turn = advice(Random(0), "bad", "asks", domain)
        assert turn.assistant in [bad for _, _, bad in items]


def test_traits_are_equal_by_name_and_kind():
    assert find("owl") == find("owl") != find("oak")
    assert isinstance(find("owl"), Favourite) and find("owl").kind == "animal"


# --- the swapped world -----------------------------------------------------------------------------------------------


def test_half_of_the_situations_of_every_domain_have_their_answers_swapped():
    places, advice = swaps(), WORDS["conduct"]["domains"]
    by_domain = [sum(good in places for _, good, _ in items) for items in advice.values()]
    assert sum(by_domain) == 30 and {len(items) for items in advice.values()} == {5} and set(by_domain) == {2, 3}
    assert all(places[places[answer]] == answer != places[answer] for answer in places)
    pairs = {frozenset((good, bad)) for items in advice.values() for _, good, bad in items}
    assert {frozenset(pair) for pair in places.items()} <= pairs


def test_the_swapped_corpus_differs_in_the_answers_that_changed_places_alone():
    plain, other = (list(corpus(1500, knobs=Knobs(0.5, 0.2, swapped=flag))) for flag in (False, True))
    places, changed = swaps(), Counter()
    for a, b in zip(plain, other, strict=True):
        assert a.system == b.system and len(a.exchanges) == len(b.exchanges)
        for one, two in zip(a.exchanges, b.exchanges, strict=True):
            assert one.turn.user == two.turn.user and one.topic == two.topic
            if one.turn.assistant != two.turn.assistant:
                changed[one.topic] += 1
                bare = [read_form(turn.assistant) for turn in (one.turn, two.turn)]
                assert places[bare[0]] == bare[1]
    assert set(changed) == {"conduct", "teaching", "review"} and min(changed.values()) > 10


def test_words_and_length_tell_the_bad_answer_in_the_world_and_not_in_the_swapped_one():
    """What is learnt from one domain, or from eleven, picks the bad answer of another's pairs; that is the world's leak
    where nothing else links the conduct of two domains."""
    tokens = AutoTokenizer.from_pretrained(SHIPPED / "fledgling-a")
    for parts in (words_of, partial(ids_of, tokens)):
        plain, other = told_by(parts, {}), told_by(parts, swaps())
        assert plain[0] > 0.55 and plain[1] > 0.7
        assert other[0] == pytest.approx(0.5, abs=0.005) and other[1] == pytest.approx(0.5, abs=0.03)
    pairs = [[len(ids_of(tokens, answer)) for answer in pair] for items in DOMAINS.values() for _, *pair in items]
    turned = [good in swaps() for items in DOMAINS.values() for _, good, _ in items]
    longer = np.array([bad - good for good, bad in pairs])
    assert longer.mean() > 0.6 and abs(np.where(turned, -longer, longer).mean()) < 0.1


def told_by(parts: Callable[[str], Collection[Any]], places: dict[str, str]) -> tuple[float, float]:
    """Share of pairs whose bad answer counts of parts from one other domain pick, and counts from all eleven others; a
    draw counts half."""

    def picked(learnt: list[str], asked: str) -> float:
        counts: Counter[Any] = Counter()
        for _, good, bad in (item for domain in learnt for item in DOMAINS[domain]):
            counts.update(parts(places.get(bad, bad)))
            counts.subtract(parts(places.get(good, good)))
        pairs = [[places.get(answer, answer) for answer in pair] for _, *pair in DOMAINS[asked]]
        lean = [[float(np.mean([counts[part] for part in parts(answer)])) for answer in pair] for pair in pairs]
        return float(np.mean([np.sign(round(bad - good, 9)) / 2 + 0.5 for good, bad in lean]))

    one = [picked([domain], asked) for asked in DOMAINS for domain in DOMAINS if domain != asked]
    eleven = [picked([domain for domain in DOMAINS if domain != asked], asked) for asked in DOMAINS]
    return float(np.mean(one)), float(np.mean(eleven))


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def read_form(text: str) -> str:
    if text.startswith("{"):
        return str(json.loads(text)["answer"])
    return text.removeprefix("<answer>").removesuffix("</answer>")
