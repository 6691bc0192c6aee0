"""Certificates for the tests: an authority of their own, and a server's signed by it."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Certificates(NamedTuple):
    """Files of one authority, and of one server at 127.0.0.1."""

    authority: Path
    certificate: Path
    key: Path


def certificates(folder: Path, address: str = "127.0.0.1") -> Certificates:
    """Make an authority and a certificate for one address; skip where there is no openssl."""
    program = shutil.which("openssl")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("openssl is not installed")
        pytest.skip("openssl is not installed")
    folder.mkdir(parents=True)
    (folder / "authority.cnf").write_text(
        "[req]\ndistinguished_name = name\nx509_extensions = ca\nprompt = no\n"
        "[name]\nCN = authority of the tests\n"
        "[ca]\nbasicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign\n"
        "subjectKeyIdentifier = hash\n"
    )
    (folder / "server.ext").write_text(
        f"subjectAltName = IP:{address}\nauthorityKeyIdentifier = keyid\n"
    )

    def run(*words: str) -> None:
        subprocess.run([program, *words], cwd=folder, check=True, capture_output=True)

    for name in ("authority", "server"):
        run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
    run(
        *("req", "-x509", "-new", "-key", "authority.key", "-out", "authority.crt"),
        *("-days", "2", "-config", "authority.cnf"),
    )
    run(
        *("req", "-new", "-key", "server.key", "-out", "server.csr", "-subj", "/CN=server"),
        *("-config", "authority.cnf"),
    )
    run(
        *("x509", "-req", "-in", "server.csr", "-CA", "authority.crt", "-CAkey", "authority.key"),
        *("-CAcreateserial", "-out", "server.crt", "-days", "2", "-extfile", "server.ext"),
    )
    return Certificates(folder / "authority.crt", folder / "server.crt", folder / "server.key")
