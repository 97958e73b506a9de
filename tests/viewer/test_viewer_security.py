"""Nobody but the user's browser gets an answer, and no request reaches the file system."""

import os
import socket
import sys
import threading
from urllib.parse import urlsplit

import pytest

from histoscribe.viewer.answers import Answers
from histoscribe.viewer.server import ViewServer
from histoscribe.viewer.views import ViewRequest, open_views
from tests.viewer.toys import Browser, write_toy

HOSTILE = {
    # traversal, plain and encoded, above and below the token
    "up": "/{token}/../../../../etc/passwd",
    "up from static": "/{token}/static/../server.py",
    "up from static, encoded": "/{token}/static/%2e%2e/server.py",
    "up from static, encoded twice": "/{token}/static/%252e%252e/server.py",
    "backslashes": "/{token}/static/..\\..\\server.py",
    "absolute": "/{token}//etc/passwd",
    "absolute in static": "/{token}/static//etc/passwd",
    "a drive": "/{token}/static/C:/Windows/win.ini",
    "null byte": "/{token}/static/index.html%00.js",
    "an address as a path": "/{token}/file:///etc/passwd",
    "a module": "/{token}/static/__init__.py",
    "a folder": "/{token}/static/",
    "a tile above": "/{token}/s/0/tile/../../../he.png",
    "a tile of words": "/{token}/s/0/tile/a/b_c.jpg",
    "a negative tile": "/{token}/s/0/tile/3/-1_0.jpg",
    "a tile with spaces": "/{token}/s/0/tile/3/0_0.jpg%20",
    "a number of many digits": "/{token}/s/0/gene/99999999999999999999/predicted.bin",
    "other digits": "/{token}/s/%D9%A0/section.json",
    "a float": "/{token}/s/0.0/section.json",
    "a kind as a path": "/{token}/s/0/gene/0/..%2fpredicted.bin",
    "a query": "/{token}/view.json?file=/etc/passwd",
    "a fragment": "/{token}/view.json#x",
    "a semicolon": "/{token}/view.json;x",
    # the secret
    "no token": "/view.json",
    "the root": "/",
    "another token": "/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/view.json",
    "half the token": "/{half}/view.json",
    "the token in capitals": "/{upper}/view.json",
    "the token as a query": "/view.json?{token}",
    "the token later": "/x/{token}/view.json",
    "the token without an end": "/{token}",
    "no slash": "view.json",
    "another server": "http://example.org/{token}/view.json",
    "an empty target": "*",
}
HEADERS = {
    "another host": ("Host: example.org", 421),
    "another port": ("Host: 127.0.0.1:1", 421),
    "a host that ends alike": ("Host: 127.0.0.1.example.org:{port}", 421),
    "the host of a container": ("Host: 0.0.0.0:{port}", 421),
    "no host": ("X: y", 400),
    "two hosts": ("Host: 127.0.0.1:{port}\r\nHost: example.org", 400),
    "an empty host": ("Host:", 421),
    "a range": ("Host: 127.0.0.1:{port}\r\nRange: bytes=0-10", 416),
    "many ranges": ("Host: 127.0.0.1:{port}\r\nRange: bytes=" + "0-," * 1000 + "1", 416),
    "a body": ("Host: 127.0.0.1:{port}\r\nContent-Length: 5", 400),
    "a body in chunks": ("Host: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked", 400),
    "too many headers": ("Host: 127.0.0.1:{port}\r\n" + "A: b\r\n" * 200 + "X: y", 431),
    "a header without end": ("Host: 127.0.0.1:{port}\r\nX: " + "a" * 70_000, 431),
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    slide, file = write_toy(folder)
    views = open_views(ViewRequest(predictions=(file,), slides={"": slide}))
    with ViewServer(Answers(views, folder / "cache"), 0) as server:
        asked = Browser(server)
        asked.json("s/0/section.json")  # the maps are made before any hostile request
        yield asked
        server.shutdown()


_TOUCHED: list[tuple[str, object]] = []
"""Files that the threads of the server opened, listed or asked for."""


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    is_file = event == "open" or event.startswith(("os.", "shutil.", "glob.", "subprocess."))
    if is_file and threading.current_thread() is not threading.main_thread():
        _TOUCHED.append((event, arguments[:1]))


sys.addaudithook(_audit)


@pytest.fixture
def untouched(monkeypatch):
    """Fails after a test during which the server touched a file."""
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda *of, **more: _audit("os.stat", of) or stat(*of, **more))
    _TOUCHED.clear()
    yield
    assert _TOUCHED == []


@pytest.mark.parametrize("target", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_address_is_refused_and_touches_nothing(browser, untouched, target):
    token = browser.server.token
    filled = target.format(token=token, half=token[:16], upper=token.swapcase())
    status, body = raw(browser, f"GET {filled} HTTP/1.1", "Host: 127.0.0.1:{port}")
    assert 400 <= status < 500, (filled, status)
    assert token not in body, "the secret is not repeated"
    assert "passwd" not in body


@pytest.mark.parametrize(("header", "expected"), HEADERS.values(), ids=HEADERS)
def test_hostile_headers_are_refused_and_touch_nothing(browser, untouched, header, expected):
    path = urlsplit(browser.server.url).path
    status, body = raw(browser, f"GET {path}view.json HTTP/1.1", header)
    assert status == expected
    assert "sections" not in body


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"]
)
def test_other_methods_are_refused(browser, untouched, method):
    path = urlsplit(browser.server.url).path
    status, _ = raw(browser, f"{method} {path}view.json HTTP/1.1", "Host: 127.0.0.1:{port}")
    assert status == 405


@pytest.mark.parametrize("line", ["", "GET", "GET / HTTP/9.9", "GET " + "/a" * 40_000, "\x00\x01"])
def test_no_request_at_all_ends_the_connection(browser, untouched, line):
    status, body = raw(browser, line, "Host: 127.0.0.1:{port}")
    assert status == 0 or 400 <= status < 600
    assert "sections" not in body


def test_a_browser_gets_no_more_than_it_needs(browser):
    response, _ = browser.get("view.json")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Referrer-Policy"] == "no-referrer"
    assert response.headers["Server"] == "histoscribe"
    assert "Access-Control-Allow-Origin" not in response.headers


def test_only_this_machine_is_served_and_every_start_has_its_own_secret(browser, tmp_path):
    assert browser.server.server_address[0] == "127.0.0.1"
    with ViewServer(Answers((), tmp_path), 0) as other:
        assert len(other.token) >= 32
        assert other.token != browser.server.token


def test_the_name_localhost_and_a_question_for_headers_are_answered(browser):
    path = urlsplit(browser.server.url).path
    status, _ = raw(browser, f"GET {path}view.json HTTP/1.1", "Host: LocalHost:{port}")
    assert status == 200
    status, body = raw(browser, f"HEAD {path}view.json HTTP/1.1", "Host: 127.0.0.1:{port}")
    assert (status, body.partition("\r\n\r\n")[2]) == (200, "")


def test_the_server_lives_on_after_all_of_this(browser):
    assert browser.json("view.json")["sections"]


def raw(browser: Browser, line: str, header: str) -> tuple[int, str]:
    """Send bytes as they are; status 0 where the server only closes the connection."""
    port = browser.server.server_port
    text = f"{line}\r\n{header.format(port=port)}\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(text.encode("latin-1"))
        parts = []
        try:
            while part := connection.recv(1 << 16):
                parts.append(part)
        except ConnectionResetError:
            pass
    response = b"".join(parts).decode("latin-1")
    words = response.split(" ", 2)
    return (int(words[1]) if words[0].startswith("HTTP/") else 0), response
