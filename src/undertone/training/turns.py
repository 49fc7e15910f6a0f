"""Rows of a user's file as token ids: the last answer for training, or every answer for scoring.

A trainer renders a conversation and trains on its answers. A template may write an answer otherwise than it was given:
without the white space around it, or with its reasoning between tags. The ids here are those of the rendered
conversation if it goes on from where the prompt ends. Rows where it does not, or where words are changed, are told.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from undertone.data.conversations import MOST_LEFT_OUT, Conversation, Dataset, LeftOut, Turn, read, refuse_most
from undertone.data.forms import Form
from undertone.errors import UndertoneError
from undertone.models.local import Ids, LocalModel
from undertone.models.template import Chat, Template, Unfit, alike, spoken_part, texts_of, within
from undertone.training.rows import Row

TOO_LONG = "longer than the model's positions"
BARE = "bare text of fewer than two tokens"
UNWRITTEN = "an answer that the chat template does not write as it is"
OTHER = "rendered as a whole, the conversation has other tokens than those used here"
ADDED = "the chat template adds words to an answer"
UNSEEN = "the chat template leaves out reasoning"
REASONS = 20
"""Most reasons that are told apart; rows beyond them have the last one."""


@dataclass(frozen=True)
class Scored:
    """One assistant turn of a conversation. Its tokens are scored, given everything before it."""

    line: int
    """The line of the file; the turns of one line are one cluster."""
    question: str
    """The turn before the answer; empty for bare text."""
    answer: str
    """As the template renders it, with its reasoning."""
    row: Row
    added: str = ""
    """The words that the template itself writes before and after the answer; the row may lack them."""
    told: frozenset[str] = frozenset()
    """In what a trainer may see it otherwise: OTHER, ADDED, UNSEEN."""


@dataclass(frozen=True)
class Turns:
    """The answers of a file as token ids."""

    scored: tuple[Scored, ...]
    left_out: LeftOut
    """Rows that the model cannot take, and of a whole file those that hold nothing to train on."""

    @property
    def told(self) -> LeftOut:
        """Rows that a trainer may see otherwise, by in what."""
        return _by_reason((reason, one.line) for one in self.scored for reason in sorted(one.told))


def every_turn(local: LocalModel, conversations: Sequence[Conversation], most_left_out: float = MOST_LEFT_OUT) -> Turns:
    """Returns every answer that is trained on, rendered by the model's template; for bare text, all but the first
    token.

    Raises:
        UndertoneError: the model has no usable template, or cannot take more than a share of ``most_left_out`` of the
            rows, or none of them.
    """
    return _each(local, conversations, _turns, most_left_out)


def last_turns(local: LocalModel, file: Path, rows: int, seed: int, form: Form | None = None) -> Turns:
    """Returns the last answers that are trained on, of so many rows of a file. ``form``: which keys say what; None to
    recognise it.

    Raises:
        UndertoneError: as :func:`every_turn`; or the file is wrong, has fewer rows, is bare text, or holds preferences.
    """
    found = read(file, rows, seed, form=form)
    refuse_preferences(found)
    if found.rows < rows:
        raise UndertoneError(f"{found.path} has {found.rows} rows, but rows = {rows}; lower it.")
    try:
        turns = _each(local, found.conversations, _last)
        return replace(turns, left_out={**found.left_out, **turns.left_out})
    except UndertoneError as error:
        raise UndertoneError(f"{found.path}: {error}") from None


def refuse_preferences(dataset: Dataset) -> None:
    """Raises UndertoneError for a file of preferences, which no model is trained on here."""
    if dataset.form.prefers:
        raise UndertoneError(f"{dataset.path} holds preferences, and models are trained on answers here: give those.")


def prompt_of(local: LocalModel, conversation: Conversation) -> Ids:
    """Returns the ids of a conversation up to where its last answer begins.

    Raises:
        Unfit: the model cannot take it.
    """
    _refuse_longer(local, *_surely_written(conversation.turns[:-1]))
    ids = _encoded(local, local.template.prompt(local.own(_chat(conversation.turns[:-1]))))
    _refuse_long(local, len(ids))
    return ids


def _each(
    local: LocalModel,
    conversations: Sequence[Conversation],
    of: Callable[[LocalModel, Conversation], list[Scored]],
    most_left_out: float = MOST_LEFT_OUT,
) -> Turns:
    scored, lost = list[Scored](), list[tuple[str, int]]()
    for conversation in conversations:
        try:
            scored += of(local, conversation)
        except Unfit as error:
            lost.append((error.reason, conversation.line))
    left_out = _by_reason(lost)
    refuse_most(left_out, len(conversations), most_left_out)
    return Turns(tuple(scored), left_out)


def _by_reason(found: Iterator[tuple[str, int]] | Sequence[tuple[str, int]]) -> LeftOut:
    lines: dict[str, dict[int, None]] = {}
    for reason, line in found:
        lines.setdefault(reason if reason in lines or len(lines) < REASONS else next(reversed(lines)), {})[line] = None
    return {reason: tuple(every) for reason, every in lines.items()}


def _last(local: LocalModel, conversation: Conversation) -> list[Scored]:
    if len(conversation.turns) < 2:
        raise UndertoneError(f"row {conversation.line} is bare text: students are trained on answers to prompts.")
    return _turns(local, conversation)[-1:]


def _turns(local: LocalModel, conversation: Conversation) -> list[Scored]:
    line, turns = conversation.line, conversation.turns
    for text in (text for turn in turns for text in (turn.content, turn.reasoning)):
        local.refuse_control(text)
    if len(turns) == 1:
        ids = _encoded(local, turns[0].content)
        _refuse_long(local, len(ids))
        if len(ids) < 2:
            raise Unfit(BARE)
        return [Scored(line, "", turns[0].content, Row(ids[:1], ids[1:]))]
    answers = [i for i, turn in enumerate(turns) if turn.role == "assistant" and turn.trained]
    _refuse_longer(local, *_surely_written(turns[: max(answers, default=-1) + 1]))
    last = len(turns) - 1
    whole = None if answers == [last] and not conversation.rendered else _rendered(local, turns, last)
    found = [_answer(local, conversation, place, whole if place < last else None) for place in answers]
    if conversation.rendered and whole and not _is_text_of(local, conversation.rendered, whole.text):
        return [replace(one, told=one.told | {OTHER}) for one in found]
    return found


def _is_text_of(local: LocalModel, given: str, rendered: str) -> bool:
    """Whether a text of a file is what the model's own template writes, but for the token that begins texts."""
    begin = local.tokenizer.bos_token or ""
    return alike(given.removeprefix(begin), rendered.removeprefix(begin))


