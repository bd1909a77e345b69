"""Constrained answers: JSON schemas as grammars, a client's own grammar checked, thoughts before either."""

from __future__ import annotations

from paddock.prompts.grammar.convert import of_json, of_schema
from paddock.prompts.grammar.gbnf import Grammar

__all__ = ["Grammar", "of_json", "of_schema"]
