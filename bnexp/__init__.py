"""Check the claims of the Batch Normalization paper (Ioffe & Szegedy 2015) on your own machine."""

__version__ = "0.1.0"
