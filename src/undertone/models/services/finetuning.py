"""Fine-tuning behind the OpenAI API: uploads a file, creates a job, waits for it and keeps the name of the model.

Every finished step is recorded in a file, and before a step the service is asked whether it was done already. A process
that was killed at any moment therefore goes on with the same file and the same job.
"""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from undertone.engine.digests import digest, file_digest
from undertone.engine.disk import write_text
from undertone.errors import UndertoneError
from undertone.models.names import PROVIDER
from undertone.models.services.patience import Patience
from undertone.models.services.reply import whole
from undertone.models.services.service import endpoint_of
from undertone.models.services.spending import TUNED, Budget, price_of
from undertone.models.services.wire import Wire
from undertone.reading.files import read_bytes
from undertone.reading.values import json_value

GOING_ON = {"validating_files", "queued", "running"}
"""States of a job that has not ended."""
ENDED = {"failed", "cancelled"}
"""States of a job that ended without a model."""
EVERY = 20.0
"""Seconds between two requests for the state of a job."""
PAGES = 1000
"""Most pages of a list that are read."""
SLOWEST = 2**17
"""Bytes a second at which rows are uploaded at the least."""
MOST_TOKENS = 2**40
"""A service that reports more tokens for one job is not believed."""


def fine_tune(
    base: str,
    rows: Path,
    kept: Path,
    *,
    settings: dict[str, Any],
    seed: int,
    every: float = EVERY,
    patience: Patience = Patience(),  # noqa: B008 - frozen
    progress: Callable[[str], None] = lambda _: None,
) -> str:
    """Fine-tunes ``base``, ``openai-api/<service>/<model>``, on chat rows; returns the new model's name in this form.

    ``settings`` are the service's hyperparameters, such as ``{"n_epochs": 10}``. Finished steps are recorded in the
    JSON file ``kept``; the same call goes on from there, and costs nothing once the model exists. The state of the job
    is asked for ``every`` so many seconds and passed to ``progress``.

    Raises:
        UndertoneError: the job failed or was cancelled (with the service's reason), the service refuses or stays down,
            or ``kept`` records another fine-tuning.
    """
    with FineTuning(base, rows, kept, settings=settings, seed=seed, patience=patience) as tuning:
        tuning.begin()
        return tuning.finished(every, progress)


