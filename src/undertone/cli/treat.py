"""What can be done about a dataset or a model that carries a trait?"""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from undertone.cli import completion
from undertone.cli.bars import Bars
from undertone.cli.shared import (
    Flag,
    fetched,
    folder_for,
    placed,
    refuse_missing,
    refuse_no_template,
    refuse_unknown,
    traits_of,
)
from undertone.cli.terminal import named, print_json, show
from undertone.errors import UndertoneError


@placed
def treat(
    data: Path | None = None,
    /,
    *,
    model: str = "builtin/fledgling-a",
    chat_template: str | None = None,
    by: Annotated[str | None, Parameter(completer=completion.mitigations)] = None,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), consume_multiple=False)] = (),
    trait: Annotated[tuple[str, ...], Parameter(name="--trait", negative=(), consume_multiple=True)] = (),
    audit: Annotated[Path | None, Parameter(name="--from")] = None,
    other: str | None = None,
    chats: Path | None = None,
    map: str | None = None,
    order_is_free: Flag = False,
    seed: int = 0,
    out: Path | None = None,
    json: Flag = False,
) -> int:
    """Treats a dataset that carries a trait. Writes the treated file, a file with random changes of the same size and a
    diff, and says what benchmarks measured for the mitigation. Without --by it says which mitigations fit the file, and
    without a file it lists all of them.

    Parameters
    ----------
    data
        JSON lines, a JSON list, CSV or Parquet, also compressed by gzip or zstd; several files by a pattern in quotes.
        Rows with prompts and answers, in any of the forms that undertone audit reads.
    model
        The base that would be trained on the file: builtin/NAME, a folder, ORGANISATION/REPOSITORY of the Hub, or one
        of these with :ADAPTER.
    chat_template
        For a base without one: a Jinja file, or "plain".
    by
        The mitigation: a name of the list, or a TOML file. Without it, lists those that fit the file: by --trait, by
        --from, or else by an audit of the file.
    set
        Changes a key of the mitigation, as in --set share=0.25. Can be repeated.
    trait
        Traits to stop, for mitigations that need a trait: names or kinds, or TOML files of your own.
    audit
        Report of undertone audit on this file, or its folder. The traits that it names are stopped.
    other
        A model of another initialisation, for mitigations in which one answers the prompts.
    chats
        A file of prompts for a dilution with chat. An embedded base needs none.
    map
        Which keys say what, if they have other names, as in prompt=KEY,completion=KEY.
    order_is_free
        Says that the file is not about the order or the form of number lists, so both may change.
    seed
        Seed of all random choices.
    out
        A new folder; by default treated/FILE-DIGEST. Nothing is overwritten.
    json
        Prints one JSON object.
    """
    if data is None:
        return _list(json)
    refuse_missing(data, audit, chats)
    refuse_unknown(model, other)
    refuse_no_template(chat_template)
    if by is None:
        if set or other or chats or order_is_free or out is not None:
            raise UndertoneError(
                "Without --by nothing is written: name the mitigation, or leave --set, --other, --chats, "
                "--order-is-free and --out away."
            )
        return _recommend(data, model, chat_template, trait, audit, map, seed, json)
    if by in RENAMED:
        raise UndertoneError(f"The mitigation {by} is now called {RENAMED[by]}: --by {RENAMED[by]}.")
    from undertone.treat.catalogue import named as mitigation_named
    from undertone.treat.mitigations import needs_trait

    mitigation = mitigation_named(by, set)
    if not trait and audit is None and needs_trait(mitigation):
        raise UndertoneError(f"{Path(by).stem} needs a trait: give it by --trait, or --from with an audit's report.")
    from undertone.engine.environment import quiet_libraries
    from undertone.report.words import duration
    from undertone.treat.cost import seconds_of
    from undertone.treat.treat import Request, refuse_taken, run

    data, chats = fetched(data), fetched(chats)
    names, own = traits_of(trait)
    request = Request(
        path=data,
        model=model,
        chat_template=chat_template,
        treatment=mitigation,
        name=Path(by).stem,
        traits=(*names, *(one.name for one in own)),
        own=own,
        audit=audit,
        other=other,
        chats=chats,
        map=map,
        order_is_free=order_is_free,
        seed=seed,
    )
    folder = named(out) if out else folder_for("treated", data, request)
    refuse_taken(folder)
    quiet_libraries()
    with Bars(quiet=json) as bars:
        if not json:
            with suppress(UndertoneError):  # the work itself says what is wrong
                bars.begins(f"Treats {data} by {request.name}: about {duration(seconds_of(request))}.")
        told = run(request, folder, bars.advanced)
    if json:
        print_json(told)
    else:
        show(told.page())
    return 0


