"""Downloads from a server on this machine: whole and right, or not there at all."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts import catalog
from histoscribe.io.cohorts.catalog_records import DataSet, PublicFile, PublicSection
from histoscribe.io.cohorts.download import LOCK, default_folder, fetch, local_files
from histoscribe.io.cohorts.published import PUBLISHED, Checksum
from tests.cli.small import histoscribe

__all__ = ["histoscribe"]

CONTENT = {"a.tsv": b"a table\n" * 300, "b.jpg": b"\xff\xd8 a picture" * 50, "c.tsv": b"spots\n"}


class Server:
    """What it serves may be changed; `asked` is what was asked for, in order."""

    def __init__(self) -> None:
        self.content = dict(CONTENT)
        self.cut: set[str] = set()
        """Files whose connection breaks off half-way."""
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.lstrip("/")
                server.asked.append(name)
                body = server.content.get(name)
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write((body or b"")[: len(body or b"") // (1 + (name in server.cut))])

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server():
    serving = Server()
    thread = threading.Thread(target=serving.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield serving
    serving.http.shutdown()
    serving.http.server_close()
    thread.join()


@pytest.fixture
def tiny(server, monkeypatch):
    """A data set in the catalog, served by the server; nothing of it is known."""
    roles = {"counts": "a.tsv", "image": "b.jpg", "spots": "c.tsv"}
    files = tuple(
        PublicFile(role, (name,), "https://example.org/page", f"{server.address}/{name}")
        for role, name in roles.items()
    )
    entry = DataSet(
        name="tiny",
        title="a tiny data set",
        source="https://example.org",
        licence="CC0",
        paper="10.1/1",
        kind="st",
        folder="tiny",
        sections=(PublicSection("S", "P", files),),
    )
    monkeypatch.setitem(catalog.CATALOG, "tiny", entry)
    return entry


def known(monkeypatch, **content: bytes) -> None:
    """Write checksums into what is known: `known(monkeypatch, a=b"...")` for a.tsv."""
    for stem, body in content.items():
        name = next(name for name in CONTENT if name.startswith(stem))
        checksum = Checksum(hashlib.sha256(body).hexdigest(), len(body))
        monkeypatch.setitem(PUBLISHED, f"tiny/{name}", checksum)


def there(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_every_file_comes_whole_and_its_first_checksum_is_written_down(tiny, server, tmp_path):
    assert fetch(tiny, tmp_path) == 3
    for name, body in CONTENT.items():
        assert (tmp_path / "tiny" / name).read_bytes() == body
    lock = json.loads((tmp_path / "tiny" / LOCK).read_text())
    assert lock["a.tsv"] == {
        "url": f"{server.address}/a.tsv",
        "sha256": hashlib.sha256(CONTENT["a.tsv"]).hexdigest(),
        "bytes": len(CONTENT["a.tsv"]),
    }


def test_what_is_there_is_not_asked_for_again(tiny, server, tmp_path):
    fetch(tiny, tmp_path)
    server.asked.clear()
    assert fetch(tiny, tmp_path) == 0
    assert server.asked == []


def test_a_wrong_checksum_leaves_nothing_behind_and_gives_one_message(tiny, tmp_path, monkeypatch):
    known(monkeypatch, a=b"another table", b=CONTENT["b.jpg"])
    with pytest.raises(DataContractError, match="of the published file") as caught:
        fetch(tiny, tmp_path)
    (problem,) = caught.value.problems
    assert hashlib.sha256(CONTENT["a.tsv"]).hexdigest() in problem.found
    assert there(tmp_path) == ["b.jpg", "c.tsv", LOCK]
    lock = json.loads((tmp_path / "tiny" / LOCK).read_text())
    assert list(lock) == ["c.tsv"]  # what is known needs no trust


def test_a_file_that_changed_since_its_first_download_is_refused(tiny, server, tmp_path):
    fetch(tiny, tmp_path)
    (tmp_path / "tiny" / "c.tsv").unlink()
    server.content["c.tsv"] = b"other spots\n"
    with pytest.raises(DataContractError, match="as first downloaded"):
        fetch(tiny, tmp_path)
    assert there(tmp_path) == ["a.tsv", "b.jpg", LOCK]


def test_a_download_that_breaks_off_goes_on_where_it_was(tiny, server, tmp_path):
    server.cut.add("b.jpg")
    with pytest.raises(DataContractError, match="finished files are kept") as caught:
        fetch(tiny, tmp_path)
    assert len(caught.value.problems) == 1
    assert there(tmp_path) == ["a.tsv", "c.tsv", LOCK]
    server.cut.clear()
    server.asked.clear()
    assert fetch(tiny, tmp_path) == 1
    assert server.asked == ["b.jpg"]
    assert (tmp_path / "tiny" / "b.jpg").read_bytes() == CONTENT["b.jpg"]


def test_without_a_connection_one_message_comes_at_once(tiny, server, tmp_path):
    server.http.shutdown()
    server.http.server_close()
    with pytest.raises(DataContractError, match="2 more files were not tried") as caught:
        fetch(tiny, tmp_path)
    assert len(caught.value.problems) == 1
    assert there(tmp_path) == []


def test_a_missing_file_of_the_server_is_told_with_its_page(tiny, server, tmp_path):
    del server.content["a.tsv"]
    with pytest.raises(DataContractError, match=r"404.*\n.*\n.*https://example\.org/page"):
        fetch(tiny, tmp_path)


def test_leftovers_of_a_killed_download_go(tiny, tmp_path):
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / ".histoscribe-x.tsv").write_bytes(b"half")
    fetch(tiny, tmp_path)
    assert there(tmp_path) == ["a.tsv", "b.jpg", "c.tsv", LOCK]


def test_local_files_are_told_apart(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    known(monkeypatch, b=CONTENT["b.jpg"])
    fetch(tiny, tmp_path)
    (tmp_path / "tiny" / "c.tsv").unlink()
    states = {file.file.place: file.state for file in local_files(tiny)}
    assert states == {"a.tsv": "as first downloaded", "b.jpg": "published", "c.tsv": "missing"}
    (tmp_path / "tiny" / LOCK).unlink()
    (tmp_path / "tiny" / "b.jpg").write_bytes(b"another picture")
    states = {file.file.place: file.state for file in local_files(tiny)}
    assert states == {"a.tsv": "not verified", "b.jpg": "differs", "c.tsv": "missing"}


def test_downloads_go_to_the_data_folder_else_to_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HISTOSCRIBE_DATA", raising=False)
    assert default_folder() == tmp_path / "cache" / "data"
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path / "data"))
    assert default_folder() == tmp_path / "data"


def test_the_verb_fetches_shows_and_uses_a_data_set(tiny, histoscribe, monkeypatch, tmp_path):
    monkeypatch.delenv("HISTOSCRIBE_DATA", raising=False)
    assert "tiny: a tiny data set" in histoscribe("data").out
    before = histoscribe("data", "tiny")
    assert before.code == 0
    assert before.out.count("not here: ") == 3
    done = histoscribe("data", "tiny", "--fetch")
    assert done.code == 0
    assert "3 files downloaded" in done.out
    (source,) = catalog.catalog_sources("tiny")  # found in the cache folder, without a setting
    assert source.counts.read_bytes() == CONTENT["a.tsv"]
    after = histoscribe("data", "tiny")
    assert "3 as first downloaded" in after.out
    source.counts.write_bytes(b"changed")
    broken = histoscribe("data", "tiny")
    assert broken.code == 2
    assert "1 problem" in broken.err


def test_the_verb_takes_a_folder_and_says_how_to_use_it(tiny, histoscribe, tmp_path):
    done = histoscribe("data", "tiny", "--fetch", "--to", tmp_path / "here")
    assert there(tmp_path / "here") == ["a.tsv", "b.jpg", "c.tsv", LOCK]
    assert f"set HISTOSCRIBE_DATA={tmp_path / 'here'}" in done.out
    assert histoscribe("data", "tiny", "--to", tmp_path).code == 2
    assert histoscribe("data", "--fetch").code == 2
    assert "one of her2st" in histoscribe("data", "tny").err


def test_a_data_set_without_addresses_says_how_to_get_it(histoscribe):
    done = histoscribe("data", "hest", "--fetch")
    assert done.code == 2
    assert "hf download MahmoodLab/hest" in done.err
