"""Runs with a failure provoked, and what the doctor says of them."""
