"""From the model's text back to what it means: thoughts, calls and the answer.

A Format is chosen from what a model's template contains; its splitter takes one reply apart while it is being
written. A module a format; `formats` chooses among them.
"""
