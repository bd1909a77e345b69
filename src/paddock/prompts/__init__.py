"""From messages to prompt, and from the model's text back to thinking and answer."""
