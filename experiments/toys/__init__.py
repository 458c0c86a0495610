"""Points, where theory says what must come out."""
