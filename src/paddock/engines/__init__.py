"""Engines: what the machine offers, how an engine is started, and how a running one is spoken to."""
