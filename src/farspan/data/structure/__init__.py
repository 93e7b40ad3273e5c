"""Documents of many formats as text with levels: sections, paragraphs, sentences."""
