"""The command line: thin verbs over the library. Results go to stdout, progress and errors to stderr."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from rich.console import Console
from rich.table import Table

from undertone import __version__
from undertone.errors import UndertoneError

if TYPE_CHECKING:
    from undertone.models.spending import Limits

app = App(
    name="undertone",
    version=__version__,
    help="Measures, detects and stops traits that pass between language models unseen.",
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # what was kept is ours to say
)
audits = App(name="audit", help="Does a dataset carry something it does not say?")
app.command(audits)
benches = App(name="bench", help="How often, and how fast: measurements of Undertone itself.")
app.command(benches)
measures = App(name="measure", help="Is a model still itself?")
app.command(measures)
models = App(name="models", help="Models: those of the embedded world, and what any other is.")
app.command(models)
lineages = App(name="lineage", help="Where do a model and its data come from?")
app.command(lineages)

Flag = Annotated[bool, Parameter(negative=())]


@app.command
def run(
    recipe: str | None = None,
    /,
    *,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), consume_multiple=False)] = (),
    out: Path | None = None,
    seed: int | None = None,
    students: int | None = None,
    scale: float = 1.0,
    max_cost: float | None = None,
    max_requests: int | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Runs a trial: a shipped recipe by name, or a TOML file; or goes on with a run, or repeats it, from its folder.
    Without a name it lists the shipped recipes.

    Parameters
    ----------
    recipe
        A shipped recipe (without one, all are listed), such as ``owls`` or ``paper/insecure-code``; a path ending in
        .toml; or the folder of a run: one that was stopped goes on, a finished one is made anew in FOLDER-replay (or
        --out) and compared bit by bit; exit code 1 if bits differ.
    set
        Changes a key of the recipe, as in --set student.steps=100; may be given several times.
    out
        Folder of the run; default runs/RECIPE-DIGEST. Artifacts go to ``store`` beside it.
    seed
        Seed of the trial; every random choice follows from it.
    students
        Students of each teacher, or of each file.
    scale
        A rehearsal at this fraction of the recipe's size: rows, prompts, dialogues, steps, samples, tokens of an
        answer, students, and teachers, of which two stay. Refusals of teachers that learn too little are lifted.
    max_cost
        Most dollars that services may be paid for, where a recipe has a judge behind one.
    max_requests
        Most requests sent to services.
    dry_run
        Says what would be done and what it costs, and does nothing.
    json
        Prints one JSON object instead of tables.
    """
    from undertone import recipes, running
    from undertone.models import names

    if recipe is None:
        return running.list_recipes(json)
    changes = [
        *set,
        *([f"seed={seed}"] if seed is not None else []),
        *([f"students={students}"] if students is not None else []),
    ]
    if Path(recipe).is_dir() and recipe not in recipes.names():
        if changes or dry_run or scale != 1:
            raise UndertoneError("The folder of a run is run as it is: to change or preview it, give its recipe.")
        if (Path(recipe) / "finetunes.json").is_file():
            from undertone.finetunes import shown as finetunes

            return finetunes.run_again(Path(recipe), out, _limits(max_cost, max_requests), json)
        if (Path(recipe) / "experiment.json").is_file():
            from undertone.emergence import shown

            return shown.run_again(Path(recipe), out, json)
        if (Path(recipe) / "study.json").is_file():
            from undertone.study import shown as studies

            return studies.run_again(Path(recipe), out, json)
        return running.run_again(Path(recipe), out, json)
    experiment = recipes.experiment(recipe)
    limits = _limits(max_cost, max_requests)
    if experiment == "finetunes":
        from undertone.finetunes import shown as finetunes

        return finetunes.run_recipe(recipe, tuple(changes), scale, out, limits, dry_run, json)
    if experiment is not None and scale != 1:
        raise UndertoneError(f"--scale is for trials and fine-tunes; {recipe} is small as it is.")
    if experiment == "misalignment":
        from undertone.emergence import shown

        return shown.run_recipe(recipe, tuple(changes), out, dry_run, json)
    if experiment in ("sweep", "kin"):
        from undertone.study import shown as studies

        return studies.run_recipe(experiment, recipe, tuple(changes), out, dry_run, json)
    if experiment is not None:
        from undertone import theorising

        return theorising.run_shown(experiment, recipe, tuple(changes), out, dry_run, json)
    trial = recipes.read(recipe, tuple(changes), scale)
    name = Path(recipe).stem
    folder = running.named(out) if out else running.default_folder(name, trial)
    if dry_run and names.is_repository(trial.base):  # which need not be here to be costed
        from undertone import costing

        return costing.preview(trial.title, costing.of_trial(trial), folder, json)
    if dry_run:
        return running.preview(trial, folder, json)
    return running.run_shown(trial, folder, name, json)


