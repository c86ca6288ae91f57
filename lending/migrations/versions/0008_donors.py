"""Donors, pledges, collections, portal links."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BOOKED = sa.text("state = 'booked'")


def upgrade() -> None:
    _pledges()
    _slots()
    _collections()
    _devices()


def _moment(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable)


def _pledges() -> None:
    op.create_table(
        "donor_pledge",
        _text("ref"), _text("organisation"), sa.Column("sealed", sa.LargeBinary(), nullable=True), _text("area"),
        sa.Column("counts", sa.JSON(), nullable=False), _text("bearing"), _text("wants", True), _text("state"),
        _text("why", True), _moment("created_at"), _moment("changed_at"),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_donor_pledge")),
    )  # fmt: skip
    op.create_index(op.f("ix_donor_pledge_state"), "donor_pledge", ["state"])


def _slots() -> None:
    op.create_table(
        "donor_slot",
        sa.Column("id", sa.Integer(), nullable=False), _text("round"), sa.Column("day", sa.Date(), nullable=False),
        _text("starts"), _text("ends"), sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False), _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_donor_slot")),
        sa.UniqueConstraint("round", "day", "starts", name="uq_donor_slot_round"),
    )  # fmt: skip
    op.create_index(op.f("ix_donor_slot_day"), "donor_slot", ["day"])


def _collections() -> None:
    op.create_table(
        "donor_collection",
        sa.Column("id", sa.Integer(), nullable=False), _text("pledge"),
        sa.Column("slot_id", sa.Integer(), nullable=False), _text("state"), _text("why", True),
        sa.Column("counted", sa.JSON(), nullable=False), sa.Column("sealed", sa.LargeBinary(), nullable=True),
        _moment("made_at"), _moment("ended_at", True),
        sa.ForeignKeyConstraint(["pledge"], ["donor_pledge.ref"], name=op.f("fk_donor_collection_pledge")),
        sa.ForeignKeyConstraint(["slot_id"], ["donor_slot.id"], name=op.f("fk_donor_collection_slot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_donor_collection")),
    )  # fmt: skip
    op.create_index(op.f("ix_donor_collection_pledge"), "donor_collection", ["pledge"])
    op.create_index(op.f("ix_donor_collection_slot_id"), "donor_collection", ["slot_id"])
    op.create_index(
        "uq_donor_collection_standing", "donor_collection", ["pledge"], unique=True, sqlite_where=BOOKED,
        postgresql_where=BOOKED,
    )  # fmt: skip


def _devices() -> None:
    op.create_table(
        "donor_device",
        sa.Column("code", sa.String(12), nullable=False), _text("pledge"),
        sa.Column("collection_id", sa.Integer(), nullable=True), _text("kind"), _moment("at"),
        sa.ForeignKeyConstraint(["pledge"], ["donor_pledge.ref"], name=op.f("fk_donor_device_pledge")),
        sa.ForeignKeyConstraint(
            ["collection_id"], ["donor_collection.id"], name=op.f("fk_donor_device_collection_id")
        ),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_donor_device")),
    )  # fmt: skip
    op.create_index(op.f("ix_donor_device_pledge"), "donor_device", ["pledge"])
    op.create_index(op.f("ix_donor_device_collection_id"), "donor_device", ["collection_id"])
    op.create_table(
        "donor_visit",
        _text("token_hash"), _text("pledge"), _moment("expires_at"), _moment("revoked_at", True),
        sa.ForeignKeyConstraint(["pledge"], ["donor_pledge.ref"], name=op.f("fk_donor_visit_pledge")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_donor_visit")),
    )  # fmt: skip
    op.create_index(op.f("ix_donor_visit_pledge"), "donor_visit", ["pledge"])
