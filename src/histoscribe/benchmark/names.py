"""Names from data as names of files: distinct names stay distinct files."""

from hashlib import sha256
from urllib.parse import quote

_LONGEST = 200  # bytes; the limit is 255, and files carry an ending


def file_name(name: str) -> str:
    """Give a name as one path part that every file system takes.

    Everything but letters, digits and `_-~+().` becomes its percent code, so two names never
    share a file; a very long one is shortened, with its hash.

    >>> file_name("HLA-DRB1.2"), file_name("A/B"), file_name("A%2FB"), file_name("..")
    ('HLA-DRB1.2', 'A%2FB', 'A%252FB', '%2E.')
    """
    quoted = quote(name, safe="+()")
    if quoted.startswith("."):  # neither a hidden file nor the folder above
        quoted = f"%2E{quoted[1:]}"
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{quoted[:40]}...{sha256(name.encode()).hexdigest()[:12]}"