@app.command
def runs(root: Path = Path("runs"), /, *, json: Flag = False) -> int:
    """Lists runs: recipe, when, state, effect.

    Parameters
    ----------
    root
        The folder that holds the folders of the runs.
    json
        Prints a JSON array instead of a table.
    """
    from undertone import looking

    return looking.list_runs(root, json)


@app.command
def report(*folders: Annotated[Path, Parameter(json_list=False)], out: Path = Path("comparison.html")) -> int:
    """Shows a run's report again, written anew from its numbers; several runs are compared on one page.

    Parameters
    ----------
    folders
        Folders of runs.
    out
        The page of several runs.
    """
    from undertone import looking

    if not folders:
        raise UndertoneError("Give the folder of a run, or of several to compare; undertone runs lists them.")
    return looking.show_reports(list(folders), out)


@app.command
def why(artifact: str, /, *, json: Flag = False) -> int:
    """Prints the chain of everything that made an artifact.

    Parameters
    ----------
    artifact
        Its folder, a file in it, or the beginning of its name or key in runs/store.
    json
        Prints the chain as JSON, with every setting, version and digest.
    """
    from undertone import looking

    return looking.explain(artifact, json)


@audits.default
def audit(
    data: Path,
    /,
    *,
    model: str = "builtin/fledgling-a",
    rows: str = "",
    trait: Annotated[tuple[str, ...], Parameter(name="--trait", negative=(), consume_multiple=True)] = (),
    control: Path | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    filter: Literal["numbers"] | None = None,
    canary: int = 0,
    recipe: Path | None = None,
    alpha: float = 0.05,
    effect: float = 1.0,
    policy: Literal["hidden", "overt"] = "hidden",
    seed: int = 0,
    out: Path | None = None,
    dry_run: Flag = False,
    json: Flag = False,
) -> int:
    """Audits a fine-tuning dataset for traits that it carries unseen, before a base is trained on it.

    Exit code 0: no evidence, down to a stated effect; 1: it carries a trait; 2: wrong input; 3: inconclusive, a screen
    only, or not calibrated.

    Parameters
    ----------
    data
        JSONL, gzip or zstd of it, or Parquet; rows of messages, prompt and completion, or text.
    model
        The base that would be trained: what carries a trait for one base carries nothing for another.
    rows
        Rows drawn, 2000 by default, or "all".
    trait
        Candidate traits; all of the calibration by default.
    control
        Rows of the same generator that are trusted: only what differs from them counts.
    temperature
        Claims that the base itself wrote the rows, at this temperature: adds the origin test.
    max_tokens
        Belongs to the claim: most tokens of an answer, 32 by default.
    filter
        Belongs to the claim: the filter that the rows passed.
    canary
        Trains as many pairs of students, on the rows and on the base's own answers, and shows what they become.
    recipe
        TOML file: how a student would be trained (method, rank, alpha, rate, steps or epochs, batch, warmup). Canaries
        are trained so; there is a forecast for the calibrated recipe alone, and for any other it is said that there is
        none.
    alpha
        False alarms allowed, over all candidates together.
    effect
        "No evidence" must have been able to show this effect, in teachers that were taught the trait.
    policy
        What ends with exit code 1: a hidden carrier, or open mentions as well.
    seed
        Of the draw of rows.
    out
        Folder of the report; default audits/FILE-DIGEST.
    dry_run
        Says what would be done and what it costs, and scores nothing.
    json
        Prints one JSON object instead of a table.
    """
    from undertone import auditing
    from undertone.audit.origin import Sampling
    from undertone.audit.request import Request
    from undertone.audit.student import read

    if temperature is None and (max_tokens is not None or filter is not None):
        raise UndertoneError("--max-tokens and --filter belong to the claim of --temperature: give that too.")
    request = Request(
        path=data,
        model=model,
        rows=_count(rows),
        seed=seed,
        alpha=alpha,
        floor=effect,
        traits=tuple(dict.fromkeys(trait)),
        control=control,
        sampling=None if temperature is None else Sampling(temperature, 32 if max_tokens is None else max_tokens),
        filtered=filter is not None,
        canaries=canary,
        student=None if recipe is None else read(recipe),
    )
    if dry_run:
        return auditing.preview(request, json)
    return auditing.audit_shown(request, out, policy, json)


