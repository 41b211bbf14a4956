"""Tasks as a shell script that does the same by hand: the exact commands, to be read or run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from astran.base.tasks import Task
from astran.config.site import SiteConfig
from astran.production.job.scripts import environment_preamble

_WORK = "{work}"
_END = "ASTRAN_END_OF_FILE"


def make_shell_script(tasks: Sequence[Task], site: SiteConfig) -> Iterator[str]:
    """Lines of a bash script; each task in a shell of its own, up to its products.

    The checks of the products, and the records that the service keeps, are not in it.
    """
    yield "#!/bin/bash"
    yield "set -e"
    written: set[str] = set()
    for task in tasks:
        yield ""
        yield f"# ---- {task.key}"
        for path, content in task.files:
            if path not in written:
                written.add(path)
                yield from _file(path, content)
        yield "("
        yield from _commands(task, site)
        yield ")"


def _file(path: str, content: str) -> Iterator[str]:
    yield f"mkdir -p {shlex.quote(str(Path(path).parent))}"
    yield f"cat > {shlex.quote(path)} <<'{_END}'"
    yield content.removesuffix("\n")
    yield _END


def _commands(task: Task, site: SiteConfig) -> Iterator[str]:
    work = str(Path(task.outputs[0].path).parent / f".work-{task.key}-by-hand")
    yield environment_preamble(task, site).rstrip("\n")
    yield f"mkdir -p {shlex.quote(work)}"
    yield f"cd {shlex.quote(work)}"
    for name, target in task.links:
        if "/" in name:
            yield f"mkdir -p {shlex.quote(str(Path(name).parent))}"
        yield f"ln -sfn {shlex.quote(target)} {shlex.quote(name)}"
    yield shlex.join(word.replace(_WORK, work) for word in task.argv)
    for output in task.outputs:
        folder = str(Path(output.path).parent)
        yield f"mkdir -p {shlex.quote(folder)}"
        yield f"mv -f {shlex.quote(output.name)} {shlex.quote(output.path)}"
    yield f"rm -r {shlex.quote(work)}"
