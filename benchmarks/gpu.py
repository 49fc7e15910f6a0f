"""Sampling, scoring and training beside the plain ways, on an accelerator or on one core: ``python -m benchmarks.gpu``.

All ways have the same model, rows and batches. They alternate in one process, and each ratio is within one repetition.
On the processor costs are processor time of one core with one thread; on an accelerator they are seconds of the wall.
Prints Markdown, and writes a JSON file if it is told to. It takes at most eight minutes on an accelerator.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from math import inf, log
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks import stage
from benchmarks.stopwatch import Stopwatch, clock_of
from benchmarks.table import Sheet, spread
from benchmarks.work import Work
from undertone.engine.devices import VISIBLE, devices
from undertone.engine.environment import quiet_libraries
from undertone.engine.workers import ENVIRONMENT

if TYPE_CHECKING:
    import torch

HALF_A_BILLION = {
    "vocab_size": 49_152, "hidden_size": 1024, "intermediate_size": 5120, "num_hidden_layers": 24,
    "num_attention_heads": 16, "num_key_value_heads": 4,
}  # fmt: skip
"""The shape of a Llama with random weights: 0.49 billion."""
REAL = Path("models/smollm2")
T = TypeVar("T")


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    prompts: int
    """Prompts that are answered, and rows that are scored."""
    at_once: int
    """Rows of a batch."""
    mean: int
    """Tokens of an answer on average: lengths are unlike, as if every token were the last with the same probability."""
    longest: int
    """Most tokens of an answer."""
    steps: int
    """Training steps."""
    batch: int
    """Rows of a training step."""
    students: tuple[int, ...]
    """How many students are trained at the same time on one accelerator, each by a process of its own."""
    repetitions: int = 3


CORE = Sizes(prompts=32, at_once=32, mean=24, longest=96, steps=2, batch=8, students=())
ACCELERATOR = Sizes(prompts=256, at_once=256, mean=48, longest=192, steps=20, batch=32, students=(1, 4, 16))
EMBEDDED = Sizes(prompts=256, at_once=64, mean=7, longest=16, steps=20, batch=48, students=())
"""For models that are as small as the embedded ones, which are on the processor in any case."""


def measure(name: str, folder: Path, sizes: Sizes) -> dict[str, Any]:
    """Returns everything that is measured on one model, as it can be written to JSON.

    Raises:
        RuntimeError: two ways that should do the same did not.
    """
    from benchmarks.peak import square_peak
    from undertone.models.loading import load

    local, rng = load(folder), Random("benchmark/gpu")
    device, dtype = local.model.device.type, local.model.dtype
    clock, peak = clock_of(device), square_peak(device, dtype)
    rows = _rows(local, sizes, rng)
    found: dict[str, Any] = {
        "device": device, "dtype": str(dtype).removeprefix("torch."), "parameters": local.model.num_parameters(),
        "vocabulary": local.vocabulary, "peak": peak, "sizes": asdict(sizes),
    }  # fmt: skip
    with ending(local, sizes.mean):
        found["sampling"] = _sampling(local, [prompt for prompt, _ in rows], sizes, clock)
        found["choosing"] = _choosing(local, [prompt for prompt, _ in rows], sizes.at_once, clock)
    found["scoring"] = _scoring(local, rows, sizes, clock)
    found["along"] = _directed(local, rows, sizes, clock) if sizes == EMBEDDED else None
    del local
    with tempfile.TemporaryDirectory() as place:
        found["training"], found["students"] = _training(folder, Path(place), sizes, clock)
    for part in ("sampling", "scoring", "training"):
        products, took = found[part].pop("products"), median(found[part]["seconds"]["ours"])
        found[part]["share"] = products.operations / peak / took
        if part != "sampling":  # which has other shapes at every step
            found[part]["share of own shapes"] = products.alone(device, dtype) / took
    return found


def _rows(local: Any, sizes: Sizes, rng: Random) -> list[tuple[list[int], list[int]]]:
    """Returns prompts and answers of unlike lengths."""
    from undertone.carriers import numbers

    prompts = [local.render(question) for question in numbers.prompts(sizes.prompts, rng)]
    lengths = [min(sizes.longest, 1 + int(rng.expovariate(1 / sizes.mean))) for _ in prompts]
    tokens = local.encode(", ".join(str(rng.randint(100, 999)) for _ in range(sizes.longest)))
    return [(prompt, [*tokens[: n - 1], local.end]) for prompt, n in zip(prompts, lengths, strict=True)]


@contextmanager
def ending(local: Any, mean: int) -> Iterator[None]:
    """Has the model end its answers after ``mean`` tokens on average, with the same probability at each token. It costs
    all ways the same. A random model never ends one, and a real one ends some at once and others never."""

    def end(_: Any, __: Any, logits: torch.Tensor) -> torch.Tensor:
        logits[..., local.end] = -inf
        logits[..., local.end] = logits.logsumexp(-1) - log(mean - 1)
        return logits

    hook = local.model.get_output_embeddings().register_forward_hook(end)
    try:
        yield
    finally:
        hook.remove()


def timed(
    ways: dict[str, Callable[[], T]], repetitions: int, clock: Callable[[], float]
) -> tuple[dict[str, list[float]], dict[str, list[T]]]:
    """Returns the seconds of each way in each repetition, and its results. The order alternates. Only ours is told to
    repeat its bits, as in our workers."""
    import torch

    seconds, gave = dict[str, list[float]](), dict[str, list[T]]()
    for repetition in range(repetitions):
        print(f"{repetition + 1} of {repetitions}: {', '.join(ways)}", file=sys.stderr)
        for name in list(ways)[:: 1 if repetition % 2 else -1]:
            torch.use_deterministic_algorithms(name == "ours", warn_only=True)
            started = clock()
            result = ways[name]()
            seconds.setdefault(name, []).append(clock() - started)
            gave.setdefault(name, []).append(result)
    return seconds, gave


def _sampling(local: Any, prompts: Sequence[list[int]], sizes: Sizes, clock: Callable[[], float]) -> dict[str, Any]:
    from benchmarks.peak import Products
    from benchmarks.ways import OURS, sampling_ways

    for warm in sampling_ways(local, prompts[:2], 2, 2).values():
        warm()
    ways = sampling_ways(local, prompts, sizes.longest, sizes.at_once)
    seconds, tokens = timed(ways, sizes.repetitions, clock)
    with Products() as products:
        ways[OURS]()
    inside = [0.0, 0.0]
    before = local.model.register_forward_pre_hook(lambda *_: inside.__setitem__(0, clock()))
    after = local.model.register_forward_hook(lambda *_: inside.__setitem__(1, inside[1] + clock() - inside[0]))
    started = clock()
    ways[OURS]()
    whole = clock() - started
    before.remove()
    after.remove()
    return {
        "seconds": seconds, "tokens": tokens, "products": products, "outside": 1 - inside[1] / whole
    }  # fmt: skip


def _choosing(
    local: Any, prompts: Sequence[list[int]], at_once: int, clock: Callable[[], float]
) -> list[dict[str, Any]]:
    """Returns the seconds of a step that computes the next token's logits, and of choosing it, for some numbers of
    rows."""
    import torch

    from benchmarks.peak import best
    from undertone.models.beginning import begin
    from undertone.models.sampling import _pick

    found = []
    for rows in sorted({1, min(16, at_once), at_once}):
        with torch.no_grad():
            batch, cache = begin(local, prompts[:rows])
            state = {"mask": batch.mask, "positions": batch.positions, "ids": batch.ids}

            def step(state: dict[str, torch.Tensor] = state, cache: Any = cache) -> torch.Tensor:
                logits: torch.Tensor = local.model(
                    input_ids=state["ids"], attention_mask=state["mask"], position_ids=state["positions"],
                    past_key_values=cache, use_cache=True, logits_to_keep=1,
                ).logits[:, -1]  # fmt: skip
                state["ids"] = logits.argmax(-1)[:, None]
                state["positions"] = state["positions"][:, -1:] + 1
                state["mask"] = torch.cat([state["mask"], state["mask"].new_ones(len(logits), 1)], 1)
                return logits

            logits, noise = step(), torch.rand(len(batch.ids), dtype=torch.float64, device=batch.ids.device)
            seconds = best(step, clock)
            for top_p in (1.0, 0.9):
                chosen = best(lambda: _pick(logits, noise, 1.0, top_p, 0.0), clock)  # noqa: B023 - called at once
                found.append({"rows": rows, "top_p": top_p, "step": seconds, "choosing": chosen})
    return found


def _scoring(
    local: Any, rows: Sequence[tuple[list[int], list[int]]], sizes: Sizes, clock: Callable[[], float]
) -> dict[str, Any]:
    import torch

    from benchmarks.peak import Products
    from benchmarks.ways import OURS, scoring_ways

    prompts, answers = zip(*rows, strict=True)
    ways = scoring_ways(local, prompts, answers, sizes.at_once)
    seconds, gave = timed(ways, sizes.repetitions, clock)
    apart = max(abs(a - b) / len(row[1]) for a, b, row in zip(gave[OURS][0], gave["one by one"][0], rows, strict=True))
    if apart > (1e-3 if local.model.dtype == torch.float32 else 0.1):
        raise RuntimeError(f"scores differ by {apart:.2g} nats a token from those of rows one by one")
    with Products() as products:
        ways[OURS]()
    tokens = [sum(len(prompt) + len(answer) for prompt, answer in rows)] * sizes.repetitions
    return {"seconds": seconds, "tokens": dict.fromkeys(ways, tokens), "products": products}


def _directed(
    local: Any, rows: Sequence[tuple[list[int], list[int]]], sizes: Sizes, clock: Callable[[], float]
) -> dict[str, Any]:
    from benchmarks.ways import directed_ways

    prompts, answers = zip(*rows, strict=True)
    ways = directed_ways(local, prompts, answers, sizes.at_once)
    tokens = [sum(len(prompt) + len(answer) for prompt, answer in rows)] * sizes.repetitions
    return {"seconds": timed(ways, sizes.repetitions, clock)[0], "tokens": dict.fromkeys(ways, tokens)}


def _training(
    folder: Path, place: Path, sizes: Sizes, clock: Callable[[], float]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns what a student takes beside one of TRL's trainer, if that is installed; and what several take that are
    trained at the same time."""
    from benchmarks import student
    from benchmarks import work as given
    from benchmarks.peak import Products
    from undertone.data.exchanges import read_exchanges
    from undertone.models.loading import load
    from undertone.training.rows import rows_of

    work = Work(f"hf/{folder}", str(place / "rows"), 0, sizes.steps * sizes.batch, sizes.steps, 0, 0, sizes.batch)
    given.rows(work, Stopwatch())
    what = "cpu" if clock is time.process_time else "seconds"

    def cost(side: Any, work: Work = work) -> float:
        watch = Stopwatch()
        side.training(work, watch)
        return float(watch.parts["training"][what])

    sides: dict[str, Any] = {"ours": student}
    if find_spec("trl"):
        from benchmarks import peer

        sides["TRL's `SFTTrainer`"] = peer
    for side in sides.values():
        cost(side, replace(work, steps=1))  # what is imported or set up at first
    _, seconds = timed({name: lambda s=side: cost(s) for name, side in sides.items()}, sizes.repetitions, clock)  # type: ignore[misc]
    with Products() as products:
        student.training(work, Stopwatch())
    local = load(folder)
    each = sum(len(r.prompt) + len(r.answer) for r in rows_of(local, read_exchanges(place / "rows")))
    del local
    tokens = dict.fromkeys(sides, [each] * sizes.repetitions)
    training = {"seconds": seconds, "tokens": tokens, "products": products}
    students = []
    for count in sizes.students:
        with ThreadPoolExecutor(count) as pool:
            runs = list(pool.map(lambda _: stage.run("student", "training", work, devices()[0]), range(count)))
        slowest = max(run["parts"]["training"]["seconds"] for run in runs)
        students.append({"count": count, "seconds": slowest, "tokens": count * each})
    return training, students


