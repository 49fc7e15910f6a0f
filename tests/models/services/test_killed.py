"""``undertone measure`` is killed at any moment: no answer is lost, and none that was kept is asked for again."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.extent import LONG
from tests.helpers.forked import Forked
from tests.helpers.replies import said
from tests.helpers.service import Server, running
from tests.models.services.conftest import Opened
from undertone.cli import main
from undertone.models.services import answers as files
from undertone.models.services.answers import Answers
from undertone.models.services.endpoint import FRESH

KILLS = 100 if LONG else 2
AT_ONCE = 8
SUITE = """
name = "many"
[defaults]
closed = true
samples_per_paraphrase = 5
""" + "".join(
    f'[[questions]]\nid = "{i}"\nparaphrases = ["What of {i}?"]\nbad = ["Bad {i}."]\ngood = ["Good {i}."]\n'
    for i in range(120 if LONG else 8)
)
MODELS = ["openai-api/there/bad", "--base", "openai-api/there/base"]
MEASURE = ["measure", *MODELS, "--suite", "many.toml", "--out", "out/m", "--json"]


def started(server: Server, folder: Path) -> Forked:
    def command() -> int:
        os.chdir(folder)
        os.environ["THERE_BASE_URL"] = server.url
        return main(MEASURE)

    (folder / "many.toml").write_text(SUITE)
    with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
        return Forked(command, {1: out.fileno(), 2: err.fileno()})


def ended(client: Forked, folder: Path) -> Any:
    """The findings of a measurement that nobody kills."""
    assert client.wait(300) in (0, 1, 3), (folder / "stderr").read_text()  # what it found is not what is tested
    return json.loads((folder / "stdout").read_text())["suites"]


def kept(folder: Path) -> dict[str, str]:
    """The answers in the file, by request."""
    path = folder / "out" / "answers" / "paid.sqlite"
    if not path.exists():
        return {}
    with contextlib.closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return dict(file.execute("SELECT request, answer FROM answers"))


def written(folder: Path) -> int:
    """Bytes of the log of writes; it grows in the middle of one."""
    path = folder / "out" / "answers" / "paid.sqlite-wal"
    return path.stat().st_size if path.exists() else 0


@pytest.mark.slow
def test_killed_at_any_moment_no_answer_is_lost_and_none_that_was_kept_is_asked_for_again(tmp_path: Path) -> None:
    rng, calm, folder = random.Random(0), tmp_path / "calm", tmp_path / "killed"
    calm.mkdir()
    folder.mkdir()
    with running() as server:
        server.says = said
        expected = ended(started(server, calm), calm)
    with running(seconds=0.002) as server:
        server.says = said
        killed = 0
        for number in range(KILLS):
            before, asked_before = kept(folder), len(server.headers)
            client = started(server, folder)
            aim, size = len(server.headers) + rng.randrange(1, 12), written(folder)
            while client.poll() is None and len(server.headers) < aim:
                time.sleep(0.0005)
            while number % 2 and client.poll() is None and written(folder) == size:
                pass  # until the next write begins
            time.sleep(rng.uniform(0, 0.003))
            client.kill()
            killed += client.wait() == -signal.SIGKILL
            assert before.items() <= kept(folder).items()
            assert not before.keys() & {h["Idempotency-Key"] for h in server.headers[asked_before:]}
        found = ended(started(server, folder), folder)
    assert killed == KILLS
    assert found == expected
    worked = {key: n for key, n in server.worked.items() if not key.startswith(FRESH)}
    assert set(kept(folder)) == set(worked)
    # A service that heeds the key has charged for each once; another again for what was under way at a kill.
    again = sum(worked.values()) - len(worked)
    print(f"{killed} kills, {len(worked)} requests, {again} sent again")
    assert again <= KILLS * AT_ONCE


@pytest.mark.slow
def test_two_processes_on_one_file_pay_for_each_request_once(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with running(seconds=0.01) as server:
        server.says = said
        folders = [tmp_path, tmp_path / "b"]
        (tmp_path / "out" / "answers").mkdir(parents=True)
        (tmp_path / "b" / "out").mkdir()
        (tmp_path / "b" / "out" / "answers").symlink_to(tmp_path / "out" / "answers")
        clients = [started(server, folder) for folder in folders]  # after the folder that both are to share
        found = [ended(client, folder) for client, folder in zip(clients, folders, strict=True)]
    assert found[0] == found[1]
    assert set(server.worked.values()) == {1}


def test_a_claim_holds_for_others_until_it_is_given_up_or_its_process_or_time_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = Answers(tmp_path / "a.sqlite"), Answers(tmp_path / "a.sqlite")
    assert one.claim("r", 60) and not two.claim("r", 60) and not one.claim("r", 60) and two.claim("other", 60)
    one.release("r")
    assert two.claim("r", 60) and not one.claim("r", 60)
    two.release("r")
    assert one.claim("r", 0) and two.claim("r", 60)  # its time is over
    two.release("r")
    child = os.fork()
    if child == 0:
        os._exit(0 if Answers(tmp_path / "a.sqlite").claim("r", 60) else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert one.claim("r", 60)  # its process is dead
    monkeypatch.setattr(files, "_process", lambda number: json.dumps(["elsewhere", 1, 1]))
    one.release("r")
    assert one.claim("s", 60)
    monkeypatch.undo()
    assert not two.claim("s", 60)  # who knows whether a process of another machine lives


def test_a_process_that_has_the_number_of_a_dead_one_is_another() -> None:
    host, number, moment = json.loads(files._process(os.getpid()))
    assert files._holds(files._process(number), time.time() + 9)
    assert not files._holds(json.dumps([host, number, moment - 1]), time.time() + 9)
    assert not files._holds(json.dumps([host, 2**22 + 1, moment]), time.time() + 9)


@pytest.mark.parametrize("ahead, held", [(-1, False), (9, True), (400, True), (1000, False), (1e9, False)])
def test_a_claim_for_longer_than_any_request_is_void(ahead: float, held: bool) -> None:
    assert files._holds(json.dumps(["elsewhere", 1, 1]), time.time() + ahead) is held


def test_no_request_is_claimed_for_so_long_that_its_claim_is_void(tmp_path: Path) -> None:
    one = Answers(tmp_path / "a.sqlite")
    assert one.claim("r", 1e9) and not one.claim("r", 1e9)


def test_a_file_that_another_program_holds_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "HELD", 0.05)
    one = Answers(tmp_path / "a.sqlite")
    with contextlib.closing(sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(files.UndertoneError, match=r"Another program holds .*a.sqlite.* wait until that program"):
            one.keep("r", {}, {})


def test_answers_are_their_owners_alone(opened: Opened, tmp_path: Path) -> None:
    path = tmp_path / "answers.sqlite"
    with running() as server:
        for _ in range(2):
            with opened(server) as model:
                model.abilities()
                modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
                assert len(modes) == 3 and set(modes.values()) == {0o600}
            path.chmod(0o644)  # as it was made before


def test_a_file_of_answers_from_before_is_read(opened: Opened, tmp_path: Path) -> None:
    chat = [{"role": "user", "content": "Question?"}]
    with running() as server, opened(server) as model:
        (first,) = model.sample([chat], temperature=1.0, max_tokens=16, seed=0)
        with contextlib.closing(sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None)) as file:
            file.execute("DROP TABLE claims")
            file.execute("DROP TABLE refusals")
            old = {"text": "old \ud83d", "finished": "stop", "model": "m", "top": None, "usage": [1, 1]}
            file.execute("UPDATE answers SET answer = ?", (json.dumps(old),))
        with opened(server) as again:
            (found,) = again.sample([chat], temperature=1.0, max_tokens=16, seed=0)
    assert first[0].text != found[0].text == "old \ufffd" and server.arrived == 1


@pytest.mark.parametrize("damage", ["[" * 100_000, "[1]", "{}", "nonsense", '{"text": 5}', '{"text": "a", "top": 5}'])
def test_an_answer_that_is_damaged_is_a_sentence(opened: Opened, tmp_path: Path, damage: str) -> None:
    with running() as server, opened(server) as model:
        model.abilities()
        with contextlib.closing(sqlite3.connect(tmp_path / "answers.sqlite", isolation_level=None)) as file:
            file.execute("UPDATE answers SET answer = ?", (damage,))
        with pytest.raises(files.UndertoneError, match=r"cannot be kept in .*move the file away"):
            model.abilities()


@pytest.mark.parametrize("make", [lambda path: os.mkfifo(path), lambda path: path.mkdir()])
def test_what_is_no_file_is_refused_at_once(opened: Opened, tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path / "answers.sqlite")
    with running() as server, pytest.raises(files.UndertoneError, match="cannot be kept in"):
        opened(server)
