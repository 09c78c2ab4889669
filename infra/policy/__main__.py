"""Where the engine starts the pack."""

from infra.policy.pack import make_pack

make_pack()
