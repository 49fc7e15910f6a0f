"""What several commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import wraps
from os.path import abspath, basename
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from cyclopts import Parameter

from undertone.cli.bars import Bars
from undertone.cli.terminal import console, tell
from undertone.errors import UndertoneError
from undertone.reading.hostile import one_line

if TYPE_CHECKING:
    from undertone.engine.cluster.cluster import OnRay
    from undertone.models.services.spending import Limits
    from undertone.report.findings import Findings
    from undertone.report.track import Tracker
    from undertone.spec import Spec
    from undertone.traits.trait import Trait

P = TypeVar("P", Path, Path | None)
Command = TypeVar("Command", bound=Callable[..., int])
Flag = Annotated[bool, Parameter(negative=())]


On = Literal["ray"] | None
ON = """
    on
        Where jobs are made: ray, the Ray cluster of RAY_ADDRESS, or one of this machine without it. By default the
        cores and GPUs of this machine.
"""


def placed(command: Command) -> Command:
    """Gives a command, whose docstring ends with its parameters, the option --on: where its jobs are made."""

    @wraps(command)
    def there(*arguments: Any, on: On = None, **more: Any) -> int:
        if on is None:
            return command(*arguments, **more)
        from undertone.engine.executor import executing

        with closing(on_ray()) as cluster, executing(cluster):
            return command(*arguments, **more)

    whole = inspect.signature(command)
    own = inspect.Parameter("on", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=On)
    there.__signature__ = whole.replace(parameters=[*whole.parameters.values(), own])  # type: ignore[attr-defined]
    there.__annotations__ = command.__annotations__ | {"on": On}
    there.__doc__ = f"{(command.__doc__ or '').rstrip()}{ON}"
    return there  # type: ignore[return-value]


def on_ray() -> OnRay:
    """Returns the Ray cluster.

    Raises:
        UndertoneError: Ray is not installed.
    """
    try:
        from undertone.engine.cluster.cluster import OnRay
    except ModuleNotFoundError as missing:
        if missing.name != "ray":
            raise
        raise UndertoneError("Ray is not installed: pip install 'undertone[ray]', here and on every node.") from None
    return OnRay()


def limits_of(cost: float | None, requests: int | None, models: Iterable[str | None] | None = None) -> Limits:
    """The limits of the options --max-cost and --max-requests. ``models``: those that would be asked, if it is known.

    Raises:
        UndertoneError: one of them is below 0, or limits services although no model is behind one.
    """
    from undertone.models.names import is_remote
    from undertone.models.services.spending import Limits

    for name, number in (("--max-cost", cost), ("--max-requests", requests)):
        if number is not None and not number >= 0:
            raise UndertoneError(f"{name} must not be below 0, and is {number:g}.")
        if number is not None and models is not None and not any(model and is_remote(model) for model in models):
            raise UndertoneError(f"{name} limits what services are asked for, and no model here is behind one.")
    return Limits(requests=requests, cost=cost)


def refuse_missing(*paths: Path | None) -> None:
    """Raises UndertoneError if a file does not exist, or a pattern matches none. Names of datasets of the Hub pass.
    Call it before importing anything slow."""
    from undertone.data.hub import is_of_hub
    from undertone.reading.files import matched

    for path in paths:
        if path is not None and not is_of_hub(path) and not all(one.exists() for one in matched(path)):
            raise UndertoneError(f"Cannot read {path}: No such file or directory.")


def fetched(path: P) -> P:
    """Returns the file of a dataset, which is fetched if it is one of the Hub.

    Raises:
        UndertoneError: it cannot be fetched.
    """
    from undertone.data import hub
    from undertone.world.family import built

    return path if path is None else hub.fetched(path, built().parent / "datasets")


def refuse_unknown(*models: str | None) -> None:
    """Raises UndertoneError if there is no model of a name, or no adapter after a colon. A repository of the Hub is
    fetched first, if need be. Names of models behind services pass. Call it before importing anything slow."""
    from undertone.models.names import is_remote, located

    with Bars():
        for model in models:
            if model is not None and not is_remote(model):
                located(model)


def refuse_no_template(given: str | None) -> None:
    """Raises UndertoneError if there is no chat template of this path or name. Call it before importing anything
    slow."""
    from undertone.models.given_template import file_of

    if given is not None:
        file_of(given)


def traits_of(given: Iterable[str]) -> tuple[tuple[str, ...], tuple[Trait, ...]]:
    """Splits what --trait was given into names, and the user's own traits of TOML files.

    Raises:
        UndertoneError: a file is missing or wrong.
    """
    from undertone.traits import catalogue

    files = [catalogue.located(one) for one in dict.fromkeys(given) if one.endswith(".toml")]
    refuse_missing(*files)
    return tuple(one for one in dict.fromkeys(given) if not one.endswith(".toml")), catalogue.read(files)


def folder_for(parent: str, thing: Path | str, request: Spec) -> Path:
    """The default folder of a report, one for each request and content of its files, named after ``thing``: a file, or
    the name of a model."""
    from undertone.engine.folder import files_of, folder_of
    from undertone.models.names import split
    from undertone.reading.files import stem_of

    name = stem_of(thing) if isinstance(thing, Path) else basename(abspath(split(thing)[1] or thing))
    return folder_of(parent, name, request.model_dump(mode="json") | {"files": list(files_of(request).values())})


def send(found: Findings, tracker: Tracker | None, folder: Path) -> None:
    """Sends findings to a tracker, if one is named. One that cannot be reached changes no result: stderr says so."""
    if tracker is None:
        return
    try:
        found.track(tracker, folder.name)
    except UndertoneError as error:
        tell(console(stderr=True), one_line(f"note: {error} The report is in {folder}."))
