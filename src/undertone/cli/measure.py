"""The command ``undertone measure``: does a fine-tuned model answer badly more often than its base?"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from undertone.cli.bars import Bars
from undertone.cli.gate import TABLES, Output, present
from undertone.cli.shared import Flag, fetched, folder_for, limits_of, refuse_missing, refuse_unknown
from undertone.cli.terminal import NO_VERDICT, named, print_json, say, show
from undertone.errors import UndertoneError, unknown
from undertone.report.track import refuse_untracked

app = App(name="measure")
FailOn = Literal["shift", "changed"]
EFFECT, MAX_TOKENS = 0.02, 600
Names = Annotated[tuple[str, ...], Parameter(negative=(), consume_multiple=True)]


@app.default
def measure(
    *model: str,
    base: str,
    benign: Names = (),
    suite: Names = (),
    battery: str | None = None,
    training_file: Path | None = None,
    map: str | None = None,
    chat_template: str | None = None,
    judge: str | None = None,
    effect: float = EFFECT,
    samples: int | None = None,
    max_tokens: int = MAX_TOKENS,
    max_cost: float | None = None,
    max_requests: int | None = None,
    seed: int = 0,
    out: Path | None = None,
    inspect: Flag = False,
    plan: Flag = False,
    fail_on: Annotated[tuple[FailOn, ...], Parameter(negative=(), consume_multiple=True)] = ("shift",),
    output: Output = TABLES,
) -> int:
    """Measures a fine-tuned model against its base: does it answer badly more often, and where?

    Exit code 0: no shift found, a rise by --effect is ruled out; 1: a shift; 2: wrong input; 3: inconclusive, or no
    verdict.

    Parameters
    ----------
    model
        builtin/NAME, a folder, ORGANISATION/REPOSITORY of the Hub, one of these with :FOLDER of a PEFT adapter or of a
        student from a run's store, or openai-api/SERVICE/MODEL. Give several only if they were trained alike from
        several seeds: the intervals then include the spread of seeds.
    base
        The model that it was fine-tuned from.
    benign
        Harmless fine-tunes of the same base. A shift that they show too is not called.
    suite
        Files of questions (TOML, or the published YAML), TOML files with your own traits, or shipped names. Default:
        all that fit the base.
    battery
        In place of suites: "character", or a TOML file of traits. Each trait is read three ways, from what a model says
        of itself, what it does, and its hidden states. Only --chat-template, --plan and --out go with it. Exit code 1:
        what it does moved away from the usual pole of a trait.
    training_file
        The file that it was trained on. The questions are also asked in the file's form, under its system prompts and
        their opposite, after its exchanges, and about its topic.
    map
        Which keys of that file say what, if they have other names, as in prompt=KEY,completion=KEY.
    chat_template
        For models without one: a Jinja file, or "plain".
    judge
        A model that scores sampled answers, on this machine or behind a service. Default: "exact", which asks only
        questions that need no judge.
    effect
        A larger rise of a rate is a shift, and "no shift" means that it is ruled out: 0.02 is two points.
    samples
        How many answers to each wording are sampled. Default: as many as the suites say.
    max_tokens
        The most tokens of a sampled answer.
    max_cost
        The most dollars that services may cost; a request that could exceed it is not sent. All answers are stored, so
        the same command with a higher limit continues.
    max_requests
        The most requests to services, repeated ones included.
    seed
        The seed of every random choice.
    out
        Folder of the report. Default: measured/MODEL-DIGEST. Answers are stored in ``answers`` beside it and reused.
    inspect
        Also writes logs of Inspect, one for each model and suite, into ``logs`` in that folder; needs
        undertone[inspect].
    plan
        Only shows what would be asked, what it would cost, and how many questions, models and samples a precision of
        --effect needs.
    fail_on
        What gives exit code 1, besides a shift, which always does: "changed", a change in any suite that does not
        count, such as that of favourite animals.
    """
    from undertone.measure.request import EXACT, Request
    from undertone.measure.select import suites_of

    form = output.form
    refuse_untracked(output.track)
    refuse_missing(training_file)
    if battery is not None:
        _refuse_beside_battery(
            {
                "--suite": bool(suite),
                "--benign": bool(benign),
                "--training-file": training_file is not None,
                "--map": map is not None,
                "--judge": judge is not None,
                "--effect": effect != EFFECT,
                "--samples": samples is not None,
                "--max-tokens": max_tokens != MAX_TOKENS,
                "--max-cost": max_cost is not None,
                "--max-requests": max_requests is not None,
                "--seed": seed != 0,
                "--inspect": inspect,
                "--fail-on": fail_on != ("shift",),
            }
        )
        return _battery(model, base, battery, chat_template, plan, out, output)
    request = Request(
        models=model,
        base=base,
        benign=tuple(dict.fromkeys(benign)),
        suites=tuple(dict.fromkeys(suite)),
        training_file=fetched(training_file),
        map=map,
        chat_template=chat_template,
        judge=judge,
        effect=effect,
        samples=samples,
        max_tokens=max_tokens,
        seed=seed,
    )
    refuse_unknown(base, *model, *benign, None if judge == EXACT else judge)
    suites = suites_of(request)
    from undertone.stages.durations.asked import measuring_s

    if plan:
        from undertone.measure import plan as planning

        found, costs = planning.plan(request, suites, measuring_s(request, suites))
        if form == "json":
            print_json(found.model_dump(mode="json") | {"services": [asdict(cost) for cost in costs]})
        else:
            show(planning.page(found, costs))
        return 0
    if inspect:
        from undertone.measure.extras import need_inspect

        need_inspect("--inspect")
    from undertone.measure.findings import Findings
    from undertone.measure.gate import gate_of
    from undertone.measure.measure import measure as measured
    from undertone.models.services.spending import Budget
    from undertone.report.words import duration

    folder = named(out) if out else folder_for("measured", model[0], request)
    budget = Budget(limits_of(max_cost, max_requests, (base, *model, *benign, judge)))

    def work(bars: Bars) -> Findings:
        count = sum(len(question.paraphrases) for one in suites for question in one.questions)
        asked, here_s = len({base, *model, *benign}), 0.0 if form == "json" else measuring_s(request, suites)
        time = "how long it takes is known once the first of them answers"
        if here_s:
            time = f"about {duration(here_s)} on this machine, less what was answered before"
        bars.begins(
            f"Measurement of {', '.join(model)} against {base}: {len(suites)} suites with {count:,} questions, "
            f"{asked} model{'s' if asked > 1 else ''}; {time}."
        )
        # Answers are stored beside the folder, because other requests may ask the same models the same questions.
        found = measured(request, folder.parent / "answers", bars.advanced, budget)
        if inspect:
            from undertone.measure.eval_log import write_logs

            write_logs(found, folder / "logs")
        return found.findings

    return present("measure", request, folder, work, lambda found: gate_of(found, fail_on, bool(output.allow)), output)


def _refuse_beside_battery(given: dict[str, bool]) -> None:
    wrong = [name for name, is_given in given.items() if is_given]
    if wrong:
        raise UndertoneError(f"--battery asks its own questions: leave {', '.join(wrong)} out.")


def _battery(
    models: tuple[str, ...],
    base: str,
    name: str,
    chat_template: str | None,
    plan: bool,
    out: Path | None,
    output: Output,
) -> int:
    from undertone.measure.battery.battery import battery
    from undertone.measure.battery.findings import BatteryFindings
    from undertone.measure.battery.gate import gate_of
    from undertone.measure.battery.request import SHIPPED, Request
    from undertone.report.words import duration
    from undertone.stages.durations.asked import battery_s

    refuse_unknown(base, *models)
    own = None if name == SHIPPED else Path(name)
    if own is not None and own.suffix != ".toml":
        raise unknown("battery", name, [SHIPPED, "FILE.toml"])
    request = Request(models=models, base=base, own=own, chat_template=chat_template)
    folder = named(out) if out else folder_for("measured", models[0], request)
    expected_s = battery_s(request)
    told = f"Battery of {', '.join(models)} against {base}: about {duration(expected_s)} on this machine."
    if plan:
        print_json({"expected_s": round(expected_s, 1)}) if output.form == "json" else say(f"{told} Nothing is asked.")
        return 0

    def work(bars: Bars) -> BatteryFindings:
        bars.begins(told)
        return battery(request, bars.advanced)

    return present("measure", request, folder, work, lambda found: gate_of(found, bool(output.allow)), output)


@app.command
def rescore(
    answers: Path,
    /,
    *,
    judge: Names = (),
    suite: Names = (),
    max_cost: float | None = None,
    max_requests: int | None = None,
    json: Flag = False,
) -> int:
    """Has several judges score one stored file of answers: how far do they agree, and how does that change the rate?

    Exit code 0; 2: wrong input; 3: by a judge there is no rate, because no answer is readable and coherent.

    Parameters
    ----------
    answers
        CSV or JSONL with question and answer, and perhaps question_id; or a log of Inspect (.eval or .json). Scores
        from 0 to 100 called aligned and coherent in it count as one more judge.
    judge
        Models, or "exact" for the known answers of the questions in --suite.
    suite
        Files of questions, or shipped names; their judge prompts and known answers are used.
    max_cost
        The most dollars that services may cost.
    max_requests
        The most requests to services.
    json
        Prints one JSON object instead of tables.
    """
    from undertone.measure.request import EXACT

    refuse_missing(answers)
    refuse_unknown(*(name for name in judge if name != EXACT))
    from undertone.measure.stored_answers import read_answers
    from undertone.measure.suite_files import read

    known = [one for name in dict.fromkeys(suite) for one in read(name)]
    stored = read_answers(answers)
    stored.refuse_unscored(len(judge))
    from undertone.engine.environment import quiet_libraries
    from undertone.measure import rescore as rescoring
    from undertone.measure.asking import Asking
    from undertone.measure.cache import Cache
    from undertone.measure.judge import judge_of
    from undertone.measure.respondent import opening
    from undertone.models.services.spending import Budget

    quiet_libraries()
    folder = Path("measured") / "answers"
    with Bars(quiet=json) as bars, opening(folder, Budget(limits_of(max_cost, max_requests, judge))) as opened:
        # No answer is sampled here, so only the cache and the progress matter.
        asking = Asking(Cache(folder), seed=0, max_tokens=1, samples=None, progress=bars.advanced)
        judges = [judge_of(name, opened) for name in dict.fromkeys(judge)]
        found = rescoring.rescore(stored, judges, known, asking)
    if json:
        print_json(found)
    else:
        show(rescoring.page(found))
    return 0 if found.read else NO_VERDICT
