"""Text of files and users made safe to show: control characters become their escapes.

A name may hold a line end, an ANSI sequence that colours or clears a terminal, or a mark that
turns the direction of writing. Data keep their names; only what people read is escaped.
"""


def printable(text: str) -> str:
    r"""Show one line: every character that cannot be seen becomes its escape, as `repr` does.

    >>> print(printable("a\x1b[31mred\n.tif"))
    a\x1b[31mred\n.tif
    >>> print(printable("ERBB2 (µm)"), printable("to\u202ekcilc"), printable("bad\udcff"))
    ERBB2 (µm) to\u202ekcilc bad\udcff
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def printable_lines(text: str) -> str:
    r"""Show a text of several lines: as `printable`, and its line ends stay.

    >>> printable_lines("two\nlines\x07")
    'two\nlines\\x07'
    """
    return "\n".join(map(printable, text.split("\n")))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def counted(number: int, noun: str) -> str:
    """Number with its noun.

    >>> counted(1, "fold"), counted(8, "fold")
    ('1 fold', '8 folds')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
