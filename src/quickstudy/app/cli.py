"""The command ``quickstudy``: finds the verb, runs it, and turns errors into one line and an exit code.

Exit codes: 0 done, 1 stopped or failed, 2 the command line or the data are not right. What a program may want to read
goes to stdout, everything else to stderr. Neither torch nor tyro is imported before a verb needs it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Sequence

import quickstudy
from quickstudy.errors import UserError, unknown

VERBS = {
    "demo": ("quickstudy.app.demo", "watch a learner learn to learn, in a minute, without any data"),
    "train": ("quickstudy.app.train", "meta-train a learner on a task family"),
    "evaluate": ("quickstudy.app.evaluate", "how well, how fast and at what cost runs adapt to held-out tasks"),
    "compare": (
        "quickstudy.app.compare",
        "learners side by side: score, speed, cost, calibration, robustness, as a page",
    ),
    "fit": ("quickstudy.app.fit", "learn from a handful of your own pictures, rows, patients or ratings"),
    "predict": ("quickstudy.app.predict", "answer by what was learnt so"),
    "add": ("quickstudy.app.add", "learn from more of them, or a new label"),
    "list": ("quickstudy.app.list", "learners, task families, backbones, or your runs"),
    "calibrate": ("quickstudy.app.calibrate", "how far a classifier's answers can be trusted, from held-out tasks"),
    "pack": ("quickstudy.app.pack", "a trained run in a few megabytes, to hand on"),
    "robot": ("quickstudy.app.robot", "watch a robot adjust its grip after a few tries"),
    "play": ("quickstudy.app.play", "draw a few examples in the browser, then anything: it knows them again"),
    "serve": ("quickstudy.app.serve", "models that learn over HTTP, and a page to try them on"),
    "keys": ("quickstudy.app.keys", "who may use the server"),
    "bench": ("quickstudy.app.bench", "meta-gradients beside other libraries; every learner at one budget"),
    "challenge": ("quickstudy.app.challenge", "compete on how fast learners adapt; hold a challenge of your own"),
    "leaderboard": ("quickstudy.app.leaderboard", "results as pages that anyone can read; rows that anyone can re-run"),
    "course": ("quickstudy.app.course", "exercises of the course, What is meta-learning?, and their checks"),
    "doctor": ("quickstudy.app.doctor", "what there is on this machine: versions, devices, data, caches"),
}
EXAMPLES = """\
  quickstudy demo
  quickstudy train protonet --tasks omniglot
  quickstudy train maml --tasks sinusoid --steps 10000
  quickstudy train --resume runs/maml-sinusoid-1
  quickstudy evaluate runs/protonet-omniglot-1 --way 20 --shot 5
  quickstudy evaluate runs/protonet-omniglot-1 nearest --tasks omniglot --curves shots --plot curves.png
  quickstudy fit photos --weights runs/protonet-images-1 -o pets.qs
  quickstudy predict pets.qs new/ --csv
  quickstudy list runs --json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    args = list(sys.argv[1:] if argv is None else argv)
    # read when torch is loaded: threads that wait in a loop for one another make small nets crawl on a busy machine
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    sys.path.append(os.getcwd())  # where a learner of one's own lives, mine:PixelMean
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± shows a question mark
    try:
        code = _run(args)
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has gone
        no_more_output()
        return 1
    except OSError as error:
        no_more_output()
        print(f"error: {error}. Choose a place that can be read and written.", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not is_lack_of_memory(error):
            raise
        print("error: there is not enough memory. Ask for a smaller --width, --way or --query.", file=sys.stderr)
        return 2


def no_more_output() -> None:
    """Keep the interpreter from flushing, and failing, once more at its exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_lack_of_memory(error: Exception) -> bool:
    """Whether an error, of torch where the numbers are large, says that there is no room."""
    said = ("not enough memory", "can't allocate memory", "out of memory", "Storage size calculation overflowed")
    return isinstance(error, MemoryError) or any(words in str(error) for words in said)


def _run(args: list[str]) -> int:
    if not args:
        print(f"Learning to learn. For example:\n\n{EXAMPLES}\n`quickstudy --help` lists the commands.")
        return 0
    verb, *rest = args
    if verb in ("-h", "--help", "help"):
        print(help_text())
        return 0
    if verb in ("-V", "--version"):
        print(f"quickstudy {quickstudy.__version__}")
        return 0
    if verb not in VERBS:
        raise unknown("command", verb, VERBS)
    try:
        return int(importlib.import_module(VERBS[verb][0]).main(rest))
    except SystemExit as stop:  # --help of a verb
        return int(stop.code or 0)


def help_text() -> str:
    """What ``quickstudy --help`` prints."""
    verbs = "".join(f"  {verb:12}{line}\n" for verb, (_, line) in VERBS.items())
    return (
        "usage: quickstudy COMMAND ...\n\n"
        "Meta-learning: sample tasks; for each, adapt on its support set; be judged on its query set.\n\n"
        f"{verbs}\n`quickstudy COMMAND --help` explains one. For example:\n\n{EXAMPLES}"
    )


if __name__ == "__main__":
    sys.exit(main())
