"""Places, the rest of a referral, drafts of referrals, partners' quotas and pools."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _places()
    _referrals()
    _unsent()
    _partners()


def _places() -> None:
    op.create_table(
        "place_edition",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("product", sa.Text(), nullable=False),
        sa.Column("edition", sa.Text(), nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_place_edition")),
    )
    op.create_index(op.f("ix_place_edition_digest"), "place_edition", ["digest"])
    op.create_table(
        "place",
        sa.Column("postcode", sa.String(length=8), nullable=False),
        sa.Column("authority", sa.String(length=9), nullable=False),
        sa.Column("ward", sa.String(length=9), nullable=True),
        sa.Column("lsoa11", sa.String(length=9), nullable=True),
        sa.Column("lsoa21", sa.String(length=9), nullable=True),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["edition"], ["place_edition.id"], name=op.f("fk_place_edition")),
        sa.PrimaryKeyConstraint("postcode", name=op.f("pk_place")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "area_decile",
        sa.Column("lsoa", sa.String(length=9), nullable=False),
        sa.Column("index", sa.Text(), nullable=False),
        sa.Column("decile", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("lsoa", "index", name=op.f("pk_area_decile")),
    )
    op.create_table(
        "area_name",
        sa.Column("code", sa.String(length=9), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_area_name")),
    )


def _referrals() -> None:
    op.create_table(
        "referral_detail",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("connection", sa.JSON(), nullable=False),
        sa.Column("sim_holder", sa.Text(), nullable=False),
        sa.Column("works_with", sa.JSON(), nullable=False),
        sa.Column("support", sa.JSON(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("authority", sa.String(length=9), nullable=True),
        sa.Column("ward", sa.String(length=9), nullable=True),
        sa.Column("lsoa11", sa.String(length=9), nullable=True),
        sa.Column("lsoa21", sa.String(length=9), nullable=True),
        sa.Column("decile", sa.Integer(), nullable=True),
        sa.Column("decile_index", sa.Text(), nullable=True),
        sa.Column("places_edition", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["ref"], ["referral.ref"], name=op.f("fk_referral_detail_ref"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ref", name=op.f("pk_referral_detail")),
    )
    op.create_index(op.f("ix_referral_detail_authority"), "referral_detail", ["authority"])
    op.create_index(op.f("ix_referral_detail_ward"), "referral_detail", ["ward"])
    op.create_table(
        "referral_mark",
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["ref"], ["referral.ref"], name=op.f("fk_referral_mark_ref"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("ref", "kind", name=op.f("pk_referral_mark")),
    )
    op.create_index(op.f("ix_referral_mark_mark"), "referral_mark", ["mark"])


def _unsent() -> None:
    op.create_table(
        "referral_draft",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("saved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_referral_draft_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referral_draft")),
    )
    op.create_index(op.f("ix_referral_draft_account_id"), "referral_draft", ["account_id"])
    op.create_index(op.f("ix_referral_draft_saved_at"), "referral_draft", ["saved_at"])
    op.create_table(
        "intake",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_intake_account_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake")),
    )
    op.create_index(op.f("ix_intake_account_id"), "intake", ["account_id"])
    op.create_index(op.f("ix_intake_created_at"), "intake", ["created_at"])


def _partners() -> None:
    op.create_table(
        "partner_detail",
        sa.Column("partner_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("borough", sa.String(length=9), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partner.id"], name=op.f("fk_partner_detail_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("partner_id", name=op.f("pk_partner_detail")),
    )
    op.create_table(
        "partner_lead",
        sa.Column("account_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_partner_lead_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_partner_lead")),
    )
    op.create_table(
        "partner_quota",
        sa.Column("partner_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("need", sa.Text(), nullable=False),
        sa.Column("most", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partner.id"], name=op.f("fk_partner_quota_partner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("partner_id", "need", name=op.f("pk_partner_quota")),
    )
    op.create_table(
        "pool",
        sa.Column("borough", sa.Text(), nullable=False),
        sa.Column("need", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("kept", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("borough", "need", name=op.f("pk_pool")),
    )
    op.create_index(op.f("ix_pool_need"), "pool", ["need"])
