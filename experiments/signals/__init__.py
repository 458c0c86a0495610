"""Sound and the signals of machines: games whose examples have one axis of time."""
