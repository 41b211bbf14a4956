"""A private certificate authority and a server certificate for loopback."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """PEM files; `stranger` is an authority that signed nothing here."""

    ca: Path
    cert: Path
    key: Path
    stranger: Path


def _openssl(*words: str | Path) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr[-1000:]}")


def _authority(folder: Path, name: str) -> Path:
    cert = folder / f"{name}.pem"
    _openssl(
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
        *("-subj", f"/CN=ASTRAN test authority {name}"),
        *("-addext", "basicConstraints=critical,CA:TRUE"),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        *("-keyout", folder / f"{name}.key", "-out", cert),
    )
    return cert


def make_certificates(folder: Path) -> Certificates:
    """Write them into `folder` (created)."""
    folder.mkdir(parents=True, exist_ok=True)
    ca = _authority(folder, "ca")
    stranger = _authority(folder, "stranger")
    request, key, cert = folder / "server.csr", folder / "server.key", folder / "server.pem"
    extensions = folder / "server.ext"
    extensions.write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\n"
        "basicConstraints=CA:FALSE\n"
        "extendedKeyUsage=serverAuth\n"
        "subjectKeyIdentifier=hash\n"
        "authorityKeyIdentifier=keyid\n"
    )
    _openssl(
        *("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
        *("-keyout", key, "-out", request),
    )
    _openssl(
        *("x509", "-req", "-in", request, "-CA", ca, "-CAkey", folder / "ca.key"),
        *("-CAcreateserial", "-days", "30", "-extfile", extensions, "-out", cert),
    )
    return Certificates(ca, cert, key, stranger)
