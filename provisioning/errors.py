"""What can go wrong at the desk where stations are made.

ProvisioningError            the text says what to do
├── InventoryError           the inventory cannot be read, or names something twice
├── CertificateError         a key or certificate is missing, broken, expired or not of this county
└── BrokerMissing            no broker program on this machine
"""


class ProvisioningError(Exception):
    """Root of the tree; the text tells the operator what to do."""


class InventoryError(ProvisioningError):
    pass


class CertificateError(ProvisioningError):
    pass


class BrokerMissing(ProvisioningError):  # noqa: N818 - reads as the fact it states
    pass
