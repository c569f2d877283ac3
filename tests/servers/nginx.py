"""A private nginx, with the configuration of docs/nginx.conf."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.servers.process import ROOT, NotInstalledError, Server, free_port
from tests.waiting import until

CONFIGURATION = ROOT / "docs" / "nginx.conf"
FOLDERS = "/usr/sbin:/usr/local/sbin"  # not on the PATH of every account
_MARKED_LINE = re.compile(r"^( *)(\w+) (.*);  # yours$", re.MULTILINE)


class Nginx(Server):
    """docs/nginx.conf as a proxy of the given servers, on a free loopback port.

    with Nginx([one, other]) as nginx:
        connect(nginx.websocket_url)

    Plain HTTP, or TLS with a self-signed certificate. `access_log` and `error_log` are the texts of its logs.
    """

    dies_by = signal.SIGTERM  # it ends its workers, too

    def __init__(self, servers: Sequence[Server], *, tls: bool = False) -> None:
        self._program = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:{FOLDERS}")
        if not self._program:
            raise NotInstalledError("nginx", package="nginx-light")
        super().__init__()
        self.plain_port = free_port()  # redirects to TLS
        self.is_tls = tls
        if tls:
            self._make_certificate()
        self._configure(servers)

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.host}:{self.port}"

    @property
    def websocket_url(self) -> str:
        return f"{'wss' if self.is_tls else 'ws'}://{self.host}:{self.port}/ws"

    @property
    def access_log(self) -> str:
        return (self.directory / "access.log").read_text()

    @property
    def error_log(self) -> str:
        return (self.directory / "error.log").read_text()

    def command(self) -> Sequence[str]:
        # -e: for messages before it has read the path of its log
        options = ["-e", "stderr", "-p", str(self.directory), "-c", str(self._configuration), "-g", "daemon off;"]
        return [str(self._program), *options]

    def reload(self, servers: Sequence[Server]) -> None:
        """Switches to other servers, and returns when only new workers accept connections. Old workers keep their
        connections. Linux only."""
        old = self._workers()
        self._configure(servers)
        assert self._process
        self._process.send_signal(signal.SIGHUP)  # only to the master process
        self.wait_until(lambda: bool(self._workers()) and not self._workers() & old)

    def _end(self, number: int) -> int:
        code = super()._end(number)
        until(lambda: not self.is_ready())  # the orphaned workers still have the port
        return code

    def _workers(self) -> set[str]:
        """The process ids of the workers that accept connections."""
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        titles = {each: _title_of(each) for each in children}
        return {each for each, title in titles.items() if title and "is shutting down" not in title}

    @property
    def _configuration(self) -> Path:
        return self.directory / "nginx.conf"

    def _configure(self, servers: Sequence[Server]) -> None:
        upstream = [f"server {each.host}:{each.port} max_fails=0" for each in servers]
        seen: list[str] = []

        def replace(line: re.Match[str]) -> str:
            indent, name, value = line.groups()
            seen.append(name)
            lines = self._lines(name, value)
            if name == "server":
                lines, upstream[:] = list(upstream), []
            return "\n".join(f"{indent}{each};" for each in lines)

        text = _MARKED_LINE.sub(replace, CONFIGURATION.read_text())
        assert {*seen} == {*self._NAMES}, f"docs/nginx.conf marks other lines: {seen}"
        folders = "".join(
            f"\n    {name.replace('-', '_')}_temp_path {self.directory}/{name};"
            for name in re.findall(r"--http-([\w-]+)-temp-path", self._version())
        )
        self._configuration.write_text(text.replace("http {", f"http {{{folders}", 1))

    _NAMES = (
        *("user", "pid", "error_log", "access_log", "server", "listen", "server_name"),
        *("ssl_certificate", "ssl_certificate_key"),
    )

    def _lines(self, name: str, value: str) -> list[str]:
        """The lines that replace a line that docs/nginx.conf marks as the reader's own."""
        if name == "user":
            return ["user root"] if os.geteuid() == 0 else []  # only root may read the directory
        if name == "listen":
            if "ssl" in value:
                return [f"listen {self.host}:{self.port}{' ssl' if self.is_tls else ''}"]
            return [f"listen {self.host}:{self.plain_port}"]
        if name == "server_name":
            return ["server_name _"]
        if name in ("ssl_certificate", "ssl_certificate_key"):
            return [f"{name} {self.directory}/{Path(value).name}"] if self.is_tls else []
        path, *rest = value.split()
        return [" ".join([name, f"{self.directory}/{Path(path).name}", *rest])]

    def _version(self) -> str:
        words = [str(self._program), "-V"]
        return subprocess.run(words, stderr=subprocess.PIPE, text=True, check=True, timeout=30).stderr

    def _make_certificate(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.host)])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        (self.directory / "fullchain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self.directory / "key.pem").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


def _title_of(process: str) -> str:
    """The command line of a process. Empty if it has ended: its file is gone, unreadable or empty."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
