"""The validity report as a page: one HTML file with its pictures inside, to be looked at and printed."""

from rlhb.report_page.page import report_html

__all__ = ["report_html"]
