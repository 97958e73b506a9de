"""Addresses of the page: a fixed grammar, whose numbers and words select an answer."""

import re
from collections.abc import Callable, Mapping

from histoscribe.viewer.answers import Answer, Answers

Route = Callable[[re.Match[str], Answers], Answer | None]
_N = r"(\d{1,7})"  # an index
_ROUTES: Mapping[str, Route] = {
    r"view\.json": lambda _, of: of.views(),
    rf"s/{_N}/section\.json": lambda m, of: of.section(int(m[1])),
    rf"s/{_N}/places\.bin": lambda m, of: of.places(int(m[1])),
    rf"s/{_N}/places\.json": lambda m, of: of.place_ids(int(m[1])),
    rf"s/{_N}/tile/(\d{{1,2}})/{_N}_{_N}\.jpg": lambda m, of: of.tile(*map(int, m.groups())),
    rf"s/{_N}/gene/{_N}/predicted\.bin": lambda m, of: of.gene(int(m[1]), int(m[2]), "predicted"),
    rf"s/{_N}/gene/{_N}/measured\.bin": lambda m, of: of.gene(int(m[1]), int(m[2]), "measured"),
    rf"s/{_N}/gene/{_N}/difference\.bin": lambda m, of: of.gene(int(m[1]), int(m[2]), "difference"),
    rf"s/{_N}/fact/{_N}\.bin": lambda m, of: of.fact(int(m[1]), int(m[2])),
    rf"s/{_N}/evidence/{_N}/{_N}\.bin": lambda m, of: of.evidence(*map(int, m.groups())),
    rf"s/{_N}/findings/{_N}\.jpg": lambda m, of: of.finding_picture(int(m[1]), int(m[2])),
    rf"s/{_N}/exemplars/{_N}\.json": lambda m, of: of.exemplars(int(m[1]), int(m[2])),
    rf"s/{_N}/exemplars/{_N}/{_N}\.jpg": lambda m, of: of.exemplar_tile(*map(int, m.groups())),
}
_GRAMMAR = tuple((re.compile(pattern, re.ASCII), route) for pattern, route in _ROUTES.items())


def routed(address: str, answers: Answers) -> Answer | None:
    """Answer a request by its address below the token; None if the grammar lacks it.

    No part of an address becomes part of a path: it is compared with fixed words, or is a number.
    """
    for pattern, route in _GRAMMAR:
        if match := pattern.fullmatch(address):
            return route(match, answers)
    return None
