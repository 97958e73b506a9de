"""Files of the page itself: read once from the package, and known by their names."""

from collections.abc import Mapping
from importlib.resources import files

from histoscribe.viewer.answers import Answer

PAGE = "index.html"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def static_files() -> Mapping[str, Answer]:
    """Content of each page file by name; files of other kinds are not served."""
    folder = files("histoscribe.viewer").joinpath("static")
    named = [(item, "." + item.name.rpartition(".")[2]) for item in folder.iterdir()]
    return {
        item.name: Answer(_KINDS[ending], item.read_bytes())
        for item, ending in named
        if ending in _KINDS and item.is_file()
    }