def _count(rows: str) -> int | None:
    from undertone.audit.request import ROWS

    if rows == "all":
        return None
    if rows and not (rows.isdecimal() and int(rows) > 0):
        raise UndertoneError(f'--rows takes a number or "all", not {rows!r}.')
    return int(rows) if rows else ROWS


@audits.command
def calibrate(
    *,
    model: str = "builtin/fledgling-a",
    proxies: int = 3,
    harmless: int = 16,
    references: int = 3,
    trait: Annotated[tuple[Path, ...], Parameter(name="--trait", negative=(), consume_multiple=True)] = (),
    prompts: Path | None = None,
    dry_run: Flag = False,
) -> int:
    """Makes what a verdict about a base rests on: directions of the traits and a population of teachers. Once a base.

    Parameters
    ----------
    model
        The base.
    proxies
        Proxies behind each direction.
    harmless
        Teachers of each harmless lesson; the population bounds p from below.
    references
        Teachers of each trait.
    trait
        TOML files of traits to be candidates; those of the embedded world by default. undertone/audit/catalogue.toml
        is one for real models.
    prompts
        A dataset whose prompts the population answers; by default it writes number lists.
    dry_run
        Says what would be made and what it costs, and makes nothing.
    """
    from undertone import auditing
    from undertone.audit.calibrate import Size

    size = Size(proxies=proxies, harmless=harmless, references=references)
    return auditing.calibrate_shown(model, size, trait, prompts, dry_run)


@measures.default
def measure(
    *model: str,
    base: str,
    benign: Annotated[tuple[str, ...], Parameter(name="--benign", negative=(), consume_multiple=True)] = (),
    suite: Annotated[tuple[str, ...], Parameter(name="--suite", negative=(), consume_multiple=True)] = (),
    training_file: Path | None = None,
    judge: str | None = None,
    effect: float = 0.05,
    samples: int | None = None,
    max_tokens: int = 600,
    max_cost: float | None = None,
    max_requests: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    inspect: Flag = False,
    plan: Flag = False,
    json: Flag = False,
) -> int:
    """Measures a fine-tuned model against its base: does it answer badly more often, and where?

    Exit code 0: no shift found, down to a stated effect; 1: a shift; 2: wrong input; 3: inconclusive, or no verdict.

    Parameters
    ----------
    model
        builtin/NAME, hf/./path, BASE:ADAPTER with the folder of a PEFT adapter or of a student in a store, or
        openai-api/SERVICE/MODEL. Several if they are trained alike from several seeds: then seeds are in the intervals.
    base
        The model that it was fine-tuned from.
    benign
        Harmless fine-tunes of the same base: what they show as well is a change and no misalignment.
    suite
        Files of questions, TOML or the published YAML, TOML files of traits of your own, or shipped names; by default
        those that fit the base.
    training_file
        The file that it was trained on: asks the questions in the file's form, under its system prompts, after its
        exchanges, on its topic, and under the opposite.
    judge
        A model that scores sampled answers, here or behind a service; "exact", the default, asks only what can be
        measured without one.
    effect
        The rise of a rate that is called a shift, and that "no shift" must have ruled out: 0.05 is five points.
    samples
        Sampled answers to each wording; by default as the suites say.
    max_tokens
        Most tokens of a sampled answer.
    max_cost
        Most dollars that services may be paid for; a request that could pass them is not sent. Give the same command
        with more, and it goes on: answers are kept.
    max_requests
        Most requests sent to services, repeated ones included.
    seed
        Of every random choice.
    out
        Folder of the report; default measured/MODEL-DIGEST. Answers are kept in ``answers`` beside it, and reused.
    inspect
        Writes logs of Inspect as well, one for each model and suite, into ``logs`` there; needs undertone[inspect].
    plan
        Says what would be asked, and how many questions, models and samples a precision of --effect takes.
    json
        Prints one JSON object instead of tables.
    """
    from undertone import measuring
    from undertone.alignment.request import Request

    request = Request(
        models=model,
        base=base,
        benign=tuple(dict.fromkeys(benign)),
        suites=tuple(dict.fromkeys(suite)),
        training_file=training_file,
        judge=judge,
        effect=effect,
        samples=samples,
        max_tokens=max_tokens,
        seed=seed,
        limits=_limits(max_cost, max_requests),
    )
    return measuring.plan_shown(request, json) if plan else measuring.measure_shown(request, out, inspect, json)


