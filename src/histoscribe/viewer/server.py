"""The server of the page on this machine: a few addresses behind a secret, and nothing else."""

import hmac
import logging
import secrets
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import Any

from histoscribe.errors import DataContractError, Problem, errors_told
from histoscribe.viewer.answers import Answer, Answers
from histoscribe.viewer.routes import routed
from histoscribe.viewer.static_files import PAGE, static_files

HOST = "127.0.0.1"
_IDLE_S = 30
"""Seconds after which a connection without a request is closed."""
_MOST_CONNECTIONS = 64
_STATIC = "static/"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the address holds the secret
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_KEPT = "private, max-age=3600, immutable"  # three panels ask for each tile once
_log = logging.getLogger(__name__)


class ViewServer(ThreadingHTTPServer):
    """Serves views to browsers of this machine that know the secret in its address.

    Raises
    ------
    DataContractError
        if the port is in use, or not one that this user may open.
    """

    daemon_threads = True

    def __init__(self, answers: Answers, port: int) -> None:
        self.answers, self.token = answers, secrets.token_urlsafe(24)
        self.static = static_files()
        self._places = BoundedSemaphore(_MOST_CONNECTIONS)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise DataContractError(
                Problem(
                    where=f"--port {port}",
                    found=f"cannot be opened ({error.strerror})",
                    expected="a port that no other program uses",
                    remedy="give another one, or 0 for any free one",
                )
            ) from error

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names under which a browser may ask: a page of another site has its own name."""
        return f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"

    def __repr__(self) -> str:
        return f"ViewServer({self.url})"

    def close(self) -> None:
        """End the page."""
        self.shutdown()
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection in a thread of its own; drop it if too many are open."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection until it is closed."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a connection that broke; browsers close them at will."""
        del request, client_address
        _log.debug("a connection broke", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Checks a request, and writes the answer."""

    server: ViewServer
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    # headers and content are two writes: the second would wait 40 ms for the first to be confirmed
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer with content."""
        self._respond()

    def do_HEAD(self) -> None:
        """Answer with the headers of the content."""
        self._respond()

    def parse_request(self) -> bool:
        """Read the request; other methods, other hosts, bodies and ranges are refused."""
        if not super().parse_request():
            return False
        status = self._refusal()
        if status is not None:
            self._refuse(status)
        return status is None

    def version_string(self) -> str:
        """Name of the server, without versions."""
        return "histoscribe"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep requests out of the terminal, and the secret out of logs."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse a request that the base class cannot read; nothing of it is repeated."""
        del message, explain
        self._refuse(HTTPStatus(code))

    def _refusal(self) -> HTTPStatus | None:
        """Status that refuses a request before its address is read, or None."""
        headers = self.headers
        hosts = headers.get_all("Host", [])
        if self.command not in ("GET", "HEAD"):
            return HTTPStatus.METHOD_NOT_ALLOWED
        if len(hosts) != 1:
            return HTTPStatus.BAD_REQUEST
        if hosts[0].lower() not in self.server.hosts:
            return HTTPStatus.MISDIRECTED_REQUEST
        if "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0":
            return HTTPStatus.BAD_REQUEST
        if "Range" in headers:
            return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        return None

    def _respond(self) -> None:
        try:
            with errors_told("this part of the view"):
                answer = self._answer()
        except (DataContractError, OSError) as error:  # a full disk is raised as it is
            _log.warning("%s", error)
            return self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        if answer is None:
            return self._refuse(HTTPStatus.NOT_FOUND)
        return self._send(HTTPStatus.OK, answer)

    def _answer(self) -> Answer | None:
        """Answer to the address; None for one that does not exist or lacks the secret."""
        start, token, address = (*self.path.split("/", 2), "", "")[:3]
        known = hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        if start or not known or self.path.count("/") < 2:
            return None
        if not address:
            return self.server.static.get(PAGE)
        if address.startswith(_STATIC):
            return self.server.static.get(address.removeprefix(_STATIC))
        return routed(address, self.server.answers)

    def _refuse(self, status: HTTPStatus, why: str = "") -> None:
        # the rest of such a connection may be anything: the next request comes on another one
        self.close_connection = True
        self._send(status, Answer("text/plain; charset=utf-8", (why or status.phrase).encode()))

    def _send(self, status: HTTPStatus, answer: Answer) -> None:
        self.send_response(status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        is_answer = status is HTTPStatus.OK
        self.send_header("Cache-Control", _KEPT if is_answer else "no-store")
        if not is_answer:
            self.send_header("Connection", "close")
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)
