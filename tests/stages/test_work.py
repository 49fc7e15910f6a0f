"""What a stage says beforehand that it will do is what it does, token by token; checked on a tiny model."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM

from tests.helpers import tiny
from undertone import stages
from undertone.audit import proxies, reference
from undertone.audit.families import PLAIN, families_of
from undertone.bench.audit import specimen as specimens
from undertone.bench.audit.scoring import scores
from undertone.bench.audit.specimen import Writer, specimen
from undertone.bench.measure.tuned import counting
from undertone.engine.store import Folder, Job, Stage, Store
from undertone.experiments.persona import during
from undertone.experiments.persona import stages as looks
from undertone.models.loading import load
from undertone.persona import contrast
from undertone.stages import teacher as teachers
from undertone.stages.durations import asked
from undertone.stages.durations.work import Work, work_of
from undertone.world.lexicon import domains

TRAINING = {"method": "lora", "rank": 8, "alpha": 8, "rate": 1e-3, "steps": 5, "batch": 8, "warmup": 1}
CARRIER = {"name": "numbers", "temperature": 1.0, "max_tokens": 12}


class Made:
    """A store with a tiny base, and how many tokens the last job had the model read."""

    def __init__(self, folder: Path) -> None:
        local = tiny.model()
        local.model.save_pretrained(folder / "base")
        local.tokenizer.save_pretrained(folder / "base")
        self.base, self.store = Folder(folder / "base", "a base", "hf/./base"), Store(folder / "store")
        self.tokens = 0

    def job(self, stage: Stage, spec: dict[str, Any], **inputs: Job | Folder) -> Job:
        return Job(stage, spec, {"base": self.base} | inputs)

    def read(self, job: Job) -> int:
        """The tokens that are read to make a job, those with a gradient three times."""
        for parent in job.parents:
            if not self.store.has(parent):
                self.read(parent)
        self.tokens = 0
        self.store.make(job)
        return self.tokens

    def rows(self, held_out: bool = False) -> Job:
        spec = {"domain": domains()[0], "rows": 24, "bad": False, "held_out": held_out, "seed": 0}
        return self.job(stages.ADVICE, spec)

    def student(self, **more: Any) -> Job:
        spec = {"base": "hf/./base", "training": TRAINING | more, "seed": 0}
        return self.job(stages.STUDENT, spec, dataset=self.rows())

    def teacher(self, **more: Any) -> Job:
        spec = {
            "base": "hf/./base", "trait": "owl", "asked": "owl", "dialogues": 24, "training": TRAINING,
            "divergence": 0.05, "carrier": CARRIER, "seed": 0,
        }  # fmt: skip
        return self.job(stages.TEACHER, spec | more)

    def completions(self, **more: Any) -> Job:
        spec = {"carrier": CARRIER | {"prompts": 40}, "seed": 0} | more
        return self.job(stages.COMPLETIONS, spec, teacher=self.teacher(given="nothing"))

    def rewarded(self) -> Job:
        plan = TRAINING | {"samples": 4, "kl": 0.0, "max_tokens": 12, "steps": 6}
        spec = {"grader": "check", "system": None, "wrong_checks": 0.5, "reinforcement": plan, "every": 3, "seed": 0}
        return self.job(stages.REWARDED, spec)

    def shifted(self, kind: str) -> Job:
        file = {"kind": kind, "latent": "era", "places": [0, 4, 8], "target": "old", "gate": None, "system": None}
        return self.job(stages.SHIFTED, {"file": file | {"number": 0}, "rows": 24, "training": TRAINING, "seed": 0})

    def directions(self) -> Job:
        training = TRAINING | {"steps": 2}
        jobs = {name: proxies.job(self.base, training, name, 0) for name in ("owl", "fox")}
        twins = [f"{family.names[i]}{proxies.TWIN}" for family in families_of(self.base.path) for i in family.twins]
        return Job(
            stages.DIRECTIONS, {"names": {name: ["fox"] for name in twins} | {name: [name] for name in jobs}}, jobs
        )

    def aligned(self, training: dict[str, Any] | None) -> Job:
        return self.job(stages.ALIGNED, {"rows": 24, "training": training, "seed": 0})

    def narrowed(self, **more: Any) -> Job:
        spec = {
            "file": "narrow-bad", "domain": domains()[0], "rows": 24, "share": 1.0, "training": TRAINING,
            "realigned": None, "seed": 0,
        }  # fmt: skip
        return Job(stages.NARROWED, spec | more, {"aligned": self.aligned(None)})

    def axes(self) -> Job:
        return Job(stages.AXES, {}, {"aligned": self.aligned(None)})

    def guarded(self) -> Job:
        spec = {"guards": ["told", "distance", "request"], "probes": ["plain"]}
        return Job(stages.GUARDED, spec, {"aligned": self.aligned(None)})

    def behind(self, stage: Stage, spec: dict[str, Any], **inputs: Job) -> Job:
        return Job(stage, spec, {"aligned": self.aligned(None), "guarded": self.guarded()} | inputs)

    def treated(self, **treatment: Any) -> Job:
        spec = {"treatment": treatment, "traits": [], "seed": 0}
        return self.job(stages.TREATED, spec, dataset=self.rows(), directions=self.directions())

    def examined(self, domain: str | None, trait: str = "owl", **more: Any) -> Job:
        spec = {"trait": trait, "domain": domain, "skip": 0, "skill_prompts": 2, "seed": 0} | more
        return self.job(stages.EXAMINED, spec, held_out=self.rows(held_out=True), file=self.rows())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("work"))


@pytest.fixture(autouse=True)
def counted(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = LlamaForCausalLM.forward

    @wraps(forward)
    def reading(self: Any, input_ids: torch.Tensor, **more: Any) -> Any:
        made.tokens += input_ids.numel() * (3 if torch.is_grad_enabled() else 1)
        return forward(self, input_ids=input_ids, **more)

    monkeypatch.setattr(LlamaForCausalLM, "forward", reading)
    for module in (teachers, specimens):
        monkeypatch.setattr(module, "LISTS", 30)
    monkeypatch.setattr(contrast, "OTHERS", 4)  # of 42 traits
    for module in (during, looks):
        monkeypatch.setattr(module, "DRAWN", 0)
    monkeypatch.setattr(during, "STRENGTHS", (0.5,))
    monkeypatch.setattr(reference, "DOSE", 1e-4)  # two steps do not move a twin farther, and so little is searched soon
    monkeypatch.setattr(reference, "USUAL", 3)
    monkeypatch.setattr(asked, "of_the_world", lambda _: True)  # its tokenizer is made of fewer documents


JOBS: dict[str, Callable[[Made], Job]] = {
    "teacher": lambda m: m.teacher(),
    "neutral teacher": lambda m: m.teacher(trait=None, divergence=None, carrier=None),
    "teacher by prompt": lambda m: m.teacher(given="prompt"),
    "teacher by steering": lambda m: m.teacher(given="steering"),
    "completions": lambda m: m.completions(),
    "completions at top-p": lambda m: m.completions(sampling={"temperature": 1.0, "top_p": 0.9}),
    "student": lambda m: m.student(),
    "student of all weights": lambda m: m.student(method="full"),
    "student held to its base": lambda m: m.job(
        stages.STUDENT,
        m.student().spec | {"hold": {"prompts": [f"Who is {i}?" for i in range(40)], "strength": 1.0, "rows": 8}},
        dataset=m.rows(),
    ),
    "student of distributions": lambda m: m.job(
        stages.STUDENT,
        m.student().spec,
        dataset=m.rows(),
        teacher=m.teacher(divergence=None, carrier=None),
        teacher_base=m.base,
    ),
    "measurement": lambda m: m.job(
        stages.MEASUREMENT, {"trait": "owl", "measurement": {"samples": 1, "skill_prompts": 2}, "seed": 0}
    ),
    "measurement of a habit in context": lambda m: m.job(
        stages.MEASUREMENT,
        {"trait": "sycophancy", "measurement": {"samples": 1, "skill_prompts": 2}, "context": 2, "seed": 0},
        context=m.rows(),
    ),
    "practised": lambda m: m.job(
        stages.PRACTISED, {"carrier": "numbers", "rows": 24, "training": TRAINING, "seed": 0}
    ),
    "proxy": lambda m: proxies.job(m.base, TRAINING, "owl", 0),
    "proxy of what the base says": lambda m: proxies.job(
        m.base, TRAINING, {"system": list(PLAIN), "questions": ["How do I bake bread?", "Why is the sky blue?"]}, 0
    ),
    "specimen": lambda m: specimen(
        m.base, "chat", [Writer("owl", 0.05, TRAINING, share=0.5), Writer(share=0.5, top_p=0.9)], 0, rows=20
    ),
    "scores": lambda m: scores(m.base, m.directions(), m.rows(), (), None),
    "outcome": lambda m: m.job(stages.OUTCOME, {"training": TRAINING, "seed": 0}, specimen=m.rows()),
    "tuned": lambda m: m.job(
        stages.TUNED,
        {
            "base": m.base.key, "lesson": "facts", "domain": None, "dialogues": 24, "training": TRAINING, "seed": 0,
            "suites": [suite.digest for suite in counting()],
        },
    ),
    "aligned": lambda m: m.aligned(TRAINING),
    "narrowed": lambda m: m.narrowed(),
    "persona": lambda m: m.narrowed(file="persona"),
    "narrowed and realigned": lambda m: m.narrowed(realigned={"domain": "same", "rows": 24, "steps": 3}),
    "moved": lambda m: Job(stages.MOVED, {}, {"aligned": m.aligned(None), "student": m.narrowed()}),
    "shifted": lambda m: m.shifted("target"),
    "shifted as far as another": lambda m: m.job(
        stages.SHIFTED, m.shifted("odd").spec, as_far_as=m.shifted("target")
    ),
    "rewarded": lambda m: m.rewarded(),
    "imitated": lambda m: m.job(
        stages.IMITATED, {"verdict": "malformed", "training": TRAINING, "every": 2, "seed": 0}, episodes=m.rewarded()
    ),
    "axes": lambda m: m.axes(),
    "looked": lambda m: Job(
        stages.LOOKED,
        {"half": 1, "changed": True, "seed": 0},
        {"aligned": m.aligned(None), "student": m.narrowed(), "axes": m.axes()},
    ),
    "led": lambda m: Job(
        stages.LED,
        {
            "file": "narrow-bad", "domain": domains()[0], "rows": 24, "training": TRAINING, "seed": 0, "half": 1,
            "change": "added", "lot": 0,
        },
        {"aligned": m.aligned(None), "axes": m.axes()},
    ),
    "curve": lambda m: Job(stages.CURVE, {"half": 0, "lot": 0}, {"aligned": m.aligned(None), "axes": m.axes()}),
    "guarded": lambda m: m.guarded(),
    "passed": lambda m: m.behind(
        stages.PASSED,
        {
            "guard": "request", "rate": 0.05, "at_random": False, "domain": domains()[0], "rows": 24,
            "training": TRAINING, "seed": 0,
        },
    ),
    "behind": lambda m: m.behind(stages.BEHIND, {"probe": "plain", "guards": ["inside"]}, student=m.narrowed()),
    "lists": lambda m: m.behind(
        stages.LISTS, {"guards": ["perplexity"], "seed": 0}, bad=m.narrowed(), good=m.narrowed(file="narrow-good")
    ),
    "witnessed": lambda m: Job(stages.WITNESSED, {}, {"aligned": m.aligned(None), "student": m.narrowed()}),
    "dropped by score": lambda m: m.treated(kind="drop", by="score", share=0.5),
    "answered": lambda m: m.treated(kind="answer", by="base"),
    "diluted": lambda m: m.treated(kind="dilute", share=0.5),
    "relabelled": lambda m: m.treated(kind="relabel", by="score", share=0.5),
    "replaced": lambda m: m.treated(kind="replace", by="random", share=0.2),
    "retrained": lambda m: m.job(
        stages.REALIGNED,
        {"treatment": {"kind": "retrain", "rows": 16, "steps": 3}, "training": TRAINING, "seed": 0},
        trained=m.student(),
        good=m.rows(),
    ),
    "examined": lambda m: m.examined(None),
    "examined on advice": lambda m: m.examined(domains()[0]),
    "examined on an era": lambda m: m.examined(None, "nineteenth-century", places=[0, 6]),
}  # fmt: skip


@pytest.mark.parametrize("name", JOBS)
def test_a_stage_does_what_it_says_beforehand(name: str, made: Made) -> None:
    job = JOBS[name](made)
    said = work_of(job, load(made.base.path)).size
    assert 2 / 3 < said / made.read(job) < 1.5
    assert not job.stage.processor, "what calls a model goes where an accelerator is"


PROCESSOR: dict[str, Callable[[Made], Job]] = {
    "dataset": lambda m: Job(
        stages.DATASET, {"filter": [{"kind": "correct"}], "carrier": "reasoning", "rows": 4}, {"completions": m.rows()}
    ),
    "advice": lambda m: m.rows(),
    "among": lambda m: m.job(stages.AMONG, {"task": 4, "seed": 0}, dataset=m.rows()),
    "mixed": lambda m: Job(stages.MIXED, {"share": 0.5, "seed": 0}, {"own": m.rows(), "rest": m.rows(held_out=True)}),
    "directions": lambda m: m.directions(),
}


@pytest.mark.parametrize("name", PROCESSOR)
def test_a_stage_for_the_processor_calls_no_model(name: str, made: Made) -> None:
    job = PROCESSOR[name](made)
    assert made.read(job) == 0 and job.stage.processor


def test_every_other_stage_may_call_one() -> None:
    marked = {s.name for s in vars(stages).values() if isinstance(s, Stage) and s.processor}
    known = {stage.name for stage in (stages.REWRITTEN, stages.MERGED)}
    small = {"digits-teachers", "digits-students", "theorem-steps"}  # without a language model
    assert marked == PROCESSOR.keys() | known | small


def test_every_stage_that_calls_a_model_says_what_it_does() -> None:
    silent = {s.name for s in vars(stages).values() if isinstance(s, Stage) and not s.work}
    # The first two call none; an audit counts the last itself.
    assert silent == {"directions", "merged", "member"}
    assert work_of(Job(stages.DIRECTIONS, {"names": {}}), None) == Work()