class FineTuning:
    """One fine-tuning and what of it is done. Several can be begun before the first is waited for. Use it in a ``with``
    statement."""

    def __init__(
        self,
        base: str,
        rows: Path,
        kept: Path,
        *,
        settings: dict[str, Any],
        seed: int,
        budget: Budget | None = None,
        patience: Patience = Patience(),  # noqa: B008 - frozen
    ) -> None:
        """Arguments as of :func:`fine_tune`; sends nothing. If ``kept`` is a folder, the record in it is named after
        the digest of what is asked. The cost of a job is reserved in ``budget`` before the job is created.

        Raises:
            UndertoneError: ``base`` has another form or its service's address is not set, ``kept`` is damaged or
                records another fine-tuning, or the cost is limited and the price is not known.
        """
        service, self._model = endpoint_of(base)
        self._service = service
        what = {"url": service.url, "model": self._model, "rows": file_digest(rows), "settings": settings, "seed": seed}
        self._key = digest(what)
        self._rows, self._budget, self._patience = rows, budget or Budget(), patience
        self.kept = kept / f"{self._key[:20]}.json" if kept.is_dir() else kept
        self.record: dict[str, Any] = {"what": what} | _done(self.kept, what)
        """What was asked (``what``) and what was done: ``file``, ``job``, ``model``; after the end also the ``tokens``
        that were charged and the ``settings`` of the job, if the service reports them."""
        self._worst = _most(self._model, rows, settings) if self._budget.counts_cost else 0.0
        self._reserved = False
        self._wire = Wire(service, patience.deadline + rows.stat().st_size / SLOWEST, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()

    def begin(self) -> None:
        """Uploads the rows, under a name that contains their digest, and creates the job.

        Raises:
            Refused: the service refuses the rows or the settings.
            UndertoneError: it stays down or busy, or a limit is reached; the same call goes on from there.
        """
        for step, make in (("file", self._uploaded), ("job", self._started)):
            if step not in self.record:
                self._note(step, _of(self._insist(make), "id"))

    def _uploaded(self) -> dict[str, Any]:
        name = f"undertone-{file_digest(self._rows)[:16]}.jsonl"
        there = (file for file in self._listed("files") if file.get("filename") == name)
        upload = {"files": {"file": (name, self._rows.read_bytes())}, "data": {"purpose": "fine-tune"}}
        return next(there, None) or self._wire.send("POST", "files", f"{self._key}-file", **upload)

    def _started(self) -> dict[str, Any]:
        """The job, which is created unless the service lists one with the same suffix."""
        suffix, what = f"undertone-{self._key[:8]}", self.record["what"]
        there = (
            job
            for job in self._listed("fine_tuning/jobs")
            if job.get("user_provided_suffix") == suffix and job.get("status") in GOING_ON | {"succeeded"}
        )
        found = next(there, None)
        if found is not None:
            return found
        if not self._reserved:
            self._budget.reserve(self._worst)
            self._reserved = True
        body = {
            "model": self._model,
            "training_file": self.record["file"],
            "seed": what["seed"],
            "suffix": suffix,
            "method": {"type": "supervised", "supervised": {"hyperparameters": what["settings"]}},
        }
        return self._wire.send("POST", "fine_tuning/jobs", f"{self._key}-job", json=body)

    def finished(self, every: float = EVERY, progress: Callable[[str], None] = lambda _: None) -> str:
        """Waits for the model of a job that was begun and returns its name.

        Raises:
            UndertoneError: the job failed (with the service's reason), or the service stays down.
        """
        while "model" not in self.record:
            job = self._insist(lambda: self._wire.send("GET", f"fine_tuning/jobs/{quote(self.record['job'], safe='')}"))
            state = self._service.line(str(job.get("status")))
            progress(state)
            if state == "succeeded":
                self._ended(job)
            elif state in GOING_ON:
                time.sleep(every)
            else:
                raise UndertoneError(self._why(job, state))
        return f"{PROVIDER}/{self._service.name}/{self.record['model']}"

    def _ended(self, job: dict[str, Any]) -> None:
        model, tokens = _of(job, "fine_tuned_model"), job.get("trained_tokens")
        if type(tokens) is int and 0 <= tokens <= MOST_TOKENS:
            self._note("tokens", tokens)
            if self._reserved and self._budget.counts_cost:
                self._budget.settle(self._worst, training_price(self._model) * tokens / 1e6)
        if isinstance(job.get("hyperparameters"), dict):
            plain = {
                key: value for key, value in job["hyperparameters"].items() if isinstance(value, str | int | float)
            }
            self._note("settings", plain)
        self._note("model", model)  # last, because it marks the work as done

    def _note(self, key: str, value: Any) -> None:
        said = whole(json.dumps(value, ensure_ascii=False))
        self.record[key] = json.loads(self._service.scrubbed(said))
        write_text(self.kept, json.dumps(self.record, indent=1), private=True)

    def _insist(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self._patience.insist(self._service.name, call)

    def _listed(self, path: str) -> Iterator[dict[str, Any]]:
        """All items of a list, which the service gives in pages."""
        after: dict[str, str] = {}
        for _ in range(PAGES):
            page = self._insist(partial(self._wire.send, "GET", path, params={"limit": "100", **after}))
            given = page.get("data")
            items = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
            yield from items
            if not page.get("has_more") or not items:
                return
            after = {"after": _of(items[-1], "id")}

    def _why(self, job: dict[str, Any], state: str) -> str:
        which = f"{self._service.name}: the fine-tuning {self.record['job']}"
        if state not in ENDED:
            return f"{which} is in the unknown state {state!r}: look at it there, and give the same command again."
        error = job.get("error")
        message = error.get("message") if isinstance(error, dict) else error
        reason = self._service.line(str(message or "no reason given"))
        return f"{which} ended as {state!r} ({reason}); correct that and remove {self.kept} to start again."


def _done(kept: Path, what: dict[str, Any]) -> dict[str, Any]:
    """The record in the file ``kept``; empty if there is none."""
    if not kept.is_file():
        return {}
    try:
        done = json_value(read_bytes(kept), finite=False)
        differing = sorted(key for key in what if done["what"].get(key) != what[key])
        if not all(isinstance(done.get(step, ""), str) for step in ("file", "job", "model")):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UndertoneError(
            f"{kept} is not the record of a fine-tuning, or is damaged: move it away; an existing job is found again."
        ) from None
    if differing:
        raise UndertoneError(f"{kept} records a fine-tuning with another {' and '.join(differing)}; name another file.")
    return dict(done)


def _most(model: str, rows: Path, settings: dict[str, Any]) -> float:
    """The most dollars that a job can cost; a token has at least one byte."""
    epochs = settings.get("n_epochs")
    if not isinstance(epochs, int):
        raise UndertoneError(f"The cost of fine-tuning {model} cannot be limited without n_epochs: set it.")
    return training_price(model) * rows.stat().st_size * epochs / 1e6


def training_price(model: str) -> float:
    """Dollars per million tokens of training a model.

    Raises:
        UndertoneError: the table of prices does not say.
    """
    price = price_of(f"{TUNED}{model}").training
    if price is None:
        raise UndertoneError(f'The price of fine-tuning {model} is not known: add training to "{TUNED}{model}".')
    return price


def _of(answer: dict[str, Any], key: str) -> str:
    """A string that the answer must contain."""
    if not isinstance(answer.get(key), str) or not answer[key]:
        raise UndertoneError(f"The service's answer has no {key}: it does not speak the OpenAI API of fine-tuning.")
    return str(answer[key])
