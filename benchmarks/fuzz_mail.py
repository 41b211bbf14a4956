"""A bounded fuzzer for the mail reader and the launch language (atheris).

No input may raise, take long, or launch without what a launch needs. Atheris is looked for at run
time; without it there is nothing to do.

    python benchmarks/fuzz_mail.py --seconds 60 --json
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SLOWEST_S = 2.0
HEAD = b"From: a@b.example\r\nSubject: ASTRAN-LAUNCH\r\nMessage-ID: <1@b.example>\r\n"


def check(data: bytes) -> None:
    """The properties that every input must have."""
    from astran.base.night import Night
    from astran.config.site import MailSettings, Security, Server
    from astran.launch_language.parser import parse
    from astran.service.intake.decision import MailOutcome, decide_mail

    nowhere = Server(host="localhost", port=1, security=Security.NONE)
    rules = MailSettings(
        address="astran@localhost", imap=nowhere, smtp=nowhere, trust_from=True,
        allow=("a@b.example",),
    )  # fmt: skip
    begun = time.perf_counter()
    # as it stands, as the body of a request, and as bare text
    for raw in (data, HEAD + b"\r\n" + data, HEAD + data):
        decision = decide_mail(raw, rules, Night.parse("20261120"))
        if decision.outcome is MailOutcome.LAUNCH:
            assert decision.config is not None
            assert "target" in decision.params
            assert {"date", "repeat"} & set(decision.params)
            assert decision.thread.in_reply_to
        if decision.outcome is MailOutcome.ERROR_REPLY:
            assert decision.problems
    parsed = parse(data.decode("utf-8", "replace"))
    assert parsed.problems or {"target"} <= set(parsed.params)
    assert time.perf_counter() - begun < SLOWEST_S


def seeds(folder: Path) -> int:
    """Mails of the tests to begin with; returns how many."""
    sys.path.insert(0, str(ROOT / "tests"))
    sys.path.insert(0, str(ROOT / "tests" / "mail"))
    from corpus_blocks import BLOCKS
    from corpus_clients import SHAPES
    from corpus_refused import REFUSED

    made = [("".join(shape(BLOCKS[0])[0]).encode() + b"\r\n" + shape(BLOCKS[0])[1])
            for shape in SHAPES]  # fmt: skip
    made += [block.text.encode() for block in BLOCKS]
    made += [one.raw for one in REFUSED if len(one.raw) < 5000]
    for number, data in enumerate(made):
        (folder / f"seed{number}").write_bytes(data)
    return len(made)


def child(folder: str, seconds: int) -> None:
    """The fuzzing process itself."""
    import atheris

    # what is instrumented must be imported within
    with atheris.instrument_imports(include=["astran.mail", "astran.launch_language"]):
        import astran.launch_language.parser
        import astran.mail.parsing.new_text
        import astran.service.intake.decision  # noqa: F401
    options = [sys.argv[0], folder, f"-max_total_time={seconds}", "-max_len=20000", "-timeout=10"]
    atheris.Setup([*options, "-print_final_stats=1", "-verbosity=0"], check)
    atheris.Fuzz()


def fuzz(seconds: int) -> dict[str, Any]:
    """Run the fuzzer in a process of its own; it ends that process."""
    with tempfile.TemporaryDirectory() as folder:
        number = seeds(Path(folder))
        argv = [sys.executable, __file__, "--child", folder, "--seconds", str(seconds)]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(argv, capture_output=True, text=True, env=env, cwd=folder)
        said = done.stdout + done.stderr
    runs = [line.split()[-1] for line in said.splitlines() if "number_of_executed_units" in line]
    return {
        "name": "fuzz_mail",
        "ours": int(runs[0]) if runs else 0,
        "peer": None,
        "ratio": None,
        "unit": "inputs",
        "seconds": seconds,
        "seeds": number,
        "crashed": done.returncode != 0,
        "said": "" if done.returncode == 0 else said[-3000:],
    }


def main() -> int:
    """Fuzz and print; 1 where an input broke a property."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--seconds", type=int, default=60, help="how long (default: 60)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.seconds)
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed here (pip install atheris): nothing was fuzzed.")
        if args.json:
            nothing = {"name": "fuzz_mail", "ours": None, "peer": None, "ratio": None}
            print(json.dumps({**nothing, "unit": "inputs", "skipped": "atheris is missing"}))
        return 0
    found = fuzz(args.seconds)
    print(f"{found['ours']} inputs in {found['seconds']} s: "
          f"{'a property was broken' if found['crashed'] else 'nothing broke'}")  # fmt: skip
    if found["said"]:
        print(found["said"])
    if args.json:
        print(json.dumps(found))
    return int(found["crashed"])


if __name__ == "__main__":
    sys.exit(main())
