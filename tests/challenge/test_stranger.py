"""Programs that speak JSON lines are judged by the one evaluator."""

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quickstudy.challenge import limits, measure, process, stranger
from quickstudy.challenge.check import Block
from quickstudy.challenge.entry import Entry, enter
from quickstudy.challenge.limits import PROC
from quickstudy.challenge.words import last_words
from quickstudy.errors import UserError
from quickstudy.learners import build, configure

EXAMPLES = Path(__file__).parent.parent.parent / "examples/challenge"
GOOD = """
labels = message["support"]["y"]
answer = {"labels": [labels[0]] * asked} if "way" in message else {"mean": [labels[0]] * asked}
say(task=task, **answer)
"""
Judge = Callable[..., dict[str, Any]]
Program = Callable[..., Entry]


@pytest.mark.parametrize("runner", ["python3", "node"])
@pytest.mark.parametrize("block", [0, 1])
def test_the_examples_score_as_the_learner_nearest_does(
    judge: Judge, blocks: list[Block], runner: str, block: int
) -> None:
    if shutil.which(runner) is None:
        pytest.skip(f"{runner} is not installed")
    file = EXAMPLES / ("nearest.py" if runner == "python3" else "nearest.js")
    told = judge(enter(f"{runner} {file}"), block, cpu=2.0, wall=10.0)
    spec = blocks[block].test.spec
    own = measure.judged(
        build("nearest", spec, configure("nearest", {}), 0), blocks[block], measure.plan(blocks[block], 0), 0
    )
    assert told["raw"]["mean"] == pytest.approx(float(own.values.mean()), abs=1e-5)
    assert told["manifest"] == measure.joined(own.manifests)
    assert (told["answered"], told["ended"], told["wrong"]) == (4, None, [])
    assert told["inductive"] == "inductive"
    assert all(0 < seconds < 2 for steps in told["steps"] for seconds, _ in steps)


def test_labels_of_queries_never_leave_the_host(judge: Judge, program: Program) -> None:
    keep = """
open("seen", "a").write(line)
say(task=task, labels=[0] * asked)
"""
    entry = program(keep, loop=LOOP_KEEPING)
    told = judge(entry, 1)
    assert told["answered"] == 4
    assert not told["home"].exists()


LOOP_KEEPING = """
for line in sys.stdin:
    message = json.loads(line)
    if message["do"] == "begin":
        say(ready=True)
        continue
    assert set(message) == {"do", "task", "way", "support", "query"}, message.keys()
    assert set(message["query"]) == {"x"}, message["query"].keys()
    task, asked = message["task"], len(message["query"]["x"])
"""


def test_an_entry_may_learn_from_training_tasks_and_from_no_others(judge: Judge, program: Program) -> None:
    before = """
hello = json.loads(sys.stdin.readline())
def ask(**what):
    say(**what)
    return json.loads(sys.stdin.readline())
tasks = ask(ask="tasks", count=2, way=3, shot=2, query=1)["tasks"]
assert len(tasks) == 2 and tasks[0]["support"]["y"] == [0, 0, 1, 1, 2, 2], tasks[0]["support"]["y"]
assert len(tasks[0]["query"]["y"]) == 3 and len(tasks[0]["support"]["x"][0][0]) == 28
assert "refused" in ask(ask="tasks", split="test")
assert "refused" in ask(ask="tasks", count=10**9)
assert "refused" in ask(ask="tasks", count=4000, way=20, shot=50, query=50)
assert "refused" in ask(ask="solution")
assert "refused" in ask(ask="batch", index=["a"])
assert "spec" in hello and "seed" not in hello
say(ready=True)
"""
    told = judge(program(GOOD, before), 1)
    assert (told["answered"], told["ended"]) == (4, None)
    assert told["training_s"] > 0


