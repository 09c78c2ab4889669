"""Typed stack configuration: parse (pure) and load (from Pulumi)."""
