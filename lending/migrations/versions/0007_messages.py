"""Reminder policies, the outbox, what was sent and what was answered."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def person(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        [column], ["account.id"], name=op.f(f"fk_{table}_{column}"), ondelete="SET NULL"
    )


def loan(table: str, deleted: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["loan"], ["loan.ref"], name=op.f(f"fk_{table}_loan"), ondelete=deleted)


def upgrade() -> None:
    op.create_index("ix_loan_due", "loan", ["due"])
    settings()
    outbox()
    answers()


def settings() -> None:
    op.create_table(
        "message_policy",
        sa.Column("loan_type", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("channels", sa.JSON(), nullable=False),
        sa.Column("quiet_from", sa.String(length=5), nullable=False),
        sa.Column("quiet_to", sa.String(length=5), nullable=False),
        sa.Column("per_week", sa.Integer(), nullable=False),
        sa.Column("copy_partner", sa.Boolean(), nullable=False),
        sa.Column("plain", sa.Boolean(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.Integer(), nullable=True),
        person("message_policy", "changed_by"),
        sa.PrimaryKeyConstraint("loan_type", name=op.f("pk_message_policy")),
    )
    op.create_table(
        "message_wording",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("reviewed", sa.Boolean(), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.Integer(), nullable=True),
        person("message_wording", "changed_by"),
        sa.PrimaryKeyConstraint("kind", "language", name=op.f("pk_message_wording")),
    )
    op.create_table(
        "message_setting",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_message_setting")),
    )


def outbox() -> None:
    op.create_table(
        "message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("loan", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("segments", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("not_after", MOMENT, nullable=True),
        sa.Column("queued_at", MOMENT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("asked", sa.Integer(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("transport", sa.Text(), nullable=True),
        sa.Column("claimed_at", MOMENT, nullable=True),
        sa.Column("handed_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("transport_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("written_by", sa.Integer(), nullable=True),
        sa.Column("settled_by", sa.Integer(), nullable=True),
        loan("message", "SET NULL"),
        person("message", "written_by"),
        person("message", "settled_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("ref", name=op.f("uq_message_ref")),
        sa.UniqueConstraint("cause", name=op.f("uq_message_cause")),
    )
    op.create_index("ix_message_state", "message", ["state", "due_at"])
    for column in ("loan", "address", "queued_at"):
        op.create_index(op.f(f"ix_message_{column}"), "message", [column])
    op.create_table(
        "outbox_worker",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("planned_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_worker")),
    )


def answers() -> None:
    op.create_table(
        "message_stop",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_message_stop")),
    )
    op.create_table(
        "message_said",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("via", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("loan", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("transport_id", sa.Text(), nullable=True),
        sa.Column("done_at", MOMENT, nullable=True),
        sa.Column("done_by", sa.Integer(), nullable=True),
        loan("message_said", "CASCADE"),
        person("message_said", "done_by"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message_said")),
        sa.UniqueConstraint("transport_id", name=op.f("uq_message_said_transport_id")),
    )
    for column in ("loan", "done_at"):
        op.create_index(op.f(f"ix_message_said_{column}"), "message_said", [column])
    op.create_table(
        "loan_card",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("loan", sa.Text(), nullable=False),
        sa.Column("made_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT, nullable=True),
        loan("loan_card", "CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_loan_card")),
    )
    op.create_index(op.f("ix_loan_card_loan"), "loan_card", ["loan"])
