"""Records to verdicts, tables, figures and the summary in TensorBoard; never trains."""
