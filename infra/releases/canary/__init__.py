"""Canaries: where a trial stands, what it must show, and what comes next."""
