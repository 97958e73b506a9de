"""Templates of the pages, their style, and names from data made visible."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from histoscribe.printable import printable_lines


@cache  # it keeps its compiled templates
def environment() -> Environment:
    """Templates that escape all text and stop at an unknown name."""
    return Environment(
        loader=PackageLoader("histoscribe", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style() -> Markup:
    """Style sheet of all pages."""
    return Markup((files("histoscribe.report") / "page.css").read_text(encoding="utf-8"))


def _visible(value: object) -> object:
    """Show a name from data without its control characters; markup of the page stays."""
    return printable_lines(value) if type(value) is str else value
