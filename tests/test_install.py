"""`make` takes torch without CUDA where PyTorch's own index answers, and works elsewhere."""

import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def asked(index):
    """Output of the question to an index, and its seconds."""
    start = time.monotonic()
    command = [sys.executable, ROOT / ".ci" / "torch_index.py", index]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip(), time.monotonic() - start


class Index(BaseHTTPRequestHandler):
    """An index that has a page of torch only."""

    def do_GET(self):
        self.send_response(200 if self.path == "/whl/cpu/torch/" else 404)
        self.end_headers()
        self.wfile.write(b"<a href=torch>torch</a>")

    def log_message(self, *_):
        pass


@pytest.fixture
def index():
    server = HTTPServer(("127.0.0.1", 0), Index)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_an_index_that_answers_is_an_option_of_pip(index):
    assert asked(f"{index}/whl/cpu")[0] == f"--extra-index-url {index}/whl/cpu"


def test_an_index_without_torch_or_answer_is_left_out(index):
    assert asked(f"{index}/other")[0] == ""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert asked(f"http://127.0.0.1:{closed.getsockname()[1]}/whl/cpu")[0] == ""
    assert asked("")[0] == ""
    assert asked("http://no-such-host.invalid/whl/cpu")[0] == ""


def test_an_index_that_never_answers_is_left_after_five_seconds():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        option, seconds = asked(f"http://127.0.0.1:{silent.getsockname()[1]}/whl/cpu")
    assert option == ""
    assert seconds < 8


def test_make_asks_the_index_and_says_which_torch_it_took():
    text = (ROOT / "Makefile").read_text()
    assert "TORCH_INDEX ?= https://download.pytorch.org/whl/cpu" in text
    assert 'torch_index.py "$(TORCH_INDEX)"' in text
    assert "torch.__version__" in text