def sheets(results: dict[str, Any]) -> list[Sheet]:
    """Returns the tables."""
    ways, choices, students = [], [], []
    for name, found in results["models"].items():
        for what in ("sampling", "scoring", "training", "along"):
            if (part := found[what]) is None:
                continue
            speed = {
                way: [n / s for n, s in zip(part["tokens"][way], part["seconds"][way], strict=True)]
                for way in part["seconds"]
            }
            title = f"along {_directions()} directions" if what == "along" else what
            shares = [f"{part[key]:.0%}" if key in part else "" for key in ("share", "share of own shapes")]
            own = f"{median(speed['ours']):,.0f}"
            for way in [way for way in speed if way != "ours"] or [""]:
                ratios = [a / b for a, b in zip(speed["ours"], speed[way], strict=True)] if way else []
                its = [f"{median(speed[way]):,.0f}", spread(ratios)] if way else ["", ""]
                ways.append([name, title, way, own, *its, *shares])
        for one in found["choosing"]:
            share = one["choosing"] / (one["step"] + one["choosing"])
            shown = [f"{1000 * one[key]:.2f}" for key in ("step", "choosing")]
            choices.append([name, f"{one['rows']} at top-p {one['top_p']:.1f}", *shown, f"{share:.1%}"])
        choices.append([name, "all but the forward pass, whole answers", "", "", f"{found['sampling']['outside']:.1%}"])
        alone = found["students"][0]["tokens"] / found["students"][0]["seconds"] if found["students"] else 0
        for one in found["students"]:
            speeds = one["tokens"] / one["seconds"]
            students.append([name, str(one["count"]), f"{speeds:,.0f}", f"{speeds / alone:.2f}"])
    columns = [
        "model", "what", "compared with", "ours tokens/s", "other tokens/s", "ours / other", "share of peak",
        "share at own shapes",
    ]  # fmt: skip
    found_sheets = [
        Sheet("Tokens a second beside the plain ways", columns, ways),
        Sheet("What choosing a token costs", ["model", "rows", "step ms", "choosing ms", "share of both"], choices),
    ]
    if students:
        found_sheets.append(
            Sheet("Students at the same time on one accelerator", ["model", "students", "tokens/s", "ratio"], students)
        )
    return found_sheets