RENAMED = {"kin": "dilute-same-kind", "kin-half": "dilute-same-kind-half"}
"""Old names of mitigations, which could be misunderstood, and the new ones."""


def _recommend(
    data: Path,
    model: str,
    chat_template: str | None,
    trait: tuple[str, ...],
    audit: Path | None,
    keys: str | None,
    seed: int,
    as_json: bool,
) -> int:
    if trait and audit is not None:
        raise UndertoneError("Give the traits either by --trait or by --from, not both.")
    from undertone.audit.cost import cost_of
    from undertone.engine.environment import quiet_libraries
    from undertone.treat.benchmarked import read
    from undertone.treat.page import recommended_page
    from undertone.treat.recommended import Request, recommend

    names, own = traits_of(trait)
    request = Request(
        path=fetched(data),
        model=model,
        chat_template=chat_template,
        traits=(*names, *(one.name for one in own)),
        own=own,
        audit=audit,
        map=keys,
        seed=seed,
    )
    quiet_libraries()
    with Bars(quiet=as_json) as bars:
        if not (request.traits or audit or as_json):
            with suppress(UndertoneError):  # the audit itself says what is wrong
                bars.begins(f"Audits {data}. {cost_of(request.asked)}.")
        found = recommend(request, read(), bars.advanced)
    if as_json:
        print_json({"headline": found.headline, **found.model_dump(mode="json")})
    else:
        show(recommended_page(found))
    return 0


def _list(as_json: bool) -> int:
    from undertone.treat.benchmarked import read
    from undertone.treat.page import catalogue_page

    measured = read()
    if as_json:
        print_json(measured)
    else:
        show(catalogue_page(measured))
    return 0


def realign_model(
    model: str,
    /,
    *,
    base: str,
    trait: str,
    task: Path,
    training_file: Path | None = None,
    good: Path | None = None,
    seed: int = 0,
    out: Path | None = None,
    json: Flag = False,
) -> int:
    """Brings a model that was trained on a file with a trait back towards its base. Tries several mitigations: part of
    the way back, without the trait's direction, and a short training on good rows. Writes each model, and how much of
    the trait and of the task is left in it.

    Parameters
    ----------
    model
        The trained model: a folder, a repository of the Hub, or BASE:ADAPTER with the folder of a PEFT adapter.
    base
        The model from which it was fine-tuned.
    trait
        A trait of the embedded world, such as owl or bad-advice.
    task
        File of clean rows of the task, on which the model's utility is measured.
    training_file
        File on which the model was trained. The questions about the trait are then asked after its rows too.
    good
        File of good rows. The model is trained on 48 of them.
    seed
        Seed of all random choices.
    out
        A new folder; by default realigned/MODEL-DIGEST. Nothing is overwritten.
    json
        Prints one JSON object instead of a table.
    """
    refuse_missing(task, training_file, good)
    refuse_unknown(model, base)
    from undertone.engine.environment import quiet_libraries
    from undertone.report.html import PAGE, write
    from undertone.treat.realign import Request, realign, ways
    from undertone.treat.treat import new_folder, refuse_taken

    request = Request(model=model, base=base, trait=trait, task=task, training_file=training_file, good=good, seed=seed)
    folder = named(out) if out else folder_for("realigned", model, request)
    refuse_taken(folder)
    quiet_libraries()
    with new_folder(folder) as aside:
        with Bars(quiet=json) as bars:
            bars.begins(
                f"Brings {model} back to {base} in {len(ways(request))} ways; the first tells how long they take."
            )
            findings = realign(request, aside, bars.advanced)
        page = findings.page()
        write(findings, page, aside)
    if json:
        print_json(findings)
    else:
        show(page, folder / PAGE)
    return 0
