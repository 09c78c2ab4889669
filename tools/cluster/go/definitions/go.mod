// Nothing is built here: definitions.py fetches modules, and checks their sums itself.
module servestack/cluster/definitions

go 1.24.0
