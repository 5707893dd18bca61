"""The version of bnexp; a source tree that is not installed has no other place to read it from."""

__version__ = "0.1.0"
