"""Glyphs with captions and boxes: conditions that are words and places."""
