"""Runs on disk: their folders, their stamps, their records, their checkpoints."""
