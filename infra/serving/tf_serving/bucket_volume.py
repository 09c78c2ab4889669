"""A bucket as a volume of a cluster: a directory of its nodes, or S3 by the Mountpoint driver.

Read by all models of a namespace. A claim stands between pods and the volume,
so that pods pass the restricted Pod Security standard, which lets none mount a node's directory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes.core.v1 import (
    CSIPersistentVolumeSourceArgs,
    HostPathVolumeSourceArgs,
    ObjectReferenceArgs,
    PersistentVolume,
    PersistentVolumeClaim,
    PersistentVolumeClaimSpecArgs,
    PersistentVolumeSpecArgs,
    VolumeResourceRequirementsArgs,
)
from pulumi_kubernetes.meta.v1 import ObjectMetaArgs

COMPONENT_TYPE: Final = "servestack:serving:BucketVolume"
MOUNTPOINT_DRIVER: Final = "s3.csi.aws.com"
# Kubernetes wants a size; neither kind of volume has one.
_NO_SIZE: Final = "1Ti"


@dataclass(frozen=True, kw_only=True)
class NodeDirectory:
    """A directory that every node has."""

    path: str


@dataclass(frozen=True, kw_only=True)
class MountpointBucket:
    """s3://BUCKET or a folder in it, mounted by AWS's driver with the driver's own identity."""

    url: str
    region: str | None = None


@dataclass(frozen=True, kw_only=True)
class BucketVolumeArgs:
    """What is mounted, and what the volume and the claim are called."""

    volume: str
    claim: str
    namespace: str
    place: NodeDirectory | MountpointBucket


class BucketVolume(pulumi.ComponentResource):
    """A volume that shows a bucket, and the namespace's claim to it."""

    claim: pulumi.Output[str]

    def __init__(
        self, name: str, args: BucketVolumeArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        volume = PersistentVolume(
            name,
            metadata=ObjectMetaArgs(name=args.volume),
            spec=_volume(args),
            opts=child,
        )
        claim = PersistentVolumeClaim(
            name,
            metadata=ObjectMetaArgs(name=args.claim, namespace=args.namespace),
            spec=PersistentVolumeClaimSpecArgs(
                access_modes=[_mode(args.place)],
                # No class: it is to have just this volume, and none shall be made for it.
                storage_class_name="",
                volume_name=args.volume,
                resources=VolumeResourceRequirementsArgs(requests={"storage": _NO_SIZE}),
            ),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[volume]),
        )
        self.claim = claim.metadata.apply(lambda metadata: str(metadata.name))
        self.register_outputs({"claim": self.claim})


def _volume(args: BucketVolumeArgs) -> PersistentVolumeSpecArgs:
    place = args.place
    is_directory = isinstance(place, NodeDirectory)
    return PersistentVolumeSpecArgs(
        capacity={"storage": _NO_SIZE},
        access_modes=[_mode(place)],
        # Deleting the claim never touches what is in the bucket.
        persistent_volume_reclaim_policy="Retain",
        storage_class_name="",
        claim_ref=ObjectReferenceArgs(
            api_version="v1",
            kind="PersistentVolumeClaim",
            namespace=args.namespace,
            name=args.claim,
        ),
        host_path=(
            HostPathVolumeSourceArgs(path=place.path, type="Directory")
            if isinstance(place, NodeDirectory)
            else None
        ),
        mount_options=None if is_directory else _mount_options(place),
        csi=(
            CSIPersistentVolumeSourceArgs(
                driver=MOUNTPOINT_DRIVER,
                # Two volumes of one handle are one to the driver.
                volume_handle=args.volume,
                read_only=True,
                volume_attributes=_attributes(place),
            )
            if isinstance(place, MountpointBucket)
            else None
        ),
    )


def _mode(place: NodeDirectory | MountpointBucket) -> str:
    # Servers mount it read-only; what converts a version publishes through it.
    return "ReadWriteMany" if isinstance(place, NodeDirectory) else "ReadOnlyMany"


def _mount_options(place: NodeDirectory | MountpointBucket) -> list[str] | None:
    if isinstance(place, NodeDirectory):
        return None
    prefix = urlsplit(place.url).path.strip("/")
    options = ["read-only", "allow-other"]
    if prefix:
        options.append(f"prefix {prefix}/")
    if place.region:
        options.append(f"region {place.region}")
    return options


def _attributes(place: MountpointBucket) -> Mapping[str, str]:
    return {"bucketName": urlsplit(place.url).netloc}
