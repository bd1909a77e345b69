"""Go's text/template, as far as data without methods and functions reaches: what Ollama's models bring
their prompt formats in. The language is that of https://pkg.go.dev/text/template."""
