"""A finished run as one page, findings as a page, and several runs side by side."""

from histoscribe.report.comparison import compare
from histoscribe.report.comparison_page import write_comparison
from histoscribe.report.page import write, write_findings

__all__ = ["compare", "write", "write_comparison", "write_findings"]
