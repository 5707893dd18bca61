"""Runs to processes: stacks, the pool of workers, and what each writes."""
