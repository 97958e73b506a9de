"""A finished run as one page, and several runs side by side."""

from histoscribe.report.comparison import compare
from histoscribe.report.page import write

__all__ = ["compare", "write"]
