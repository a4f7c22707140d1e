"""Each message with its number in the station's store, and which numbers the station has given out."""

import hashlib
from collections import defaultdict

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SPARE = 1000
"""So many numbers beyond those accounted for are tried: given out, and lost or refused since."""


def upgrade() -> None:
    op.add_column("received_message", sa.Column("epoch", sa.LargeBinary(), nullable=True))
    op.add_column("received_message", sa.Column("seq", sa.BigInteger(), nullable=True))
    for name in ("first_seq", "last_seq", "owed_since_ns", "said_ns"):
        op.add_column("station", sa.Column(name, sa.BigInteger(), nullable=True))
    _number_old_rows(op.get_bind())
    op.create_index("received_message_by_number", "received_message", ["station_id", "epoch", "seq"])


def _number_old_rows(connection: sa.Connection) -> None:
    """A message id follows from station, epoch and number, so the number is found by trying them in turn.

    Left without one, what has long been received would count as missing. What came from a store that the
    station has since replaced keeps none: nobody asks for it.
    """
    old: defaultdict[str, set[bytes]] = defaultdict(set)
    for station_id, mid in connection.execute(sa.text("SELECT station_id, mid FROM received_message")):
        old[station_id].add(bytes(mid))
    stations = sa.text("SELECT id, epoch, waiting, rejected FROM station WHERE epoch IS NOT NULL")
    update = sa.text("UPDATE received_message SET epoch = :epoch, seq = :seq WHERE mid = :mid")
    for station_id, epoch, waiting, rejected in connection.execute(stations).all():
        mids, found = old[station_id], []
        for seq in range(1, len(mids) + waiting + rejected + _SPARE):
            digest = hashlib.blake2b(digest_size=16)
            digest.update(station_id.encode() + b"\0" + bytes(epoch) + seq.to_bytes(8, "big"))
            if (mid := digest.digest()) in mids:
                found.append({"epoch": bytes(epoch), "seq": seq, "mid": mid})
        if found:
            connection.execute(update, found)