@pytest.mark.parametrize(
    ("runner", "name", "text", "why"),
    [
        ("python3", "mine.py", "import nothing_of_the_kind\n", "mine.py, line 1: ModuleNotFoundError: No module named"),
        ("node", "mine.js", "let a = 1;\nlet b = ;\n", "mine.js, line 2: SyntaxError: Unexpected token"),
    ],
)
def test_a_program_that_ends_before_it_is_ready_is_no_entry(
    judge: Judge, tmp_path: Path, runner: str, name: str, text: str, why: str
) -> None:
    if shutil.which(runner) is None:
        pytest.skip(f"{runner} is not installed")
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match="before it was ready it ended with code 1; its last words: ") as error:
        judge(enter(f"{runner} {tmp_path / name}"), cpu=2.0, wall=10.0)
    assert why in str(error.value)
    assert str(error.value).endswith("Mend it and enter again.")


def test_of_one_that_is_not_ready_in_time_this_is_said_first(judge: Judge, program: Program) -> None:
    told = judge(program(GOOD, "say(started=True)\nwhile True: pass\n"), 1, training=0.2)
    assert told["ended"].startswith("before it was ready its time on the processors was over")
    assert (told["answered"], told["score"]["mean"]) == (0, pytest.approx(0.0, abs=1e-6))


def test_later_answers_count_from_when_they_came(judge: Judge, program: Program) -> None:
    body = """
say(task=task, labels=[0] * asked, more=True)
until = __import__("time").process_time() + 0.1
while __import__("time").process_time() < until:
    pass
say(task=task, labels=[1] * asked)
"""
    told = judge(program(body), 1)
    for steps in told["steps"]:
        (first, _), (second, _) = steps
        assert second - first > 0.05
    plan_ways = [value for _, value in (steps[-1] for steps in told["steps"])]
    assert plan_ways == pytest.approx([0.0] * 4, abs=1e-6), "one class for all is chance"
    assert told["answered"] == 4


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("say(task=task, scores=[[0.5]] * asked)", "scores has shape"),
        ("say(task=task, labels=[0] * (asked - 1))", "labels has shape"),
        ("say(task=task, labels=[99] * asked)", "labels must be whole numbers from 0 to"),
        ("say(task=task, labels=[0.5] * asked)", "labels must be whole numbers"),
        ("say(task=task, labels='zero')", "no array of numbers"),
        ("say(task=task, labels=[[0], [1, 2]])", "no array of numbers"),
        ("say(task=task)", "it has no scores"),
        ("say(task=task, scores=[[float('nan')] * message['way']] * asked)", "not finite"),
        ("say(task=task, scores=[[1e300] * message['way']] * asked)", "not finite"),
        ("say(task=task, scores=[[1e20] * message['way']] * asked)", "not finite"),  # its square would be infinite
        ("say(task=task, scores={'dtype': 'object', 'shape': [1], 'base64': ''})", "no array of numbers"),
        ("say(task=task, failed='no idea')", "no idea"),
    ],
)
def test_what_is_no_answer_counts_as_chance_and_the_next_task_goes_on(
    judge: Judge, program: Program, answer: str, why: str
) -> None:
    told = judge(
        program(
            f"{answer}" if "failed" in answer else f"if task % 2: {answer}\nelse: say(task=task, labels=[0] * asked)"
        ),
        1,
    )
    assert why in told["wrong"][0]
    assert told["ended"] is None
    assert told["answered"] == (0 if "failed" in answer else 2)
    assert told["score"]["mean"] == pytest.approx(0.0, abs=1e-6)


