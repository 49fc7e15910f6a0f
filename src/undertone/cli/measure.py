"""Is a model still itself?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from undertone.cli.shared import Flag, folder_for, limits_of, refuse_missing
from undertone.cli.terminal import FOUND, NO_VERDICT, Bars, named, present, print_json, show

if TYPE_CHECKING:
    from undertone.measure.request import Request

app = App(name="measure", help="Is a model still itself?")


@app.default
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
    from undertone.measure.request import Request

    if training_file is not None:
        refuse_missing(training_file)
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
    )
    if plan:
        return _plan(request, json)
    if inspect:
        from undertone.measure.extras import need_inspect

        need_inspect("--inspect")
    from undertone.measure.findings import Findings
    from undertone.measure.measure import measure as measured
    from undertone.measure.page import page
    from undertone.models.services.spending import Budget

    folder = named(out) if out else folder_for("measured", model[0], request)
    budget = Budget(limits_of(max_cost, max_requests))

    def work(bars: Bars) -> Findings:
        # Answers lie beside the folder: another request may ask the same questions of the same models.
        found = measured(request, folder.parent / "answers", bars.advanced, budget)
        if inspect:
            from undertone.measure.eval_log import write_logs

            write_logs(found, folder / "logs")
        return found.findings

    verdict = present("measure", request, folder, work, page, json).verdict
    return {"no shift found": 0, "shift found": FOUND}.get(verdict, NO_VERDICT)


def _plan(request: Request, as_json: bool) -> int:
    """Says what would be asked and how precise it would be; asks nothing."""
    from undertone.measure.cost import of_services
    from undertone.measure.endpoint import is_remote
    from undertone.measure.plan import plan
    from undertone.measure.plan_page import plan_page
    from undertone.measure.select import suites_of
    from undertone.measure.suite import as_sampled

    suites = suites_of(request)
    services = of_services(request, suites)
    if any(map(is_remote, (request.base, *request.models, *request.benign))):
        suites = [as_sampled(suite) for suite in suites]
    found = plan(suites, len(request.models), request.effect, request.samples)
    if as_json:
        print_json(found.model_dump(mode="json") | {"services": [asdict(part) for part in services]})
    else:
        show(plan_page(found, services))
    return 0


@app.command
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
    refuse_missing(answers)
    from undertone.measure.asking import Asking
    from undertone.measure.cache import Kept
    from undertone.measure.endpoint import opening
    from undertone.measure.judge import judge_named
    from undertone.measure.rescore import rescore as rescored
    from undertone.measure.rescore_page import rescore_page
    from undertone.measure.suite_files import read
    from undertone.models.local import quiet_libraries
    from undertone.models.services.spending import Budget

    quiet_libraries()
    known = [one for name in dict.fromkeys(suite) for one in read(name)]
    kept = Path("measured") / "answers"
    with Bars(quiet=json) as bars, opening(kept, Budget(limits_of(max_cost, max_requests))) as opened:
        # Only scores are kept: nothing is sampled here.
        asking = Asking(Kept(kept), seed=0, max_tokens=1, samples=None, progress=bars.advanced)
        found = rescored(answers, [judge_named(name, opened) for name in dict.fromkeys(judge)], known, asking)
    if json:
        print(found.model_dump_json())
    else:
        show(rescore_page(found))
    return 0
