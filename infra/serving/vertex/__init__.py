"""Serving by Vertex AI: registry models, their versions and aliases, endpoints and deployments.

What is decided is pure (`container`, `aliases`, `identity`, `specs`); `api` speaks to Google's own
client and is loaded by `pulumi up` only; `resources` is the thin skin that the engine sees.
"""
