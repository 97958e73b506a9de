"""`histoscribe view` and `hs.view`: the URL first, then the sections, until Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
from threading import Event
from urllib.request import urlopen

import pytest

import histoscribe as hs
from histoscribe.errors import DataContractError
from tests.cli.small import histoscribe
from tests.viewer.toys import write_toy

__all__ = ["histoscribe"]


def test_a_page_is_served_beside_python_until_it_is_closed(tmp_path):
    slide, file = write_toy(tmp_path)
    page = hs.view(file, slide=slide, open_browser=False)
    assert b'"S1"' in urlopen(f"{page.url}view.json").read()
    assert urlopen(page.url).headers["Content-Type"].startswith("text/html")
    with pytest.raises(DataContractError, match="cannot be opened"):
        hs.view(file, port=page.server_port, open_browser=False)
    page.close()
    with pytest.raises(OSError, match="refused"):
        urlopen(page.url)


def test_the_command_says_url_sections_and_warnings_and_opens_the_browser(
    histoscribe, tmp_path, monkeypatch
):
    slide, file = write_toy(tmp_path)
    opened, is_open = [], Event()
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or is_open.set())
    monkeypatch.setattr("histoscribe.viewer.server.ViewServer.serve_forever", interrupted)
    done = histoscribe("view", file, "--slide", f"S1={slide}")
    first, *lines = done.out.splitlines()
    assert is_open.wait(30)
    assert opened == [first]
    assert lines == [
        "S1: 20 places, 3 genes",
        "S1: warning: an unusual slide",
        "Ctrl-C ends it",
        "ended",
    ]
    histoscribe("view", file, "--no-open")
    assert opened == [first]


def test_a_slide_given_twice_is_refused(histoscribe, tmp_path):
    slide, file = write_toy(tmp_path)
    done = histoscribe("view", file, "--slide", slide, "--slide", slide, "--no-open")
    assert done.code == 2
    assert "two slides for one section" in done.err


def interrupted(server):
    raise KeyboardInterrupt


def test_a_project_for_tissuumaps_is_written_in_place_of_a_page(histoscribe, tmp_path):
    slide, file = write_toy(tmp_path)
    project = tmp_path / "S1.tmap"
    done = histoscribe("view", file, "--slide", slide, "--tissuumaps", project)
    assert done.out == f"{project}\n"
    assert project.is_file()
    refused = histoscribe("view", file, "--tissuumaps", project)
    assert "its slide with --slide" in refused.err


@pytest.mark.slow
def test_ctrl_c_ends_the_command_without_an_error(tmp_path):
    _, file = write_toy(tmp_path)
    code = "from histoscribe.cli.main import main; main()"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code, "view", str(file), "--no-open"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HISTOSCRIBE_CACHE": str(tmp_path / "cache")},
    ) as process:
        url = process.stdout.readline().strip()
        assert b'"S1"' in urlopen(f"{url}view.json").read()
        with socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0]))):
            process.send_signal(signal.SIGINT)  # an open connection does not hold it
            out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.endswith("ended\n")
