"""The folder of a demo: what lies where, its site configuration, and a fresh start."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from astran.base.errors import ConfigError
from astran.base.files import try_lock, write_atomic
from astran.base.tasks import Stage
from astran.config.yaml_files import load_site
from astran.demo.data_tree import DataTree
from astran.demo.servers import MailServers

DOMAIN = "demo.example"
SERVICE, USER, OPERATOR = "astran", "shifter", "operator"
"""Log-in names; `<name>@demo.example` are the addresses."""
_MARK = ".astran-demo"
# the runs are short and the forests small; figures with room to spare
_MEMORY_MB = dict.fromkeys(Stage, 1500) | {Stage.IRF: 1200, Stage.INDEX: 1000}


def address(user: str) -> str:
    return f"{user}@{DOMAIN}"


class DemoFolder:
    """Folders and files of a demo below `root` (absolute)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.night = root / "night"
        self.mail_server = root / "mail-server"
        self.mails = root / "mails"
        self.analysis = root / "analysis"
        """The service's work folder: one folder per analysis, and its database."""
        self.logs = root / "logs"
        self.launcher_log = self.logs / "launcher.log"
        self.site = root / "site.yml"
        self.secret = root / "mail-password"
        self.truth = root / "truth.json"
        self.summary = root / "summary.json"


@contextmanager
def make_fresh_folder(folder: Path) -> Iterator[DemoFolder]:
    """An empty demo folder, held against a second demo. A former demo in it is removed.

    Raises
    ------
    ConfigError : the folder holds anything else, or a demo is running in it
    """
    root = folder.expanduser().resolve()
    mark = root / _MARK
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root} is not a folder.", cure="Name another with --output.")
    if root.is_dir() and any(root.iterdir()) and not mark.exists():
        raise ConfigError(
            f"{root} holds files that are not from a demo; nothing was touched.",
            cure="Name a new or empty folder with --output.",
        )
    root.mkdir(parents=True, exist_ok=True)
    with try_lock(mark) as free:
        if not free:
            raise ConfigError(
                f"A demo is running in {root}.", cure="Name another folder with --output."
            )
        for child in root.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            elif child != mark:
                child.unlink()
        files = DemoFolder(root)
        files.logs.mkdir()
        files.mails.mkdir()
        yield files


def write_site(files: DemoFolder, tree: DataTree, servers: MailServers) -> None:
    """Write the site configuration and the password file that it names (mode 0600)."""
    write_atomic(files.secret, servers.passwords[SERVICE] + "\n", mode=0o600)
    text = yaml.safe_dump(_site(files, tree, servers), sort_keys=False)
    header = "# Site configuration of the demo: a simulated night, mail servers on this machine.\n"
    write_atomic(files.site, header + text)
    load_site(files.site)


def _site(files: DemoFolder, tree: DataTree, servers: MailServers) -> dict[str, Any]:
    def server(port: int) -> dict[str, Any]:
        return {
            "host": servers.host,
            "port": port,
            "security": "none",
            "user": SERVICE,
            "password": {"file": str(files.secret)},
        }

    return {
        "site": "Demo (simulated)",
        "simulated": True,
        "workdir": str(files.analysis),
        "mail": {
            "address": address(SERVICE),
            "imap": server(servers.imap_port),
            "smtp": server(servers.smtp_port),
            "allow": [address(USER)],
            "operator": address(OPERATOR),
            # nobody else can reach these servers
            "trust_from": True,
        },
        "scheduler": {
            "kind": "local",
            "local": {"cores": max(os.cpu_count() or 1, 1)},
            "resources": {
                stage.value: {"cpus": 1, "memory_mb": memory, "time_min": 20}
                for stage, memory in _MEMORY_MB.items()
            },
        },
        "lstchain": {
            "default": "demo",
            "environments": {"demo": {"bin": str(Path(sys.executable).parent)}},
        },
        "data": tree.data_settings(),
    }
