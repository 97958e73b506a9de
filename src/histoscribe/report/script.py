"""Scripts and data inside a page; data cannot end or start a script."""

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files

from histoscribe.printable import printable

_OWN = (
    *("data", "palette", "charts", "models", "genes", "table"),
    *("lens", "panels", "maps", "targets", "page"),
)


def own_script() -> str:
    """Script of the page, its parts in the order of their dependencies."""
    folder = files("histoscribe.report") / "scripts"
    parts = [(folder / f"{name}.js").read_text(encoding="utf-8") for name in _OWN]
    return '"use strict";\n' + "\n".join(parts)


def chart_script() -> str:
    """Script of Chart.js, without the address of its source map, which a page must not load."""
    path = files("histoscribe.report") / "scripts" / "vendor" / "chart.umd.min.js"
    script, _, _ = path.read_text(encoding="utf-8").partition("//# sourceMappingURL")
    return script


def json_for_script(value: object) -> str:
    r"""JSON that stays data inside `<script>`, whatever names it holds; see `printable`.

    >>> json_for_script(["</script><!--"])
    '["\\u003c/script\\u003e\\u003c!--"]'
    """
    # U+2028 would end a line of a script: json escapes all that is not ASCII
    text = json.dumps(_visible(value), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _visible(value: object) -> object:
    """Show names, also those of keys, without control characters."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {_visible(key): _visible(of) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [_visible(item) for item in value]
    return value


def content_policy(*scripts: str) -> str:
    """Content policy of the page: run these scripts, load nothing from elsewhere."""
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _hash(script: str) -> str:
    return b64encode(sha256(script.encode("utf-8")).digest()).decode("ascii")
