"""What does a tick cost while 10,000 elements run on HTCondor and nothing changes?

100 clusters of 100 elements. condor_q is a stand-in that prints the same JSON at each call; store,
the poll and the scheduler's code are ASTRAN's. The bar: a poll without change takes less than 2 s,
with one condor_q and nothing else.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "benchmarks")]

from controller import job_ids, open_site, plan_array  # noqa: E402

from astran.base.process import Completed  # noqa: E402
from astran.config.htcondor import HTCondorSettings  # noqa: E402
from astran.scheduler.htcondor.condor_pool import HTCondorScheduler  # noqa: E402
from astran.service.jobs.polling import poll_scheduler  # noqa: E402
from astran.service.tick import run_tick  # noqa: E402

ARRAYS, SIZE, BAR_S = 100, 100, 2.0


class Pool:
    """Takes every cluster, and shows all of its elements as running."""

    def __init__(self) -> None:
        self.tokens: list[tuple[str, int]] = []
        self.calls: list[str] = []
        self.text = ""

    def __call__(
        self,
        argv: Sequence[str | PathLike[str]],
        *,
        timeout: float,
        check: bool = True,
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        words = [fspath(word) for word in argv]
        self.calls.append(words[0])
        said = ""
        if words[0] == "condor_submit":
            lines = Path(words[-1]).read_text().splitlines()
            values = dict(line.split(" = ", 1) for line in lines if " = " in line)
            self.tokens.append((values["My.AstranToken"].strip('"'), int(lines[-1].split()[1])))
            said = f"{len(self.tokens)}.0 - {len(self.tokens)}.0\n"
        elif words[0] == "condor_q":
            said = self.text
        return Completed(tuple(words), 0, said, "")

    def show(self) -> None:
        """Write the answer of condor_q, once."""
        ads: list[dict[str, Any]] = [
            {
                "ClusterId": cluster + 1, "ProcId": index, "AstranToken": token,
                "AstranIndex": index, "JobStatus": 2, "RemoteHost": f"slot1_{index}@wn{index:03d}",
                "ServerTime": 1796059704, "EnteredCurrentStatus": 1796059699,
                "ResidentSetSize_RAW": 1388, "LeaveJobInQueue": False,
            }
            for cluster, (token, size) in enumerate(self.tokens)
            for index in range(size)
        ]  # fmt: skip
        self.text = "[\n" + "\n,\n".join(json.dumps(ad, indent=2) for ad in ads) + "\n]\n"


def main() -> int:
    """0 where the bar is met."""
    pool = Pool()
    with tempfile.TemporaryDirectory() as name:
        context = open_site(Path(name), kind="htcondor")
        scheduler = HTCondorScheduler(HTCondorSettings(), Path(name), {}, pool)
        context.make_scheduler = lambda: scheduler
        for _ in range(ARRAYS):
            plan_array(context, SIZE, 1)
        while len(job_ids(context)) < ARRAYS or not all(job_ids(context)):
            run_tick(context, mail=False)
        pool.show()
        for _ in range(2):  # all begin to run; then nothing changes any more
            poll_scheduler(context)
        pool.calls.clear()
        begin, used = time.perf_counter(), time.process_time()
        poll_scheduler(context)
        wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - used
    print(f"{ARRAYS * SIZE} elements, no change: {wall_s:.2f} s, {cpu_s:.2f} s of CPU, "
          f"calls: {', '.join(pool.calls)}")  # fmt: skip
    return int(cpu_s > BAR_S or pool.calls != ["condor_q"])


if __name__ == "__main__":
    sys.exit(main())
