"""Names like a misspelt one, for messages."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Ask for the names most like this one; capitals do not count.

    >>> did_you_mean("Ridgee", ["mean", "ridge"], "choose one")
    'did you mean ridge?'
    >>> did_you_mean("x", ["mean", "ridge"], "choose one")
    'choose one'
    """
    by_spelling = {word.casefold(): word for word in known}
    plain = name.casefold()
    near = [plain] if plain in by_spelling else get_close_matches(plain, list(by_spelling), n=3)
    return f"did you mean {' or '.join(by_spelling[word] for word in near)}?" if near else otherwise


def each_meant(names: Iterable[str], known: Iterable[str], otherwise: str) -> str:
    """Ask the same for several names, in one line.

    >>> each_meant(["A", "S3x"], ["S1", "S3"], "correct the names")
    'S3x: did you mean S3?'
    """
    words = list(known)
    meant = {name: did_you_mean(name, words, "") for name in names}
    return "; ".join(f"{name}: {said}" for name, said in meant.items() if said) or otherwise