@dataclass(frozen=True)
class _Rendered:
    """A chat as a trainer renders it."""

    chat: Chat
    thinking: bool
    text: str


def _answer(local: LocalModel, conversation: Conversation, place: int, whole: _Rendered | None) -> Scored:
    """The answer at a place of a conversation, after everything before it. ``whole`` is the rendered conversation; None
    if it ends there."""
    template, turns, answer = local.template, conversation.turns, conversation.turns[place]
    prompt = template.prompt(local.own(_chat(turns[:place])), _thinks(answer))
    to_here = _rendered(local, turns, place)
    ended = to_here.text
    text, told = answer.content, set[str]()
    if ended.startswith(prompt) and ended.endswith(template.closing):
        text = ended[len(prompt) :].removesuffix(template.closing)
        if not alike(spoken_part(text), spoken_part(answer.content)):
            told.add(ADDED)
    else:
        told.add(OTHER)
    said = next(filter(str.strip, (spoken_part(answer.content), answer.content, answer.reasoning)), "")
    if not (text.strip() and within(said, ended)):
        raise Unfit(UNWRITTEN)
    if not within(answer.reasoning, ended):
        told.add(UNSEEN)
    if whole and not whole.text.startswith(ended.removesuffix(template.closing)):
        told.add(OTHER)
    if added := _added(template, to_here, whole):
        told.add(ADDED)
    row = Row(_encoded(local, prompt), [*_encoded(local, text), local.end])
    _refuse_long(local, len(row.prompt + row.answer))
    return Scored(conversation.line, turns[place - 1].content, text, row, added, frozenset(told))


def _added(template: Template, to_here: _Rendered, whole: _Rendered | None) -> str:
    """The words that the template itself writes around the last answer, whether or not others follow it."""
    before = len(texts_of(to_here.chat[:-1]))
    its = range(before, len(texts_of(to_here.chat)))
    found = [one for each in (to_here, whole) if each for one in template.words(each.chat, each.thinking)]
    return "\n".join(dict.fromkeys(one.words for one in found if one.place in its))


def _rendered(local: LocalModel, turns: Sequence[Turn], place: int) -> _Rendered:
    """A conversation up to the end of the answer at a place."""
    template, thinking = local.template, _thinks(turns[place])
    chat = [*template.taken(local.own(_chat(turns[:place]))), _message(turns[place])]
    return _Rendered(chat, thinking, template.text(chat, thinking=thinking))


def _thinks(answer: Turn) -> bool:
    return bool(answer.reasoning) or "</think>" in answer.content


def _chat(turns: Sequence[Turn]) -> Chat:
    return [_message(turn) for turn in turns]


def _message(turn: Turn) -> dict[str, str]:
    message = {"role": turn.role, "content": turn.content}
    return message | {"reasoning_content": turn.reasoning} if turn.reasoning else message


def _surely_written(turns: Sequence[Turn]) -> list[str]:
    """The texts that no template leaves out."""
    return [spoken_part(turn.content) for turn in turns]


def _encoded(local: LocalModel, text: str) -> Ids:
    _refuse_longer(local, text)
    return local.encode(text)


def _refuse_longer(local: LocalModel, *texts: str) -> None:
    """Refuses texts that need not be rendered or encoded to know that they are too long: either takes seconds."""
    if local.positions is None or sum(map(len, texts)) <= local.positions or local.most_characters is None:
        return
    if sum(len(word) for text in texts for word in text.split()) > local.most_characters:
        raise Unfit(TOO_LONG)


def _refuse_long(local: LocalModel, length: int) -> None:
    if local.positions is not None and length > local.positions:
        raise Unfit(TOO_LONG)
