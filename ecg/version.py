"""One version for all arithmetic; it travels with every number."""

VERSION = "0.5.0"
