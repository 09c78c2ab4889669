"""The policy pack: what must hold of a stack's resources and configuration before it is deployed.

`pulumi preview --policy-pack infra/policy` runs it.
"""
