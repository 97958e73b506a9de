"""Benchmarks of models on held-out patients."""

from histoscribe.rooms import answers_for

answers_for(__name__, "histoscribe.benchmark.run")
