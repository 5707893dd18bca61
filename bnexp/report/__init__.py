"""Records to verdicts, tables, figures and the summary in TensorBoard; never trains."""


class ReportError(Exception):
    """What stands in the way of a report; the message says where, and what to do."""
