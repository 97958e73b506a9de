"""Held-out patients in, an honest table out."""

from histoscribe.rooms import answers_for

answers_for(__name__, "histoscribe.benchmark.run")
