"""What a stack declares on each platform: configuration in, components joined, outputs out.

A module a platform, and only the running stack's is imported: each brings its cloud's SDK. They
take the whole typed configuration apart into components' plain arguments, and never export.
"""