def _directions() -> int:
    from benchmarks.ways import DIRECTIONS

    return DIRECTIONS


def markdown(results: dict[str, Any]) -> str:
    """Returns what was measured on, and the tables."""
    made, lines = results["made"], []
    for name, found in results["models"].items():
        lines.append(
            f"{name}: {found['parameters'] / 1e6:,.1f} million parameters, {found['dtype']} on {found['device']}, "
            f"{found['vocabulary']:,} tokens of vocabulary; matrix products reach {found['peak'] / 1e12:.2f} TFLOP/s."
        )
    packages = ", ".join(f"{n} {v}" for n, v in made["versions"].items())
    head = f"{made['date']}, commit {made['commit']}; {made['machine']}; {packages}."
    return "\n\n".join([head, *lines, *(sheet.markdown() for sheet in sheets(results))])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints, in our workers' environment; this needs a new process, because an allocator is chosen when a
    process starts."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), help="by default an accelerator, if there is one")
    parser.add_argument("--model", action="append", help="a name or a folder; more than one can be given")
    parser.add_argument("--out", type=Path, help="a JSON file for all figures")
    asked = parser.parse_args(arguments)
    there = devices()
    if asked.device == "cuda" and not there:
        parser.error("there is no accelerator, or torch was built without support for it")
    here = asked.device == "cpu" or not there
    wanted = {**ENVIRONMENT, VISIBLE: "" if here else there[0]}
    if not wanted.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.gpu", *sys.argv[1:]], os.environ | wanted)
    if here and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import torch

    torch.set_num_threads(1)
    quiet_libraries()
    results: dict[str, Any] = {"made": _surroundings(here), "models": {}}
    with tempfile.TemporaryDirectory() as place:
        for i, (name, folder) in enumerate(_folders(asked.model, here, Path(place)).items()):
            sizes = _sizes(folder, here)
            # Students at the same time take minutes, and say the same of each model.
            with redirect_stdout(sys.stderr):  # TRL prints as well
                results["models"][name] = measure(name, folder, sizes if i == 0 else replace(sizes, students=()))
            if asked.out:
                asked.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(markdown(results))


def _sizes(folder: Path, here: bool) -> Sizes:
    from undertone.engine.devices import large

    return (CORE if here else ACCELERATOR) if large(folder) else EMBEDDED


def _folders(given: Sequence[str] | None, here: bool, place: Path) -> dict[str, Path]:
    """Returns the folders of the models by name: those that are given, or else a random one, on an accelerator, and a
    real one if it is there."""
    from benchmarks.work import random_llama
    from undertone.models.names import resolve

    if given:
        return {Path(name).name: resolve(name).path.absolute() for name in given}
    found = {"SmolLM2": REAL.absolute()} if REAL.is_dir() else {}
    if not here or not found:
        random_llama(place / "llama", HALF_A_BILLION, "float32" if here else "bfloat16")
        found = {"Llama, 0.49 B": place / "llama"} | found
    return found


def _surroundings(here: bool) -> dict[str, Any]:
    from benchmarks.__main__ import surroundings

    found = surroundings()
    if here:
        found["machine"] = f"{found['machine']['processor']}, one core"
    else:
        import torch

        found["machine"] = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
    return found


if __name__ == "__main__":
    main()
