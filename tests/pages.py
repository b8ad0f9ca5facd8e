"""How what stands in the pages below docs/ is run: blocks in their order, in a folder that has what they speak of."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from test_people import files as people
from test_readme import draw, shortened

import quickstudy as qs
from quickstudy.app.cli import main

ROOT = Path(__file__).parent.parent
PAGES = sorted(page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "course")
OF_SERVERS = ("play", "serve")
REAL = {
    "--tasks grips ": "--tasks grips:simulated=true ",
    "--tasks ratings ": "--tasks ratings:simulated=true ",
    "omniglot": "glyphs",
    "runs/grips/partition-0/cnp": "runs/grip",
}
"""What needs data, or minutes of simulation, and what stands for it."""
LIGHT = "--users 2 --models 4 --rate 5 --seconds 1 --times 2"
"""The load of a benchmark of the server."""
FEW = {"--steps": 2, "--width": 4, "--episodes": 20, "--validate-every": 0}


def name_of(page: Path) -> str:
    return page.relative_to(ROOT / "docs").with_suffix("").as_posix()


def blocks(page: Path, kind: str) -> list[str]:
    return re.findall(rf"^ *```{kind}\n(.*?)^ *```", page.read_text(encoding="utf-8"), re.S | re.M)


def commands(page: Path) -> list[str]:
    """Lines of every ``sh`` block, those with curl left out: they are one script."""
    shell = "".join(block for block in blocks(page, "sh") if "curl" not in block)
    lines = (line.partition(" #")[0].strip() for line in shell.replace("\\\n", " ").splitlines())
    return [line for line in lines if line]


def run_python(page: Path, folder: Path, most: int | None = None) -> None:
    """The first ``most`` blocks of Python, as one script; a learner is in mine.py too, where its page wants it."""
    code = blocks(page, "python")[:most]
    own = [block for block in code if "(Learner):" in block]
    (folder / "mine.py").write_text("\n".join(own or code), encoding="utf-8")
    (folder / "page.py").write_text("\n".join(code), encoding="utf-8")
    ran = subprocess.run([sys.executable, "page.py"], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def stage(folder: Path) -> None:
    """What readers have: drawings, photographs, patients, tables, entries of a challenge."""
    draw(folder)
    people(folder)
    shutil.copytree(ROOT / "examples/challenge", folder / "examples/challenge")
    (folder / "new").mkdir()
    for place in ("new/1.png", "dal.png"):
        shutil.copy(folder / "new.png", folder / place)
    noise = np.random.default_rng(0)
    for number in range(30):
        for root, many in (("PHOTOS", 8), ("photos", 2)):
            kind = folder / root / f"kind-{number}"
            kind.mkdir(parents=True)
            for one in range(many):
                light = noise.integers(0, 255, (16, 16, 3), dtype=np.uint8)
                Image.fromarray(light).save(kind / f"{one}.png")
    rows = [f"{number},{'well' if number < 10 else 'sick'}" for number in range(20)]
    (folder / "patients.csv").write_text("\n".join(["age,diagnosis", *rows]))
    (folder / "more.csv").write_text("\n".join(["age,diagnosis,grape", *(f"{row},barolo" for row in rows[:4])]))
    (folder / "new.csv").write_text("age\n3\n4")


def trained_alike(folder: Path) -> None:
    """Two runs, one of them on fewer classes."""
    for name, classes in (("characters", 200), ("fewer", 100)):
        config = qs.TrainConfig(way=5, query=3, steps=2, validate_every=0, device="cpu")
        tasks, out = f"glyphs:classes={classes}", folder / "runs" / name
        qs.train("protonet", tasks, config, settings={"width": 4}, out=out)


def run_command(command: str, folder: Path) -> None:
    """Run one line of a shell as its reader would, but smaller."""
    words = shlex.split(command)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M), command
    elif words[:2] == ["pip", "install"]:
        for extra in re.findall(r"quickstudy\[(\w+)\]", command):
            assert re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M), command
    elif words[0] == "torchrun":
        run_together(words, folder)
    elif words[0] == "quickstudy" and words[1] in OF_SERVERS:
        serve(words[1:], folder)
    elif words[0] == "quickstudy":
        for real, other in REAL.items():
            command = command.replace(real, other)
        if "runs/characters" in command and not (folder / "runs/characters").exists():
            trained_alike(folder)
        assert main(smaller(command)) == 0, command
    else:
        assert command == ". .venv/bin/activate", command


def smaller(command: str) -> list[str]:
    """The arguments of a command, with a net that is hardly trained, and few episodes."""
    arguments = shlex.split(command)[1:]
    if arguments[0] == "keys":
        return [*arguments, "--store", "store.db"]
    if arguments[:2] == ["bench", "serve"]:
        return [*arguments, *LIGHT.split()]
    if arguments[0] == "bench":
        flags = shortened(f"quickstudy bench {arguments[1]}")
        return [*flags, *(word for word in arguments[2:] if "--json" in word)]
    least = {"train": ("--steps",), "evaluate": ("--episodes",), "calibrate": ("--episodes",)}.get(arguments[0], ())
    if "--resume" in arguments:
        return arguments
    for flag in least:
        arguments += [] if flag in arguments else [flag, str(FEW[flag])]
    pairs = zip(["", *arguments], arguments, strict=False)
    return [str(min(int(word), FEW[flag])) if flag in FEW else word for flag, word in pairs]


def serve(words: list[str], folder: Path) -> None:
    """Start a server, wait until it says where it is, and end it."""
    if any("postgresql://" in word for word in words):
        return  # a database of the reader's
    quiet = ["--no-browser"] if words[0] == "play" else []
    command = [sys.executable, "-m", "quickstudy", *words, *quiet, "--port", "0", "--store", str(folder / "store.db")]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.terminate()
        _, wrong = process.communicate(timeout=30)
    assert "http://" in said, (words, wrong)


def run_together(words: list[str], folder: Path) -> None:
    """torchrun, on this machine alone."""
    if words[-1] == "mine.py":
        shutil.rmtree(folder / "runs/script")  # of the page's Python, which is the same
    several = words.index("--nnodes") if "--nnodes" in words else None
    if several is not None:
        words = [*words[:several], "--standalone", "--nproc-per-node", "2", *words[words.index("-m") :]]
    text = shlex.join([sys.executable, "-m", "torch.distributed.run", *words[1:]]).replace("omniglot", "glyphs")
    if "--resume" not in text and "train" in words:
        text = re.sub(r"--steps \d+", "", text) + " --steps 2 --width 4 --tasks-per-step 4"
        text = re.sub(r"--tasks-per-step \d+(?=.*--tasks-per-step)", "", text)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ran = subprocess.run(shlex.split(text), cwd=folder, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stderr
