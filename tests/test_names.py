"""Names and summaries that a reader understands at first reading."""

import ast
import re
from collections import Counter
from itertools import chain

from tests.test_style import TREES

FORBIDDEN = {"seen", "shown", "asked", "chosen", "found", "wanted", "look", "held", "own"}
FORBIDDEN |= {"here", "there", "beside"}
"""Words that say that something happened, or where, but not to what."""
FUNCTION_WORDS = set(
    re.findall(
        r"\w+",
        """
a about after all also among an and another any are as at be because been before being between
both but by can could did do does each every for from had has have he her here his how i if in
into is it its may might must my no none nor not of on only onto or other our over shall she
should since so some such than that the their them there these they this those to too under until
very was we were what when where which while who whom whose why will with without would yet you
your
""",
    )
)
MOST_FUNCTION_WORDS = 0.6
"""Share of a docstring's first sentence."""
KEPT = {"errors.py: found"}
"""Every error message has three parts: what was found, what was expected, and the remedy."""


def test_public_names_are_nouns_of_the_field():
    named = [
        f"{path}: {name}"
        for path, tree in TREES.items()
        for name in public_names(tree)
        if name in FORBIDDEN or path.stem in FORBIDDEN
    ]
    assert sorted(set(named) - KEPT) == []


def test_no_public_class_has_two_meanings():
    classes = [
        node.name
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert [name for name, n in Counter(classes).items() if n > 1] == []


def test_no_module_name_is_used_twice_in_the_rooms_of_data_and_training():
    rooms = ("train", "data", "predictor", "io")
    stems = Counter(path.stem for path in TREES if path.parts[0] in rooms)
    assert [name for name, n in stems.items() if n > 1 and name != "__init__"] == []


def test_a_summary_says_more_than_function_words():
    vague = [
        f"{path}: {text}"
        for path, tree in TREES.items()
        for text in summaries(tree)
        if function_share(text) > MOST_FUNCTION_WORDS
    ]
    assert vague == []


def public_names(tree):
    """Functions, classes, constants, fields and the parameters of public functions."""
    for node in ast.walk(tree):
        body = node.body if isinstance(node, ast.ClassDef | ast.Module) else []
        for item in body:
            yield from assigned(item)
            if isinstance(item, ast.FunctionDef | ast.ClassDef):
                yield item.name
            if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                arguments = item.args
                yield from (a.arg for a in chain(arguments.args, arguments.kwonlyargs))


def assigned(item):
    targets = item.targets if isinstance(item, ast.Assign) else [getattr(item, "target", None)]
    return [target.id.lower() for target in targets if isinstance(target, ast.Name)]


def summaries(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node) or ""
            yield text.split("\n\n")[0].replace("\n", " ")


def function_share(text):
    words = re.findall(r"[a-z']+", text.lower())
    return sum(word in FUNCTION_WORDS for word in words) / max(len(words), 1)


def test_the_share_of_function_words_is_measured():
    assert function_share("All that may be shown of some spots.") > MOST_FUNCTION_WORDS
    assert function_share("Pearson correlation of each gene over the spots.") < MOST_FUNCTION_WORDS
