"""A throw-away Dovecot on loopback: IMAP with STARTTLS, IMAPS, LMTP."""

from __future__ import annotations

import pwd
import shutil
import smtplib
from collections.abc import Mapping
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path

from services.certificates import make_certificates
from services.daemon import Daemon, free_ports, group_of, is_root, listening, my_name, scratch

HOW = "Install it: apt-get install --no-install-recommends dovecot-imapd dovecot-lmtpd openssl"

USERS: Mapping[str, str] = {
    "astran@astran.test": "service-password",
    "alice@astran.test": "alice-password",
    "bob@astran.test": "bob-password",
    "operator@astran.test": "operator-password",
}


def present() -> bool:
    """Are the programs here?"""
    program = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")
    lmtp = Path("/usr/lib/dovecot/lmtp")
    return bool(program and lmtp.exists() and shutil.which("openssl"))


class Dovecot:
    """Context manager; as root mail belongs to user `mail`, else to whoever runs this."""

    def __init__(self, users: Mapping[str, str] = USERS) -> None:
        self.users = dict(users)
        self._stack = ExitStack()

    def __enter__(self) -> Dovecot:
        self.folder = self._stack.enter_context(scratch("dovecot"))
        try:
            self.certificates = make_certificates(self.folder / "tls")
            self.imap_port, self.imaps_port, self.lmtp_port = free_ports(3)
            self._owner = "mail" if is_root() else my_name()
            (self.folder / "mail").mkdir()
            if is_root():
                shutil.chown(self.folder / "mail", self._owner, group_of(self._owner))
            (self.folder / "users").write_text(self._user_table())
            (self.folder / "dovecot.conf").write_text(self._config())
            self.start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._stack.close()

    @property
    def ca_file(self) -> Path:
        return self.certificates.ca

    def start(self) -> None:
        """Start (again) on the same mailboxes and ports."""
        program = shutil.which("dovecot") or "/usr/sbin/dovecot"
        argv = [program, "-F", "-c", self.folder / "dovecot.conf"]
        self.server = Daemon("dovecot", argv, self.folder / "out.log")
        self.server.wait_for(lambda: listening(self.imaps_port) and listening(self.lmtp_port))

    def stop(self) -> None:
        self.server.stop()

    def deliver(self, message: EmailMessage | bytes, to: str, sender: str = "") -> None:
        """Put a message into a mailbox by LMTP, as a mail server would."""
        data = message if isinstance(message, bytes) else message.as_bytes()
        with smtplib.LMTP("127.0.0.1", self.lmtp_port) as connection:
            connection.sendmail(sender, [to], data)

    def _user_table(self) -> str:
        owner = pwd.getpwnam(self._owner)
        return "".join(
            f"{user}:{{PLAIN}}{password}:{owner.pw_uid}:{owner.pw_gid}::"
            f"{self.folder}/mail/{user}::\n"
            for user, password in self.users.items()
        )

    def _config(self) -> str:
        here, owner = self.folder, pwd.getpwnam(self._owner)
        rootless = ""
        if not is_root():
            me = my_name()
            rootless = f"default_internal_user = {me}\ndefault_login_user = {me}\n"
            rootless += f"default_internal_group = {group_of(me)}\n"
            # only root may chroot
            rootless += "".join(
                f"service {name} {{\n  chroot =\n}}\n" for name in ("imap-login", "anvil", "stats")
            )
        return f"""\
protocols = imap lmtp
listen = 127.0.0.1
base_dir = {here}/run
state_dir = {here}/state
log_path = {here}/dovecot.log
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {owner.pw_uid}
mail_gid = {owner.pw_gid}
mail_location = maildir:{here}/mail/%u/Maildir
mail_max_userip_connections = 100
ssl = yes
ssl_cert = <{self.certificates.cert}
ssl_key = <{self.certificates.key}
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_username_format = %Lu
auth_failure_delay = 0
imap_idle_notify_interval = 5s
{rootless}
passdb {{
  driver = passwd-file
  args = username_format=%u {here}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {here}/users
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  inet_listener imap {{
    port = {self.imap_port}
  }}
  inet_listener imaps {{
    port = {self.imaps_port}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {self.lmtp_port}
  }}
}}
protocol lmtp {{
  postmaster_address = postmaster@astran.test
}}
"""
