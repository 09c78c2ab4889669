"""Releases over the Automation API: plan, roll out, roll back, report."""
