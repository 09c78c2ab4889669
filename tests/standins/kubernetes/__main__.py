"""`pulumi-resource-kubernetes`, as the launcher on PATH starts it."""

from tests.standins.kubernetes.provider import Kubernetes
from tests.standins.provider import serve

serve(Kubernetes())
