"""The sections of a stack file, each in a module of its own."""