HOSTILE = {
    "sleeps": ("import time; time.sleep(60)", "its time was over"),
    "computes for ever": ("while True: pass", "its time on the processors was over"),
    "ends": ("sys.exit(3)", "it ended with code 3"),
    "raises": ("raise ValueError('no more')", "valueerror: no more"),
    "prints garbage": ("for _ in range(5000): print('garbage' * 10)", "lines that are no answers"),
    "prints long lines": ("while True: print('x' * 3 * 10**7)", "its time"),
    "eats memory": ("eaten = [bytes(10**6) + b'x' for _ in range(10**4)]", "memory"),
    "writes giant files": ("open('giant', 'wb').write(bytes(10**8))", ""),
    "writes many files": (
        "for n in range(400): open(str(n), 'wb').write(bytes(10**5))\nimport time; time.sleep(60)",
        "it filled its home",
    ),
    "starts children": (
        "import os, time\nfor _ in range(20):\n  if os.fork() == 0: os.setsid(); time.sleep(60)\ntime.sleep(60)",
        "its time was over",
    ),
    "starts too many children": (
        "import os, time\nfor _ in range(45):\n  if os.fork() == 0: time.sleep(60)\ntime.sleep(60)",
        "",
    ),
}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("", ""),
        ("one\nthe end\n", "the end"),
        ('Traceback\n  File "/home/a.py", line 3, in f\nKeyError: 1\nbye', "a.py, line 3: KeyError: 1"),
        ("/home/b.js:7\n throw\nTypeError: no\n    at f\n\nNode.js v20.1.0\n", "b.js, line 7: TypeError: no"),
        ("node:internal/loader:1148\n throw err;\nError: Cannot find it\nNode.js v20\n", "Error: Cannot find it"),
        ('  File "<string>", line 1\nSyntaxError: bad', "SyntaxError: bad"),
    ],
)
def test_last_words_are_the_error_and_where_it_is(said: str, words: str) -> None:
    assert last_words(said) == words


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize("deed", HOSTILE)
def test_what_was_answered_before_a_deed_counts_and_all_are_gone_after_it(
    judge: Judge, program: Program, deed: str, isolate: bool
) -> None:
    body, why = HOSTILE[deed]
    second = "\n".join(f"    {line}" for line in body.splitlines())
    entry = program(f"if task == 1:\n{second}\nsay(task=task, mean=[[0.1]] * asked)")
    start = time.monotonic()
    wall, cpu = 0.8 if "sleep" in body or "long" in deed else 5.0, 3.0 if "memory" in deed else 0.3
    told = judge(entry, wall=wall, cpu=cpu, isolate=isolate)
    assert time.monotonic() - start < 15
    assert why in (told["ended"] or "").lower()
    assert told["ended"]
    assert told["answered"] == 1
    assert len(told["scores"]) == 4
    assert not told["home"].parent.exists()
    assert not [one for one in running() if str(told["home"]) in one or entry.command[-1] in one]


