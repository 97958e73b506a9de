"""Questions that can be put to predictors; every answer is a `Finding`."""

from histoscribe.rooms import answers_for

answers_for(__name__, "histoscribe.explain.run")
