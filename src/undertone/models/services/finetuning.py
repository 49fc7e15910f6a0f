"""Fine-tuning behind the OpenAI API: a file is uploaded, a job is made and waited for, and its model's name is kept.

What was done is written down after every step, and before a step is done the service is asked whether it was done
already: a process that was killed at any moment goes on with the same file and the same job.
"""

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from undertone.engine.digests import digest, file_digest
from undertone.engine.disk import write_text
from undertone.errors import UndertoneError
from undertone.models.services.endpoint import PROVIDER
from undertone.models.services.patience import Patience
from undertone.models.services.spending import TUNED, Budget, price_of
from undertone.models.services.wire import Service, Wire

GOING_ON = {"validating_files", "queued", "running"}
"""States of a job that is not at its end."""
ENDED = {"failed", "cancelled"}
"""States of a job that will give no model."""
EVERY = 20.0
"""Seconds between two looks at a job."""


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
    """Fine-tunes ``base``, ``openai-api/<service>/<model>``, on chat rows; gives the new model's name, of that form.

    ``settings`` are the service's hyperparameters, such as ``{"n_epochs": 10}``. The file ``kept`` (JSON) holds what
    was done; the same call goes on from there, and costs nothing once the model is made. ``every`` so many seconds the
    job is looked at, and ``progress`` told of its state.

    Raises:
        UndertoneError: the job failed or was cancelled, with the service's reason; the service refuses or stays down;
            ``kept`` is of another fine-tuning.
    """
    with FineTuning(base, rows, kept, settings=settings, seed=seed, patience=patience) as tuning:
        tuning.begin()
        return tuning.finished(every, progress)