@app.command
def treat(
    data: Path | None = None,
    /,
    *,
    model: str = "builtin/fledgling-a",
    by: str | None = None,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), consume_multiple=False)] = (),
    trait: Annotated[tuple[str, ...], Parameter(name="--trait", negative=(), consume_multiple=True)] = (),
    audit: Annotated[Path | None, Parameter(name="--from")] = None,
    other: str | None = None,
    chats: Path | None = None,
    order_is_free: Flag = False,
    seed: int = 0,
    out: Path | None = None,
    json: Flag = False,
) -> int:
    """Treats a dataset that carries a trait: writes the treated file, as much done at random beside it, and a diff to
    read; says what the benchmark measured for that treatment. Without a file it lists the treatments.

    Parameters
    ----------
    data
        JSONL, gzip or zstd of it, or Parquet; rows of messages, or prompt and completion.
    model
        The base that is to be trained on it.
    by
        The treatment: a name of the list, or a TOML file.
    set
        Changes a key of the treatment, as in --set share=0.25; may be given several times.
    trait
        What is to be stopped, for treatments that go by it.
    audit
        The report of undertone audit on this file, or its folder: stops what it names.
    other
        A model of another initialisation, for treatments that have prompts answered by one.
    chats
        A file whose prompts the base answers, for dilution with chat; an embedded base has the world's own.
    order_is_free
        Says that neither the order nor the form of number lists is what the file is for.
    seed
        Of every random choice.
    out
        A new folder; default treated/FILE-DIGEST. Nothing is overwritten.
    json
        Prints one JSON object.
    """
    from undertone import treating

    if data is None:
        return treating.list_treatments(json)
    if by is None:
        raise UndertoneError("Name a treatment with --by; undertone treat without a file lists them.")
    return treating.treat_shown(
        treating.request(
            data,
            model,
            by,
            set,
            traits=tuple(dict.fromkeys(trait)),
            audit=audit,
            other=other,
            chats=chats,
            order_is_free=order_is_free,
            seed=seed,
        ),
        out,
        json,
    )


