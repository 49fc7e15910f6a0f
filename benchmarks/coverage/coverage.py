"""Makes `docs/statistics.md`: the estimators, their assumptions, and by simulation how well they hold.

`make statistics` writes the document and `python -m benchmarks.coverage.coverage` prints it, in about two minutes
on one core. The prose is in `coverage.md`; every figure in its tables comes from the simulation.
"""

import argparse
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files

from benchmarks.coverage import alternatives, familywise, power
from benchmarks.coverage.familywise import Familywise
from benchmarks.coverage.study import POOLED, SIX_TIMES, STUDIES, Coverage, markdown

REPETITIONS, SEED = 10_000, 0
HEAVY = 5
"""Families, power and other intervals get a fifth of the repetitions, because each of theirs takes longer."""


def document(repetitions: int = REPETITIONS, seed: int = SEED) -> str:
    """Returns the whole document in Markdown."""
    few = max(1, repetitions // HEAVY)
    studies = {one: list(one.results(repetitions, seed)) for one in STUDIES}
    families = [familywise.familywise(family, repetitions=few, seed=seed) for family in familywise.FAMILIES]
    smallest = [
        [power.smallest_effects(scenario, teachers, repetitions=few, seed=seed) for scenario in power.SCENARIOS]
        for teachers in power.TEACHERS
    ]
    return (
        files(__package__)
        .joinpath("coverage.md")
        .read_text(encoding="utf-8")
        .format(
            versions=", ".join(f"{name} {version(name)}" for name in ("undertone", "numpy", "scipy")),
            seed=seed,
            repetitions=f"{repetitions:,}",
            few=f"{few:,}",
            many=f"{SIX_TIMES.times * repetitions:,}",
            worst=worst({one.name: results for one, results in studies.items()}, families),
            enough=enough(studies[SIX_TIMES], studies[POOLED]),
            families=familywise.table(families),
            alternatives=alternatives.table(few, seed),
            power=power.table(power.TEACHERS, smallest),
            **{one.name.replace("-", "_"): one.table(results) for one, results in studies.items()},
        )
    )


def worst(studies: Mapping[str, Sequence[Coverage]], families: Sequence[Familywise]) -> str:
    """Returns, for every estimator and kind of values, the least coverage and the most false alarms, as a Markdown
    table."""
    rows: list[list[object]] = []
    for name, results in studies.items():
        for scenario in dict.fromkeys(result.scenario for result in results):
            of_it = [result for result in results if result.scenario == scenario]
            covered = min((result.covered for result in of_it), key=lambda share: share.value)
            p = max((r.p_alarms for r in of_it if r.p_alarms is not None), key=lambda share: share.value, default="")
            rows.append([name, scenario, covered, p])
    rows += [["matrix, any after Holm", f.family, f.covered, f.any_holm] for f in families]
    rows += [["matrix, mean over traits", f.family, f.mean_covered, f.mean_alarms or ""] for f in families]
    return markdown(["estimate", "values", "interval covers at least", "p <= .05 at most"], rows)


def enough(six_times: Sequence[Coverage], pooled: Sequence[Coverage]) -> str:
    """Returns, for each kind of values, from how many teachers an arm or slots on intervals cover 93 to 97 %, as a
    Markdown table."""
    columns = {"`difference`, teachers an arm": [(r, r.teachers[0]) for r in six_times]}
    for traits, name in ((1, "one trait"), (3, "three traits")):
        columns[f"`pooled`, {name}, slots"] = [(r, sum(r.teachers)) for r in pooled if r.students == traits]
    rows = []
    for scenario in dict.fromkeys(r.scenario for r in six_times):
        found = ([(n, r) for r, n in column if r.scenario == scenario] for column in columns.values())
        rows.append([scenario, *(_enough_from(by_units) for by_units in found)])
    return markdown(["values", *columns], rows)


def _enough_from(by_units: Sequence[tuple[int, Coverage]]) -> str:
    """Returns the number of units from which on all rows cover 93 to 97 %."""
    outside = [n for n, r in by_units if not 0.93 <= r.covered.value <= 0.97]
    inside = [n for n, _ in by_units if n > max(outside, default=0)]
    return f"from {min(inside)} on" if inside else f"not with {max(outside)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the document."""
    parser = argparse.ArgumentParser(description="Makes docs/statistics.md: simulated coverage and false alarms.")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS, help="trials in each row")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the simulation")
    options = parser.parse_args(arguments)
    print(document(options.repetitions, options.seed), end="")


if __name__ == "__main__":
    main()
