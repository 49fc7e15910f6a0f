"""Two examples of each verb, which its ``--help`` shows: what for, and what to type."""

ROOM = 76
"""The most characters of a line."""
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("The experiment, with every control: minutes, no GPU, no network", "undertone run owls"),
        ("Does a file carry something that it does not say?", "undertone audit rows.jsonl --model hf/./my-model"),
        ("Is a fine-tuned model still itself?", "undertone measure hf/./tuned --base hf/./my-model"),
    ),
    "--install-completion": (
        ("For the shell that you use", "undertone --install-completion"),
        ("For another", "undertone --install-completion --shell zsh"),
    ),
    "run": (
        ("What would be made, and what it costs", "undertone run owls --dry-run"),
        ("A recipe of your own, with one key changed", "undertone run ./mine.toml --set student.steps=50"),
    ),
    "runs": (
        ("The runs in the folder runs", "undertone runs"),
        ("Those in another folder, for a program", "undertone runs elsewhere --json"),
    ),
    "report": (
        ("A run's tables again", "undertone report runs/owls-7489c699"),
        ("Several runs side by side", "undertone report runs/owls-7489c699 runs/owls-2f0c11aa --out both.html"),
    ),
    "why": (
        ("From which teacher, rows and base was a student made?", "undertone why student-3f"),
        ("The same with every setting, for a program", "undertone why runs/store/student-3f09 --json"),
    ),
    "treat": (
        ("Which mitigations are there, and what do they leave?", "undertone treat"),
        ("Which of them fit a file?", "undertone treat rows.jsonl --model hf/./my-model"),
        (
            "Against the traits that an audit found",
            "undertone treat rows.jsonl --by dilute-same-kind --from audits/rows-1f2e3d4c",
        ),
    ),
    "realign": (
        (
            "Several ways back, judged on rows of the task",
            "undertone realign hf/./tuned --base hf/./my-model --trait owl --task task.jsonl",
        ),
        (
            "With good rows to train on for a short time",
            "undertone realign hf/./tuned --base hf/./my-model --trait owl --task task.jsonl --good good.jsonl",
        ),
    ),
    "audit": (
        ("How long would it take?", "undertone audit rows.jsonl --model hf/./my-model --dry-run"),
        (
            "A gate: open mentions fail, too, and an inconclusive result passes",
            "undertone audit rows.jsonl --model hf/./my-model --fail-on overt --allow inconclusive",
        ),
    ),
    "persona": (
        ("Did a fine-tune move towards bad conduct inside?", "undertone persona hf/./tuned --base hf/./my-model"),
        (
            "Towards another trait",
            "undertone persona hf/./tuned --base hf/./my-model --trait sycophancy",
        ),
    ),
    "guard": (
        (
            "What do two guards let through?",
            "undertone guard hf/./tuned --base hf/./my-model --guard words --guard told",
        ),
        (
            "A chat model that reads the answers",
            "undertone guard hf/./tuned --base hf/./my-model --guard ./guard --rubric guard.toml",
        ),
    ),
    "measure": (
        ("All suites that fit the base", "undertone measure hf/./tuned --base hf/./my-model"),
        (
            "Also in the form of the file that it was trained on",
            "undertone measure hf/./tuned --base hf/./my-model --training-file rows.jsonl",
        ),
        (
            "A few traits: does it say of itself what it does?",
            "undertone measure hf/./tuned --base hf/./my-model --battery character",
        ),
    ),
    "measure rescore": (
        ("Two judges on the same answers", "undertone measure rescore answers.csv --judge hf/./one hf/./other"),
        (
            "The known answers of a suite as a judge",
            "undertone measure rescore answers.jsonl --judge exact --suite advice",
        ),
    ),
    "lineage": (
        ("Do two models share an initialisation?", "undertone lineage compare hf/./one hf/./other"),
        ("Where does a file come from?", "undertone lineage show rows.jsonl"),
    ),
    "lineage compare": (
        ("Two folders of models", "undertone lineage compare hf/./one hf/./other"),
        ("A model with an adapter", "undertone lineage compare builtin/fledgling-a hf/./one:./adapter"),
    ),
    "lineage show": (
        ("What was this file made from?", "undertone lineage show rows.jsonl"),
        ("The chain of a run, as a drawing", "undertone lineage show runs/owls-7489c699 --svg chain.svg"),
    ),
    "lineage key": (
        ("A key for signing, and mine.pub for those who verify", "undertone lineage key mine"),
        ("One that is valid for a month", "undertone lineage key mine --days 30"),
    ),
    "lineage sign": (
        ("The origin of a file", "undertone lineage sign rows.jsonl --key mine"),
        ("The whole chain of a run", "undertone lineage sign runs/owls-7489c699 --key mine --out owls.intoto.jsonl"),
    ),
    "lineage verify": (
        ("Is this what was signed?", "undertone lineage verify rows.jsonl --key mine.pub"),
        (
            "With every file of every parent",
            "undertone lineage verify runs/owls-7489c699 --key mine.pub --store runs/store",
        ),
    ),
    "lineage risk": (
        ("May this be trained on?", "undertone lineage risk rows.jsonl --audit audits/rows-1f2e3d4c"),
        (
            "With a student that was measured",
            "undertone lineage risk rows.jsonl --audit audits/rows-1f2e3d4c --measured measured/tuned-5a6b7c8d",
        ),
    ),
    "bench": (
        ("How often is the audit right?", "undertone bench audit --dry-run"),
        ("What do mitigations leave?", "undertone bench treat numbers"),
    ),
    "bench audit": (
        ("What would be made?", "undertone bench audit --files 1 --dry-run"),
        ("Short chats in place of number lists", "undertone bench audit --carrier chat --baselines"),
    ),
    "bench treat": (
        ("What would be made?", "undertone bench treat numbers --dry-run"),
        ("On another trait", "undertone bench treat advice --set setup.trait=bad-advice"),
    ),
    "bench guards": (
        ("What would be made?", "undertone bench guards --set 'bases=[\"builtin/fledgling-a\"]' --dry-run"),
        ("By another seed", "undertone bench guards --set seed=1"),
    ),
    "bench measure": (
        ("What would be made?", "undertone bench measure --students 8 --dry-run"),
        ("On the other initialisation", "undertone bench measure --model builtin/fledgling-b"),
    ),
    "models": (
        ("Which base models are there?", "undertone models list"),
        ("What is a model, and what does its template add?", "undertone models show hf/./my-model"),
    ),
    "models list": (
        ("All of them", "undertone models list"),
        ("What one of them is", "undertone models card fledgling-a"),
    ),
    "models build": (
        ("One that is not shipped", "undertone models build fledgling-a2"),
        ("Several", "undertone models build nestling-0 nestling-1"),
    ),
    "models import": (
        ("A folder of a GGUF file", "undertone models import model.gguf --out my-model"),
        (
            "Only if it is the file that it should be",
            "undertone models import model.gguf --out my-model --sha256 b179c952",
        ),
    ),
    "models card": (
        ("One that is shipped", "undertone models card fledgling-a"),
        ("For a document", "undertone models card builtin/fledgling-b"),
    ),
    "models show": (
        ("A folder of a model", "undertone models show hf/./my-model"),
        ("A model behind a service, which is sent one request", "undertone models show openai-api/local/tuned"),
    ),
}


def shown(verb: str) -> str:
    """Returns the examples of a verb as Markdown."""
    return "Examples:\n\n" + "\n\n".join(f"    # {what}\n    {_folded(line)}" for what, line in EXAMPLES[verb])


def _folded(line: str) -> str:
    """Returns a command that is too long for a narrow terminal on two lines, as a shell takes it."""
    if len(line) <= ROOM:
        return line
    end = line.rindex(" --", 0, ROOM)
    return f"{line[:end]} \\\n      {line[end + 1 :]}"