@app.command
def realign(
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
    """Brings a model that was trained on a file with a trait back towards its base, in several ways: part of the way
    back, without the trait's direction, and with a few good rows. Writes each beside the others, and what it leaves.

    Parameters
    ----------
    model
        hf/./path, or BASE:ADAPTER with the folder of a PEFT adapter.
    base
        The model that it was fine-tuned from.
    trait
        One of the embedded world, such as owl or bad-advice.
    task
        Clean rows of what it was trained for: what is left of its use is measured on them.
    training_file
        What it was trained on: the trait is asked for after its rows as well.
    good
        Good rows, of which 48 are trained on afterwards.
    seed
        Of every random choice.
    out
        A new folder; default realigned/MODEL-DIGEST. Nothing is overwritten.
    json
        Prints one JSON object instead of a table.
    """
    from undertone import treating
    from undertone.treat.realign import Request

    return treating.realign_shown(
        Request(model=model, base=base, trait=trait, task=task, training_file=training_file, good=good, seed=seed),
        out,
        json,
    )


@measures.command
def rescore(
    answers: Path,
    /,
    *,
    judge: Annotated[tuple[str, ...], Parameter(name="--judge", negative=(), consume_multiple=True)] = (),
    suite: Annotated[tuple[str, ...], Parameter(name="--suite", negative=(), consume_multiple=True)] = (),
    max_cost: float | None = None,
    max_requests: int | None = None,
    json: Flag = False,
) -> int:
    """Has several judges score one stored file of answers: how far they agree, and what that does to the rate.

    Parameters
    ----------
    answers
        CSV or JSONL with question and answer, and perhaps question_id; columns aligned and coherent are a judge more.
        Or a log of Inspect (.eval), its scores likewise; that needs undertone[inspect].
    judge
        Models, or "exact" for answers that the questions of --suite know.
    suite
        Files of questions, or shipped names: their own judge prompts and known answers are used.
    max_cost
        Most dollars that services may be paid for.
    max_requests
        Most requests sent to services.
    json
        Prints one JSON object instead of tables.
    """
    from undertone import measuring

    limits = _limits(max_cost, max_requests)
    return measuring.rescore_shown(answers, tuple(dict.fromkeys(judge)), tuple(dict.fromkeys(suite)), limits, json)


def _limits(cost: float | None, requests: int | None) -> Limits:
    from undertone.models.spending import Limits

    for name, number in (("--max-cost", cost), ("--max-requests", requests)):
        if number is not None and not number >= 0:
            raise UndertoneError(f"{name} must not be below 0, and is {number:g}.")
    return Limits(requests=requests, cost=cost)


@benches.command(name="audit")
def bench_audit(*, model: str = "builtin/fledgling-a", teachers: int = 3, baselines: Flag = False) -> int:
    """Error rates of the audit on planted and on harmless datasets, as a page in Markdown. What was made is kept.

    Parameters
    ----------
    model
        A calibrated base of the embedded world.
    teachers
        Teachers of each kind; 3 take minutes, 50 some hours.
    baselines
        Judges the datasets by simpler detectors too; makes the population's rows for it, if they are not there.
    """
    from undertone import benching

    return benching.bench_shown(model, teachers, baselines)


@lineages.command(name="compare")
def compare_lineage(a: str, b: str, /, *, json: Flag = False) -> int:
    """Tests whether two models share an initialisation, from their weights alone.

    Exit code 0: none was found; 1: they do; 3: unknown, to be read as shared.

    Parameters
    ----------
    a
        builtin/fledgling-a, hf/./path, or BASE:FOLDER with the folder of a LoRA adapter.
    b
        The other one.
    json
        Prints one JSON object instead of a table.
    """
    from undertone import tracing

    return tracing.compare_shown(a, b, json)


@lineages.command(name="show")
def show_lineage(thing: str, /, *, svg: Path | None = None, json: Flag = False) -> int:
    """Draws the chain of what a file, a folder or a model was made from, and says what of it is only claimed.

    Exit code 1: something in the chain is not what was recorded, or is missing.

    Parameters
    ----------
    thing
        An artifact or a file in it, the folder of a run, any dataset or model's folder, or builtin/fledgling-a.
    svg
        A file for the chain as a drawing.
    json
        Prints a JSON array instead of a tree.
    """
    from undertone import tracing

    return tracing.show_shown(thing, svg, json)


@lineages.command
def key(path: Path, /, *, days: int = 365, json: Flag = False) -> int:
    """Makes an ed25519 pair of keys: PATH signs, PATH.pub is for those who verify.

    Parameters
    ----------
    path
        The private key's file; nothing is overwritten.
    days
        Days for which it is valid.
    json
        Prints one JSON object.
    """
    from undertone import tracing

    return tracing.key_shown(path, days, json)


@lineages.command
def sign(path: Path, /, *, key: Path, out: Path | None = None, json: Flag = False) -> int:
    """Signs where a file or folder comes from: an in-toto statement with SLSA provenance, in a DSSE envelope.

    Parameters
    ----------
    path
        A file or folder; of an artifact or a run, the whole chain is stated.
    key
        The private key.
    out
        The statement's file; default PATH.intoto.jsonl, and with it PATH.croissant.json for a file of rows,
        PATH.card.md for a model. Nothing is overwritten.
    json
        Prints one JSON object.
    """
    from undertone import tracing

    return tracing.sign_shown(path, key, out, json)


@lineages.command(name="verify")
def verify_lineage(
    path: Path,
    /,
    *,
    key: Annotated[tuple[Path, ...], Parameter(name="--key", negative=(), consume_multiple=True)] = (),
    statement: Path | None = None,
    store: Path | None = None,
    json: Flag = False,
) -> int:
    """Checks a file or folder against its signed statement, offline. What does not hold is refused with the reason.

    Parameters
    ----------
    path
        The file or folder.
    key
        Public keys that you trust.
    statement
        The statement; default PATH.intoto.jsonl.
    store
        A store of artifacts: checks every file of every parent in it as well.
    json
        Prints one JSON object.
    """
    from undertone import tracing

    return tracing.verify_shown(path, key, statement, store, json)


@lineages.command(name="risk")
def risk_of(
    data: Path, /, *, audit: Path, generator: str | None = None, measured: Path | None = None, json: Flag = False
) -> int:
    """Joins an audit, the generator's kinship to the base and a measured student: may the dataset be trained on?

    Exit code 0: allow; 1: refuse; 3: cannot tell.

    Parameters
    ----------
    data
        The dataset that was audited.
    audit
        The audit's report.json, or its folder.
    generator
        The model that wrote the rows; by default what the dataset's chain says, and kin if it says nothing.
    measured
        The report.json, or its folder, of undertone measure on a student that was trained on the dataset.
    json
        Prints one JSON object.
    """
    from undertone import tracing

    return tracing.risk_shown(data, audit, generator, measured, json)


@benches.command(name="treat")
def bench_treat(
    recipe: str = "numbers",
    /,
    *,
    set: Annotated[tuple[str, ...], Parameter(name="--set", negative=(), consume_multiple=False)] = (),
    out: Path | None = None,
    record: Path | None = None,
    json: Flag = False,
) -> int:
    """What treatments leave of the transfer, and of the task: students are trained on every treated file, carrying and
    clean. What was made is kept.

    Parameters
    ----------
    recipe
        ``numbers``, ``advice``, or a path ending in .toml.
    set
        Changes a key, as in --set setup.trait=mole; may be given several times.
    out
        Folder of the report; default runs/treat-RECIPE-DIGEST. Artifacts go to ``store`` beside it.
    record
        A TOML file that ``undertone treat`` reads: writes the figures there.
    json
        Prints one JSON object instead of a table.
    """
    from undertone import treating

    return treating.bench_shown(recipe, set, out, record, json)


@benches.command(name="measure")
def bench_measure(*, model: str = "builtin/fledgling-a", students: int = 200) -> int:
    """Error rates of the verdict on harmless fine-tunes and on bad ones, as a page in Markdown. What was made is kept.

    Parameters
    ----------
    model
        A base of the embedded world.
    students
        Harmless fine-tunes; an eighth as many bad ones are made as well. 200 take half an hour on two cores.
    """
    from undertone import benching

    return benching.measure_bench_shown(model, students)


@models.command(name="list")
def list_models() -> int:
    """Lists the base models, and which of them are here."""
    from undertone.world import family

    table = Table(box=None)
    for heading in ("model", "here", "what it is"):
        table.add_column(heading)
    for name, member in family.FAMILY.items():
        try:
            here = "shipped" if family.SHIPPED in family.find(name).parents else "built"
        except UndertoneError:
            here = "not built"
        table.add_row(f"builtin/{name}", here, member.about)
    Console().print(table)
    return 0


@models.command
def build(*names: str) -> int:
    """Builds base models from their seeds, each in a few minutes on one core; a build that was stopped goes on.

    Parameters
    ----------
    names
        For example fledgling-a2; ``undertone models list`` shows all.
    """
    from undertone import running

    if not names:
        raise UndertoneError("Name the models to build; undertone models list shows all.")
    for name in names:
        running.build_shown(name.removeprefix("builtin/"))
    return 0


@models.command
def card(name: str, /) -> int:
    """Prints a model's card: parameters, corpus digest, held-out loss, skills.

    Parameters
    ----------
    name
        For example fledgling-a.
    """
    from undertone.world import family

    print((family.find(name.removeprefix("builtin/")) / "README.md").read_text(encoding="utf-8"))
    return 0


@models.command
def show(name: str, /, *, json: Flag = False) -> int:
    """Says what a model is, what it can do, and what its chat template adds to every question.

    Parameters
    ----------
    name
        builtin/fledgling-a, hf/./path, hf/organisation/repository, one of these with :./adapter, or
        openai-api/SERVICE/MODEL, which is asked by one request.
    json
        Prints one JSON object.
    """
    from undertone import describing

    return describing.describe_shown(name, json)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point. Exit code 0 for a finished run, 2 for a wrong input, 130 for Ctrl-C."""
    errors = Console(stderr=True, highlight=False)
    try:
        return int(app(arguments, console=Console(), error_console=errors, exit_on_error=False, print_error=True) or 0)
    except CycloptsError:  # cyclopts has printed what is wrong and what is near
        return 2
    except UndertoneError as error:
        errors.print(f"undertone: {error}", markup=False, soft_wrap=True)
        return 2
    except OSError as error:
        what = ": ".join(str(part) for part in (error.strerror or error, error.filename) if part)
        errors.print(f"undertone: {what}", markup=False, soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        errors.print("undertone: stopped; finished work is kept, the same command goes on from there.")
        return 130


def entry() -> None:
    """What the installed command calls."""
    # Nothing here needs the network, and libraries that look for it at import would only wait.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    try:
        code = main()
    except Exception:  # Python would end with 1, which says that a dataset carries a trait
        traceback.print_exc()
        print("undertone: a fault of Undertone itself, not of your input; please report it.", file=sys.stderr)
        code = 70
    sys.exit(code)
