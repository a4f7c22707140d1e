"""Keys and certificates of the county: its own CA, the broker, the hub, and each station.

P-256 throughout: small handshakes count on a 64 kbit/s line. A key is written once, mode 0600, and
never leaves the folder it is made in. `now` is handed in: a box may have no clock.
"""

import ipaddress
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocols import bundle
from protocols.errors import BundleError
from provisioning.errors import CertificateError

CA_YEARS = 20
LEAF_DAYS = 366
_BACKDATE = timedelta(days=2)
"""A box whose clock is a day behind must still find its certificate valid."""


def make_ca(folder: Path, county: str, now: datetime) -> None:
    """Make ca.key and ca.crt in `folder`; an existing CA is kept."""
    if (folder / "ca.crt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    key = _make_key(folder / "ca.key")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{county} county CA")])
    certificate = (
        _builder(name, name, key.public_key(), now, timedelta(days=366 * CA_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_certificate(folder / "ca.crt", certificate)


def make_leaf(
    ca_folder: Path, folder: Path, stem: str, common_name: str, now: datetime, *, hosts: tuple[str, ...] = ()
) -> None:
    """Make <stem>.key and <stem>.crt, signed by the CA; with `hosts` it is a server's, else a client's.

    Existing ones are kept. Raises CertificateError if the CA cannot be read.
    """
    if (folder / f"{stem}.crt").exists():
        return
    ca_key, ca_certificate = _load_ca(ca_folder)
    folder.mkdir(parents=True, exist_ok=True)
    key_file = folder / f"{stem}.key"
    key = _load_key(key_file) if key_file.exists() else _make_key(key_file)
    usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        _builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]),
            ca_certificate.subject,
            key.public_key(),
            now,
            timedelta(days=LEAF_DAYS),
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
        )
    _write_certificate(folder / f"{stem}.crt", builder.sign(ca_key, hashes.SHA256()))


def make_bundle_key(folder: Path) -> None:
    """Make hub_bundle.key and hub_bundle.pub (X25519, PEM): what stations encrypt bundles to.

    An existing key is kept: a bundle may be on its way. Its public half is written anew.
    """
    file = folder / "hub_bundle.key"
    if not file.exists():
        write_secret(
            file,
            X25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )
    try:
        public = bundle.private_key(file.read_bytes()).public_key()
    except BundleError as error:
        raise CertificateError(f"{file}: {error}") from None
    (folder / "hub_bundle.pub").write_bytes(
        public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def check_leaf(ca_folder: Path, certificate_file: Path, now: datetime) -> str:
    """The common name of a certificate of this county that is valid now. Raises CertificateError."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        ca = x509.load_pem_x509_certificate((ca_folder / "ca.crt").read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateError(f"{certificate_file} or the CA cannot be read: {error}") from None
    try:
        certificate.verify_directly_issued_by(ca)
    except (InvalidSignature, ValueError, TypeError):
        raise CertificateError(f"{certificate_file} was not signed by this county's CA") from None
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise CertificateError(
            f"{certificate_file} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} to "
            f"{certificate.not_valid_after_utc:%Y-%m-%d}: make a new one, or set the clock"
        )
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, lasts: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + lasts)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _make_key(file: Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    write_secret(
        file,
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
    return key


def write_secret(file: Path, data: bytes) -> None:
    """Write a file only its owner may read; it is whole or it is not there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(file.name + ".new")
    temporary.touch(mode=0o600)
    temporary.chmod(0o600)
    temporary.write_bytes(data)
    temporary.replace(file)


def _write_certificate(file: Path, certificate: x509.Certificate) -> None:
    temporary = file.with_name(file.name + ".new")
    temporary.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    temporary.replace(file)


def _load_key(file: Path) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise CertificateError(f"{file} cannot be read: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CertificateError(f"{file} is not a P-256 key")
    return key


def _load_ca(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = _load_key(folder / "ca.key")
    try:
        certificate = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateError(f"{folder / 'ca.crt'} cannot be read: {error}") from None
    return key, certificate
