"""Job scripts: a task's environment, then the runner."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import astran
from astran.base.errors import SiteNotReady
from astran.base.files import literal_prefix, packaged_path, write_atomic, write_json
from astran.base.tasks import Task
from astran.config.site import Environment, SiteConfig

if TYPE_CHECKING:
    from jinja2 import Template


def write_scripts(task: Task, site: SiteConfig, software: str | None, python: str) -> Path:
    """Write a task's script, the task itself beside it (`<script>.json`) and its small files, and
    make its log folder.

    Parameters
    ----------
    software : name and version of the task's tools, named in the script
    python : interpreter of ASTRAN, which runs the runner

    Returns
    -------
    The script, executable. It expects the attempt's token in ASTRAN_TOKEN.

    Raises
    ------
    SiteNotReady : the site no longer has the task's environment
    """
    script = Path(task.script)
    description = script.with_name(f"{script.name}.json")
    text = render_job_script(
        "task.sh.j2",
        title=_title(task, software),
        **_environment(task, site),
        # -E and -P: variables or files of the tool's environment must not change ASTRAN
        command=[python, "-E", "-P", "-m", "astran.production.run_task", str(description)],
    )
    for path, content in task.files:
        write_atomic(Path(path), content)
    Path(task.log).parent.mkdir(parents=True, exist_ok=True)
    write_json(description, task.to_json())
    write_atomic(script, text, mode=0o755)
    return script


def environment_preamble(task: Task, site: SiteConfig) -> str:
    """The shell lines that enter the environment of a task (SiteNotReady: the site lacks it)."""
    return render_job_script("shell.sh.j2", **_environment(task, site))


def render_job_script(template: str, **values: object) -> str:
    """A job template with its values; the filter `quote` makes a value one shell word."""
    return _template(template).render(**values)


@lru_cache(maxsize=8)  # compiling one takes much longer than filling it in
def _template(name: str) -> Template:
    import jinja2  # an idle tick writes no script

    jinja = jinja2.Environment(
        loader=jinja2.FileSystemLoader(packaged_path("templates") / "jobs"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    jinja.filters["quote"] = lambda value: shlex.quote(str(value))
    return jinja.get_template(name)


def shell_values(environment: Environment, see: Iterable[Path] = ()) -> dict[str, object]:
    """What the templates need to set up an environment.

    Parameters
    ----------
    see : files and folders that a container must see, beside what the site names
    """
    binds = (*see, *environment.binds) if environment.apptainer else ()
    enter = render_job_script(
        "enter.sh.j2",
        module=environment.module,
        venv=environment.venv,
        conda=environment.conda,
        binds=dict.fromkeys(str(path) for path in binds),
    )
    return {
        "setup": (*environment.setup, enter) if enter else environment.setup,
        "bin": str(environment.folder or ""),
        "variables": tuple(environment.variables.items()),
    }


def _seen(site: SiteConfig) -> Iterator[Path]:
    """Folders of the site that a task may read or write, and ASTRAN's own programs."""
    yield from (site.workdir, site.shared_dir, site.products_dir)
    yield Path(astran.__file__).resolve().parent
    data = site.data
    patterns = [data.irf, *data.monte_carlo_patterns]
    for tree in data.all_trees:
        patterns += [tree.dl1, tree.dl1_subruns, tree.dl2]
    yield from (literal_prefix(pattern) for pattern in patterns if pattern)
    yield from (path for path in (data.models_root, data.lstchain_config) if path is not None)
    yield from data.roots


def _title(task: Task, software: str | None) -> str:
    what = f", {software}" if software else ""
    return f"{task.key} of {task.folder}{what}".replace("\n", " ")


def _environment(task: Task, site: SiteConfig) -> dict[str, object]:
    if not task.environment:
        return {"setup": (), "bin": "", "variables": task.variables}
    environment = site.lstchain.environments.get(task.environment)
    if environment is None:
        raise SiteNotReady(
            f"The site has no lstchain environment {task.environment!r} any more.",
            cure="Restore it in the site configuration, or launch the analysis anew.",
        )
    # the site's own words last: what the administrator sets wins
    values = shell_values(environment, _seen(site.with_release(task.environment)))
    return {**values, "variables": (*task.variables, *environment.variables.items())}
