"""The Pulumi engine of this checkout: found, fetched or built, and the environment it runs in."""
