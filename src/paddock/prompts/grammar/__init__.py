"""Constrained answers: JSON schemas as grammars, a client's own grammar checked, thoughts before either."""

from __future__ import annotations

from paddock.prompts.grammar.convert import of_json, of_schema
from paddock.prompts.grammar.gbnf import Grammar
from paddock.prompts.grammar.reading import of_text
from paddock.prompts.grammar.thought import Thought, after_thought

__all__ = ["Grammar", "Thought", "after_thought", "of_json", "of_schema", "of_text"]