@pytest.mark.slow
def test_time_goes_on_while_it_sleeps_and_not_while_others_have_the_processors(
    judge: Judge, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = program("import time; time.sleep(0.6)\nsay(task=task, mean=[[0.1]] * asked)")
    assert judge(entry, wall=0.3)["ended"] == "its time was over"
    monkeypatch.setattr(limits, "waits", lambda pid: {pid: time.monotonic()})
    told = judge(entry, wall=0.3)
    assert (told["answered"], told["ended"]) == (4, None)


@pytest.mark.skipif(not (PROC / "self/schedstat").is_file(), reason="this system does not say what a process waits")
def test_what_each_thread_waits_for_a_processor_is_known() -> None:
    found = limits.waits(os.getpid())
    assert threading.get_native_id() in found
    assert all(seconds >= 0 for seconds in found.values())


def running() -> list[str]:
    """Command lines of all processes."""
    if not PROC.is_dir():
        return subprocess.run(["ps", "-axo", "command"], capture_output=True, text=True, check=True).stdout.splitlines()
    lines = []
    for folder in PROC.iterdir():
        if folder.name.isdecimal():
            try:
                lines.append((folder / "cmdline").read_text(errors="replace"))
            except OSError:
                continue
    return lines


def test_an_entry_sees_no_network_no_other_process_and_none_of_the_hosts_files(
    judge: Judge, program: Program, tmp_path: Path
) -> None:
    secret = tmp_path / "solution.csv"
    secret.write_text("labels")
    body = f"""
import os
seen = [name for name in ({str(secret)!r}, {str(Path(__file__))!r}, {str(tmp_path.parent)!r}) if os.path.exists(name)]
others = [one for one in os.listdir("/proc") if one.isdecimal()] if os.path.isdir("/proc") else []
with open("/proc/net/dev") as file:
    links = file.read().splitlines()[2:]
def writes(path):
    try:
        open(path, "w").close()
    except OSError:
        return False
    return True
written = [path for path in ("/usr/x", os.path.join(os.path.dirname(json.__file__), "x")) if writes(path)]
links = [line.split(":")[0].strip() for line in links]
host = [name for name in ("QUICKSTUDY_DATA", "QUICKSTUDY_CACHE", "SSH_AUTH_SOCK") if name in os.environ]
say(task=task, failed=json.dumps([seen, len(others), links, written, os.listdir(".."), host, os.listdir(".")]))
"""
    entry = program(body)
    told = judge(entry)
    if not told["isolation"]["files"]:
        pytest.skip("this system has no namespaces for users")
    seen, others, links, written, parent, host, home = json.loads(told["wrong"][0].partition(": ")[2])
    assert (seen, written, home) == ([], [], [entry.command[-1]])
    assert others <= 3
    assert links == ["lo"]
    assert parent == ["home"]
    assert host == []


@pytest.mark.slow
def test_who_looks_at_other_queries_is_found_out_and_who_rolls_dice_is_said_to(judge: Judge, program: Program) -> None:
    cheat = """
ink = [sum(flat(x)) for x in message["query"]["x"]]
middle = sum(ink) / len(ink)
say(task=task, scores=[[float(one > middle)] + [0.5] * (message["way"] - 1) for one in ink])
"""
    assert judge(program(cheat), 1)["inductive"] == "uses neighbours"
    shy = "if asked == 1: say(task=task, failed='one is too few')\nelse: say(task=task, labels=[0] * asked)"
    assert judge(program(shy), 1)["inductive"] == "answers no part"
    dice = (
        "import random\nsay(task=task, scores=[[random.random() for _ in range(message['way'])] for _ in range(asked)])"
    )
    assert judge(program(dice), 1)["inductive"] == "rolls dice"
    shaky = "import random\nshake = lambda: 1 + random.random() / 100\n"
    noisy = shaky + cheat.replace("0.5", "0.5 * shake()").replace("float(one > middle)", "shake() * (one > middle)")
    assert judge(program(noisy), 1)["inductive"] == "uses neighbours"
    sly = cheat.replace("middle = ", "seen = globals().setdefault('seen', set())\nmiddle = ").replace(
        "say(", "known = str(message['support']) in seen\nseen.add(str(message['support']))\nmiddle *= not known\nsay("
    )
    assert judge(program(sly), 1)["inductive"] == "changes its mind"
    honest = "say(task=task, scores=[[sum(flat(x))] + [0.5] * (message['way'] - 1) for x in message['query']['x']])"
    assert judge(program(honest), 1)["inductive"] == "inductive"


def test_time_that_is_spent_before_the_next_question_is_counted(judge: Judge, program: Program) -> None:
    body = """
say(task=task, mean=[[0.0]] * asked)
until = __import__("time").process_time() + 0.1
while __import__("time").process_time() < until:
    pass
"""
    told = judge(program(body))
    assert sum(steps[0][0] for steps in told["steps"]) > 0.019 * 3, "that after the last answer is of another task"


def test_where_namespaces_cannot_be_used_limits_alone_hold_and_the_row_says_so(
    judge: Judge, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "shown", lambda command: ["/nowhere/at/all"])
    told = judge(program(GOOD))
    assert told["isolation"] == {"network": False, "files": False, "processes": False}
    assert told["answered"] == 4


def test_nobody_listens_to_answers_without_end(judge: Judge, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stranger, "MOST_ANSWERS", 3)
    told = judge(program("for _ in range(5): say(task=task, mean=[[0.0]] * asked, more=True)"))
    assert [len(steps) for steps in told["steps"]] == [3] * 4
    assert told["ended"] is None
