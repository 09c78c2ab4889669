"""Addresses that Cloud Monitoring mails, each once in a stack, whoever has something to tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pulumi
import pulumi_gcp as gcp

COMPONENT_TYPE: Final = "servestack:observe:GcpMails"


@dataclass(frozen=True, kw_only=True)
class GcpMailsArgs:
    """Whom to mail. `was_in` is the URN of the component that had the channels before."""

    title: str
    project: str
    emails: Sequence[str]
    labels: Mapping[str, str] = field(default_factory=dict)
    was_in: pulumi.Input[str] | None = None


class GcpMails(pulumi.ComponentResource):
    """`channels` has the full name of each address's channel."""

    channels: Mapping[str, pulumi.Output[str]]

    def __init__(
        self, name: str, args: GcpMailsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__(COMPONENT_TYPE, name, None, opts)
        child = pulumi.ResourceOptions(
            parent=self, aliases=[pulumi.Alias(parent=args.was_in)] if args.was_in else None
        )
        self.channels = {
            email: gcp.monitoring.NotificationChannel(
                email,
                gcp.monitoring.NotificationChannelArgs(
                    project=args.project,
                    type="email",
                    display_name=f"{args.title}: {email}",
                    labels={"email_address": email},
                    user_labels=dict(args.labels),
                ),
                child,
            ).name
            for email in dict.fromkeys(args.emails)
        }
        self.register_outputs({"channels": dict(self.channels)})
