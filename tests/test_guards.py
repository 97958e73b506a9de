"""docs/guards.md promises tests; here it is held to that."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROWS = re.findall(
    r"^\| (\d+) \|(.*)\|(.*)\|(.*)\|$", (ROOT / "docs" / "guards.md").read_text("utf-8"), re.M
)


def test_every_pitfall_is_listed_once_and_in_order():
    assert [int(row[0]) for row in ROWS] == list(range(1, 38))


def test_every_guard_names_a_test_or_says_that_it_is_open():
    assert [row[0] for row in ROWS if not re.search(r"`test_\w+`|^ open", row[3])] == []


def test_every_test_named_as_a_guard_exists():
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*def (test_\w+)\(", path.read_text("utf-8"), re.M)
    }
    named = {name for row in ROWS for name in re.findall(r"`(test_\w+)`", row[3])}
    assert sorted(named - defined) == []
