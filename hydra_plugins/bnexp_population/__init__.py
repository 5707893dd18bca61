"""Hydra's launcher and sweeper for populations."""
