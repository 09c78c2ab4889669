"""Who is who in a cluster for tests: a certificate authority, certificates, tokens, kubeconfigs.

Everything is made anew for each cluster, is valid for a day, and lies in a directory that only its
owner reads. EC keys, because an RSA key takes longer than the rest of the start.
"""

import base64
import datetime as dt
import ipaddress
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NODE_NAME: Final = "node-0"
# Each token's user and groups, as the API server's token file has them.
_USERS: Final = {
    "admin": ("admin", "system:masters"),
    "kubelet": (f"system:node:{NODE_NAME}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", ""),
}


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The files that the processes of one cluster are started with, and each user's token."""

    directory: Path
    tokens: dict[str, str]

    def file(self, name: str) -> str:
        """Return the path of one file, as a flag takes it."""
        return str(self.directory / name)

    def kubeconfig(self, user: str, server: str, *, context: str = "test") -> str:
        """Return a kubeconfig (JSON is YAML) that holds all it needs."""
        authority = base64.b64encode((self.directory / "ca.crt").read_bytes()).decode()
        cluster = {"server": server, "certificate-authority-data": authority}
        where = {"cluster": context, "user": context, "namespace": "default"}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": context, "context": where}],
            "current-context": context,
        }
        return json.dumps(document, indent=1)


def make_credentials(directory: Path) -> Credentials:
    """Write the files of a new cluster."""
    directory.mkdir(mode=0o700, parents=True)
    authority = _Authority()
    (directory / "ca.crt").write_bytes(authority.certificate.public_bytes(_PEM))
    server_names = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.DNSName("localhost"),
        x509.DNSName("kubernetes.default.svc"),
    ]
    authority.issue(directory / "apiserver", "kube-apiserver", names=server_names)
    authority.issue(
        directory / "kubelet-client", "kube-apiserver-kubelet-client", group="system:masters"
    )
    service_accounts = ec.generate_private_key(ec.SECP256R1())
    (directory / "service-accounts.key").write_bytes(_private(service_accounts))
    (directory / "service-accounts.pub").write_bytes(
        service_accounts.public_key().public_bytes(
            _PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    tokens = {user: secrets.token_hex(16) for user in _USERS}
    lines = (
        f'{tokens[user]},{name},{name},"{groups}"\n' for user, (name, groups) in _USERS.items()
    )
    (directory / "tokens.csv").write_text("".join(lines))
    return Credentials(directory=directory, tokens=tokens)


_PEM: Final = serialization.Encoding.PEM


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class _Authority:
    """Signs the certificates of one cluster."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-ca")])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        self.certificate = (
            self._builder(self.name, self.key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def issue(
        self,
        base: Path,
        common_name: str,
        *,
        group: str | None = None,
        names: Sequence[x509.GeneralName] = (),
    ) -> None:
        """Write `base`.key and `base`.crt: a server's where it has names, else a client's."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
        if group:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._builder(x509.Name(attributes), key).add_extension(
            x509.ExtendedKeyUsage([purpose]), critical=False
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        base.with_suffix(".key").write_bytes(_private(key))
        certificate = builder.sign(self.key, hashes.SHA256())
        base.with_suffix(".crt").write_bytes(certificate.public_bytes(_PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            # Clocks of one machine differ by nothing, but certificates have whole seconds.
            .not_valid_before(now - dt.timedelta(minutes=1))
            .not_valid_after(now + dt.timedelta(days=1))
        )
