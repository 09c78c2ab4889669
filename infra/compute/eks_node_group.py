"""A group of EKS's nodes as resources: its machine's template, the group, the autoscaler's tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_aws as aws

from infra.compute.eks_pools import NodePoolSpec
from infra.compute.pools import NVIDIA_GPU

_PLAIN_IMAGE: Final = "AL2023_x86_64_STANDARD"
_GPU_IMAGE: Final = "AL2023_x86_64_NVIDIA"
# A machine has to be found, and a large image with drivers started.
_TIMEOUTS: Final = pulumi.CustomTimeouts(create="40m", update="60m", delete="40m")


@dataclass(frozen=True, kw_only=True)
class NodeGroupPlace:
    """The cluster that a group belongs to."""

    cluster: pulumi.Input[str]
    role_arn: pulumi.Input[str]
    subnets: Sequence[pulumi.Input[str]] | pulumi.Output[Sequence[str]]
    scaler_tag: str | None


def node_group(
    spec: NodePoolSpec,
    place: NodeGroupPlace,
    *,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> aws.eks.NodeGroup:
    """Declare a group of nodes."""
    template = _template(spec, parent)
    group = aws.eks.NodeGroup(
        spec.name,
        aws.eks.NodeGroupArgs(
            cluster_name=place.cluster,
            node_group_name=spec.physical_name,
            node_role_arn=place.role_arn,
            subnet_ids=_subnets(spec, place, parent),
            ami_type=_GPU_IMAGE if spec.accelerator else _PLAIN_IMAGE,
            capacity_type=_capacity(spec),
            instance_types=[spec.machine_type],
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id,
                version=template.latest_version.apply(str),
            ),
            labels=dict(spec.labels) or None,
            taints=[
                aws.eks.NodeGroupTaintArgs(key=NVIDIA_GPU, value="present", effect="NO_SCHEDULE")
            ]
            if spec.accelerator
            else None,
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                min_size=spec.least_nodes, max_size=spec.max_nodes, desired_size=spec.least_nodes
            ),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            node_repair_config=aws.eks.NodeGroupNodeRepairConfigArgs(enabled=True),
        ),
        pulumi.ResourceOptions(
            parent=parent,
            depends_on=[*after],
            custom_timeouts=_TIMEOUTS,
            # The autoscaler's to decide, unless the stack is paused: then it is none.
            ignore_changes=[] if spec.paused else ["scalingConfig.desiredSize"],
        ),
    )
    _tags(spec, place, group, parent)
    return group


def _capacity(spec: NodePoolSpec) -> str:
    if spec.reservation is not None:
        return "ON_DEMAND"
    return "SPOT" if spec.spot else "ON_DEMAND"


def _subnets(
    spec: NodePoolSpec, place: NodeGroupPlace, parent: pulumi.Resource
) -> pulumi.Output[list[str]]:
    """Give the subnets that are in the group's zones, or all."""

    def chosen(ids: Sequence[str]) -> pulumi.Output[list[str]]:
        found = aws.ec2.get_subnets_output(
            filters=[
                aws.ec2.GetSubnetsFilterArgs(name="subnet-id", values=list(ids)),
                aws.ec2.GetSubnetsFilterArgs(name="availability-zone", values=list(spec.zones)),
            ],
            opts=pulumi.InvokeOptions(parent=parent),
        )
        return found.apply(lambda there: sorted(there.ids))

    known: pulumi.Output[Sequence[str]] = (
        place.subnets
        if isinstance(place.subnets, pulumi.Output)
        else pulumi.Output.all(*place.subnets).apply(list)
    )
    return known.apply(lambda ids: chosen(ids) if spec.zones else list(ids))


def _template(spec: NodePoolSpec, parent: pulumi.Resource) -> aws.ec2.LaunchTemplate:
    reservation = spec.reservation
    return aws.ec2.LaunchTemplate(
        spec.name,
        aws.ec2.LaunchTemplateArgs(
            name=spec.physical_name,
            update_default_version=True,
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        volume_size=spec.disk_size_gb, volume_type="gp3", encrypted="true"
                    ),
                )
            ],
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                # A pod never comes to the node's own role.
                http_tokens="required",
                http_put_response_hop_limit=1,
            ),
            capacity_reservation_specification=(
                aws.ec2.LaunchTemplateCapacityReservationSpecificationArgs(
                    capacity_reservation_target=(
                        aws.ec2.LaunchTemplateCapacityReservationSpecificationCapacityReservationTargetArgs(
                            capacity_reservation_id=reservation
                        )
                    )
                )
                if reservation
                else None
            ),
        ),
        pulumi.ResourceOptions(parent=parent),
    )


def _tags(
    spec: NodePoolSpec,
    place: NodeGroupPlace,
    group: aws.eks.NodeGroup,
    parent: pulumi.Resource,
) -> None:
    """Tag the scaling group itself: EKS hands tags of its groups on to nobody."""
    if place.scaler_tag is None:
        return
    scaling_group = group.resources.apply(_scaling_group)
    tags = {
        "k8s.io/cluster-autoscaler/enabled": "true",
        place.scaler_tag: "owned",
        **dict(spec.scaling_tags),
    }
    for key, value in tags.items():
        aws.autoscaling.Tag(
            f"{spec.name}-{key}",
            aws.autoscaling.TagArgs(
                autoscaling_group_name=scaling_group,
                tag=aws.autoscaling.TagTagArgs(key=key, value=value, propagate_at_launch=False),
            ),
            pulumi.ResourceOptions(parent=parent),
        )


def _scaling_group(made: Sequence[Any]) -> str:
    return str(made[0].autoscaling_groups[0].name)
