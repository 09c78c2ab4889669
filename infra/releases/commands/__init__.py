"""The commands of `servestack`, a module each: options in, one operation, one clear answer out.

`infra.releases.cli` knows them by name and imports one when it is asked for. So each may import
what it needs at its top.
"""
