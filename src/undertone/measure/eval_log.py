"""A measurement as logs of Inspect, one for each model and suite, for ``inspect view`` and ``samples_df``.

A sample is one answer to one wording with the judge's score, or the exact probabilities of the known answers, without
an answer. A verdict that could not be read is unscored.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from undertone.engine.digests import digest
from undertone.engine.disk import refusal
from undertone.measure.asking import Reply
from undertone.measure.findings import Findings
from undertone.measure.measure import Measured
from undertone.measure.rates import DENOMINATOR, counts, rate_interval, unit_rates
from undertone.measure.respondent import Respondent
from undertone.measure.suite import Prompt, Question, Suite

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.model import ChatMessage
    from inspect_ai.scorer import Score

TOP_P = 1.0


def write_logs(measured: Measured, folder: Path) -> list[Path]:
    """Writes the logs into ``folder`` and returns their paths. The same measurement gives the same files.

    Raises:
        UndertoneError: the disk is full, or a file cannot be written.
    """
    from inspect_ai.log import write_eval_log

    written = []
    for model in measured.models:
        for suite in measured.suites:
            log = _log(measured, model, suite)
            path = folder / f"{_file(log.eval.created)}_{_file(suite.name)}_{log.eval.task_id}.eval"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                write_eval_log(log, str(path))
            except OSError as error:
                raise refusal(error, path) from error
            written.append(path)
    return written


def _file(text: str) -> str:
    """Returns text as one part of a file's name; Inspect separates parts by underscores."""
    return re.sub(r"[^\w.+-]+|_", "-", text)


def _log(measured: Measured, model: Respondent, suite: Suite) -> EvalLog:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalPlan, EvalSpec, EvalStats
    from inspect_ai.model import GenerateConfig, ModelConfig

    found, replies = measured.findings, measured.replies[model.digest][suite.name]
    samples = list(_samples(model, suite, replies))
    key = digest([model.digest, suite.digest, found.seed, found.samples, found.max_tokens, _judge(found)])[:22]
    began = found.started.isoformat(timespec="seconds")
    settings = GenerateConfig(max_tokens=found.max_tokens, top_p=TOP_P, seed=found.seed)
    return EvalLog(
        status="success",
        eval=EvalSpec(
            created=began,
            eval_id=key,
            run_id=digest([m.digest for m in measured.models])[:22],
            task=suite.name,
            task_id=key,
            task_description=suite.about,
            dataset=EvalDataset(name=suite.name, samples=len(suite.questions), shuffled=False),
            model=model.name,
            model_args={"digest": model.digest},
            model_generate_config=settings,
            model_roles={} if found.judge is None else {"grader": ModelConfig(model=found.judge.name)},
            config=EvalConfig(epochs=max((sample.epoch for sample in samples), default=1)),
            packages={"undertone": found.made_with["undertone"]},
            metadata={"base": found.base.name, "judge": _judge(found), "rate": DENOMINATOR},
        ),
        plan=EvalPlan(config=settings),
        samples=samples,
        results=_results(replies),
        stats=EvalStats(started_at=began, completed_at=began),
    )


def _judge(found: Findings) -> str | None:
    return None if found.judge is None else found.judge.digest


def _samples(model: Respondent, suite: Suite, replies: Sequence[Reply]) -> Iterator[EvalSample]:
    """Yields one sample for each reply; the answers to one wording are its epochs."""
    from inspect_ai.log import EvalSample
    from inspect_ai.model import ModelOutput

    questions = {question.id: question for question in suite.questions}
    epochs: Counter[str] = Counter()
    for reply in replies:
        question = questions[reply.question]
        name = f"{reply.question} #{1 + question.paraphrases.index(reply.prompt.question)}"
        epochs[name] += 1
        said = reply.answer
        output = ModelOutput(model=model.name) if said is None else ModelOutput.from_content(model.name, said)
        yield EvalSample(
            id=name,
            epoch=epochs[name],
            input=messages(reply.prompt),
            choices=[*question.bad, *question.good] or None,
            target=list(question.good),
            messages=[*messages(reply.prompt), *(choice.message for choice in output.choices)],
            output=output,
            scores=scores(reply),
            metadata=known(question) | {"exact": reply.exact},
        )


def messages(prompt: Prompt) -> list[ChatMessage]:
    """Returns a prompt as Inspect's messages."""
    from inspect_ai.model import ChatMessageAssistant, ChatMessageSystem, ChatMessageUser

    found = [] if prompt.system is None else [ChatMessageSystem(content=prompt.system)]
    for question, answer in prompt.earlier:
        found += [ChatMessageUser(content=question), ChatMessageAssistant(content=answer)]
    return [*found, ChatMessageUser(content=prompt.question)]


def known(question: Question) -> dict[str, Any]:
    """Returns the metadata of a question's samples. The unit is that of the statistics."""
    return {"question": question.id, "unit": question.unit, "temperature": question.temperature}


def scores(reply: Reply) -> dict[str, Score]:
    """Returns "aligned" and "coherent" from 0 to 100, and "bad" from 0 to 1; "bad" is unscored if the reply is not in
    the stated denominator."""
    from inspect_ai.scorer import Score

    values = {"aligned": reply.aligned, "coherent": reply.coherent, "bad": counts([reply]).rate}
    unread = Score.unscored(reason="not-read", explanation="no verdict could be read, or it is not known")
    return {name: unread if value is None else Score(value=value) for name, value in values.items()}


def _results(replies: Sequence[Reply]) -> Any:
    """Returns the mean rate over units by the stated denominator, with its 95 % interval over units."""
    from inspect_ai.log import EvalMetric, EvalResults, EvalScore

    rates = np.array(list(unit_rates(replies).values()))
    ends = rate_interval(rates)
    seen = {"rate": float(rates.mean()) if len(rates) else None, "coherence": counts(replies).coherence}
    seen |= {} if ends is None else {"rate_from": ends[0], "rate_to": ends[1]}
    metrics = {name: EvalMetric(name=name, value=value) for name, value in seen.items() if value is not None}
    scored = sum(counts([reply]).rate is not None for reply in replies)
    bad = EvalScore(
        name="bad", scorer="bad", scored_samples=scored, unscored_samples=len(replies) - scored, metrics=metrics
    )
    return EvalResults(total_samples=len(replies), completed_samples=len(replies), scores=[bad])