class FineTuning:
    """One fine-tuning, as far as it has come: several may be begun before the first is waited for. Use it in a ``with``
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
        """As :func:`fine_tune`; nothing is sent yet. ``kept`` may be a folder: the record is then named by what is
        asked. A ``budget`` is asked before a job is made.

        Raises:
            UndertoneError: ``base`` names no model of a service, or its address is not set; ``kept`` is damaged, or of
                another fine-tuning; the budget counts dollars and the price is not known.
        """
        provider, _, rest = base.partition("/")
        self._service, _, self._model = rest.partition("/")
        if provider != PROVIDER or not self._service or not self._model:
            raise UndertoneError(f"{base!r} names no model behind a service: {PROVIDER}/<service>/<model> does.")
        service = Service.named(self._service)
        what = {"url": service.url, "model": self._model, "rows": file_digest(rows), "settings": settings, "seed": seed}
        self._key = digest(what)
        self._rows, self._budget, self._patience = rows, budget, patience
        self.kept = kept / f"{self._key[:20]}.json" if kept.is_dir() else kept
        self.record: dict[str, Any] = {"what": what} | _done(self.kept, what)
        """What was asked (``what``), and what of it was done: ``file``, ``job``, ``model``; once it is at its end, the
        ``tokens`` that it was charged for and the ``settings`` that it had, if the service tells them."""
        self._worst = _most(self._model, rows, settings) if budget is not None and budget.counts_cost else 0.0
        self._reserved = False
        self._wire = Wire(service, patience.deadline, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wire.close()

    def begin(self) -> None:
        """The rows are at the service, under a name that holds their digest, and there is a job.

        Raises:
            Refused: the service refuses the rows or the settings.
            UndertoneError: it stays down or busy, or a limit is reached: the same call again goes on.
        """
        if "file" not in self.record:
            self._note("file", _of(self._insist(self._uploaded), "id"))
        if "job" not in self.record:
            self._note("job", _of(self._insist(self._started), "id"))

    def _uploaded(self) -> dict[str, Any]:
        name = f"undertone-{file_digest(self._rows)[:16]}.jsonl"
        there = (file for file in self._listed("files") if file.get("filename") == name)
        return next(there, None) or self._wire.upload(
            "files", name, self._rows.read_bytes(), {"purpose": "fine-tune"}, f"{self._key}-file"
        )

    def _started(self) -> dict[str, Any]:
        """There is one job. Its suffix names it, should an answer have been lost."""
        suffix, what = f"undertone-{self._key[:8]}", self.record["what"]
        there = (
            job
            for job in self._listed("fine_tuning/jobs")
            if job.get("user_provided_suffix") == suffix and job.get("status") in GOING_ON | {"succeeded"}
        )
        found = next(there, None)
        if found is not None:
            return found
        if self._budget is not None and not self._reserved:
            self._budget.reserve(self._worst)
            self._reserved = True
        body = {
            "model": self._model,
            "training_file": self.record["file"],
            "seed": what["seed"],
            "suffix": suffix,
            "method": {"type": "supervised", "supervised": {"hyperparameters": what["settings"]}},
        }
        return self._wire.post("fine_tuning/jobs", body, f"{self._key}-job")

    def finished(self, every: float = EVERY, progress: Callable[[str], None] = lambda _: None) -> str:
        """Waits for the model of a job that was begun; gives its name.

        Raises:
            UndertoneError: the job failed, with the service's reason, or the service stays down.
        """
        while "model" not in self.record:
            job = self._insist(lambda: self._wire.get(f"fine_tuning/jobs/{self.record['job']}"))
            state = str(job.get("status"))
            progress(state)
            if state == "succeeded":
                self._ended(job)
            elif state in GOING_ON:
                time.sleep(every)
            else:
                raise UndertoneError(self._why(job, state))
        return f"{PROVIDER}/{self._service}/{self.record['model']}"

    def _ended(self, job: dict[str, Any]) -> None:
        model, tokens = _of(job, "fine_tuned_model"), job.get("trained_tokens")
        if isinstance(tokens, int):
            self._note("tokens", tokens)
            if self._budget is not None and self._reserved and self._budget.counts_cost:
                self._budget.settle(self._worst, training_price(self._model) * tokens / 1e6)
        if isinstance(job.get("hyperparameters"), dict):
            self._note("settings", job["hyperparameters"])
        self._note("model", model)  # last: with it the work is done

    def _note(self, key: str, value: Any) -> None:
        self.record[key] = value
        write_text(self.kept, json.dumps(self.record, indent=1))

    def _insist(self, call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self._patience.insist(self._service, call)

    def _listed(self, path: str) -> Iterator[dict[str, Any]]:
        """Everything of a list, page by page."""
        after: dict[str, str] = {}
        while True:
            page = self._insist(partial(self._wire.get, path, limit="100", **after))
            given = page.get("data")
            items = [item for item in given if isinstance(item, dict)] if isinstance(given, list) else []
            yield from items
            if not page.get("has_more") or not items:
                return
            after = {"after": _of(items[-1], "id")}

    def _why(self, job: dict[str, Any], state: str) -> str:
        which = f"{self._service}: the fine-tuning {self.record['job']}"
        if state not in ENDED:
            return f"{which} is {state!r}, which is unknown here: see to it there, and give the same command again."
        error = job.get("error")
        message = error.get("message") if isinstance(error, dict) else error
        told = " ".join(str(message or "no reason given").split())[:300]
        return f"{which} ended as {state!r} ({told}); mend that and remove {self.kept} to begin anew."


def _done(kept: Path, what: dict[str, Any]) -> dict[str, Any]:
    """What was done so far."""
    if not kept.is_file():
        return {}
    try:
        done = json.loads(kept.read_text(encoding="utf-8"))
        differing = sorted(key for key in what if done["what"].get(key) != what[key])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UndertoneError(
            f"{kept} is no record of a fine-tuning, or a damaged one: move it away; a job that was made is found again."
        ) from None
    if differing:
        raise UndertoneError(f"{kept} is of a fine-tuning with another {' and '.join(differing)}; name another file.")
    return dict(done)


def _most(model: str, rows: Path, settings: dict[str, Any]) -> float:
    """The most dollars that a job may cost: a token has at least a byte."""
    epochs = settings.get("n_epochs")
    if not isinstance(epochs, int):
        raise UndertoneError(f"What fine-tuning {model} costs cannot be limited without n_epochs: set it.")
    return training_price(model) * rows.stat().st_size * epochs / 1e6


def training_price(model: str) -> float:
    """Dollars per million tokens that a model is trained on.

    Raises:
        UndertoneError: the table of prices does not tell.
    """
    price = price_of(f"{TUNED}{model}").training
    if price is None:
        raise UndertoneError(f'What fine-tuning {model} costs is not known: add training to "{TUNED}{model}".')
    return price


def _of(answer: dict[str, Any], key: str) -> str:
    """A name that must be there."""
    if not isinstance(answer.get(key), str) or not answer[key]:
        raise UndertoneError(f"The service's answer has no {key}: it does not speak the OpenAI API of fine-tuning.")
    return str(answer[key])
