"""Everything that can be wrong with a message.

MessageError                 .code, a word for receipts, quarantine rows and screens
├── DecodeError              the bytes are no envelope of ours
├── HashMismatch             the envelope is sound, the body is not what was hashed
├── UnknownType              a type this version does not know: quarantine it, never drop it
├── BodyError                the body does not fit the type it claims
├── TopicError               an address that is not in the table of topics
└── BundleError              a file of messages is no bundle, for another key, changed or cut off
"""


class MessageError(ValueError):
    """Root of the tree. `code` goes on the wire and into tables; the text is for a person."""

    code = "message"


class DecodeError(MessageError):
    code = "undecodable"


class HashMismatch(MessageError):  # noqa: N818 - reads as the fact it states
    code = "hash_mismatch"


class UnknownType(MessageError):  # noqa: N818
    code = "unknown_type"

    def __init__(self, type_name: str) -> None:
        super().__init__(f"message type {type_name!r} is not known to this version")
        self.type_name = type_name


class BodyError(MessageError):
    code = "bad_body"


class TopicError(MessageError):
    code = "bad_topic"


class BundleError(MessageError):
    code = "bad_bundle"
