"""The rows of the table of personal data, and every other column of the office with the reason why it is none.

Whoever adds a column adds it here; `lending.privacy` says what is made from it.
"""

from collections.abc import Mapping, Sequence

from lending.privacy_words import Field

DESK = "The loan desk and supervisors, after giving a reason that is written down"
CASE = "The partner who referred, the loan desk, supervisors"
LEAD = "The data-protection lead"
OWN = "The person and administrators"
PARTNER_TOLD = "The partner who referred, as the household told it"

FIELDS: Sequence[Field] = (
    Field(
        ("referral.contact", "referral.contact_name", "referral.contact_phone"),
        "An adult's name and telephone number, and the full postcode", "household",
        "To arrange collection or delivery and to reach somebody about the loan", "interests", DESK, "contact",
        "erased", PARTNER_TOLD, sealed=True,
    ),
    Field(
        ("referral_mark.kind", "referral_mark.mark"),
        "A coded form of name, postcode and number from which they cannot be read back", "household",
        "To see that two referrals are the same household", "interests", "Nobody; the desk sees only that there is "
        "another referral", "contact", "erased", "Made by us",
    ),
    Field(
        ("referral.via_partner", "referral.safe_contact"), "Whether it is safe to call, text or write", "household",
        "To keep somebody safe", "safeguarding", CASE, "case", "erased", PARTNER_TOLD,
    ),
    Field(
        ("referral.client_reference",), "The partner's own reference for the household", "household",
        "So that partner and desk speak of the same household without a name", "interests", CASE, "case", "erased",
        "The partner who referred",
    ),
    Field(
        ("referral.postcode", "referral_detail.place", "referral_detail.authority", "referral_detail.ward",
         "referral_detail.lsoa11", "referral_detail.lsoa21", "referral_detail.decile"),
        "The first part of the postcode, and the area it lies in", "household",
        "To see whether we serve the area and to show funders where devices go", "interests", CASE, "case",
        "the ward and the authority are kept as a statistic that names nobody; the rest is erased", "Worked out from "
        "the postcode",
    ),
    Field(
        ("referral.adults", "referral.children"), "How many adults, and how many children of which ages", "household",
        "To choose the device, and to switch on a content filter where there are children", "interests", CASE, "case",
        "kept as a statistic that names nobody", PARTNER_TOLD,
    ),
    Field(
        ("referral.need", "referral.internet", "referral.purpose", "referral.ground", "referral_detail.connection",
         "referral_detail.sim_holder", "referral_detail.works_with", "referral_detail.support"),
        "Which device is needed and what for, what internet there is, why they qualify, what help is wanted",
        "household", "To decide fairly and to choose the device", "interests", CASE, "case",
        "need, internet, purpose and ground are kept as a statistic that names nobody; the rest is erased",
        PARTNER_TOLD,
    ),
    Field(
        ("referral.language",), "The language they prefer", "household", "To be understood", "interests", CASE, "case",
        "kept as a statistic: English or another", PARTNER_TOLD,
    ),
    Field(
        ("referral.ref", "referral.partner_id", "referral.referred_by", "referral.state", "referral.created_at",
         "referral.decided_at", "referral.decided_by", "referral.told_how", "referral_detail.ref",
         "referral_detail.route", "referral_detail.notice", "referral_mark.ref"),
        "Who referred, when, how the household was told about this notice, and what was decided", "household",
        "To account for what we did", "interests", CASE, "case", "months are kept as a statistic; the rest is erased",
        "Made by us",
    ),
    Field(
        ("referral_draft.id", "referral_draft.account_id", "referral_draft.sealed", "referral_draft.created_at",
         "referral_draft.saved_at"),
        "A referral that was begun and not yet sent", "household", "So that a worker can save and come back",
        "interests", "The worker who began it", "draft", "erased", PARTNER_TOLD, sealed=True,
    ),
    Field(
        ("intake.id", "intake.account_id", "intake.sealed", "intake.created_at"),
        "A file of referrals that was uploaded and not yet taken in", "household", "To show the mistakes in it first",
        "interests", "The worker who uploaded it", "intake", "erased", "The partner who referred", sealed=True,
    ),
    Field(
        ("loan.ref", "loan.referral", "loan.state", "loan.due", "loan.created_at", "loan.closed_at"),
        "The loan: since when, until when", "household", "To keep the agreement", "contract", CASE, "case",
        "the loan stays in the history of the device, without anything that leads to the household", "Made by us",
    ),
    Field(
        ("data_plan.sealed",), "The adult who holds a SIM card", "household", "Networks give SIM cards to adults only",
        "contract", DESK, "contact", "erased", PARTNER_TOLD, sealed=True,
    ),
    Field(
        ("booking.sealed", "booking.why"), "Where a device is delivered to, and what went wrong if it was not",
        "household", "To deliver it", "contract", DESK, "contact", "erased", "The household or the partner",
        sealed=True,
    ),
    Field(
        ("loan_agreement.ref", "loan_agreement.sealed", "loan_agreement.language", "loan_agreement.how",
         "loan_agreement.read_aloud"),
        "The agreement as signed, with the name or the mark, and the language", "household", "To keep the agreement",
        "contract", DESK, "case", "erased", "The adult who signed", sealed=True,
    ),
    Field(
        ("loan_exception.ref", "loan_exception.sealed", "loan_exception.since", "loan_exception.ended_at"),
        "That a loan gets no reminders for now, and why, in one word", "household", "To leave somebody in peace",
        "safeguarding", DESK, "contact", "erased", "The household or the partner", sealed=True,
    ),
    Field(
        ("loan_help.kind", "loan_help.what", "loan_help.where", "standard_answer.stage", "standard_answer.devices",
         "standard_answer.broadband", "standard_answer.mobile_data", "standard_answer.confidence"),
        "Help that was given, and four answers about being online before and after", "household",
        "To help, and to see whether it helped", "interests", CASE, "case",
        "kept with the loan, which then leads to nobody", "The household",
    ),
    Field(
        ("message.sealed", "message.address"), "What we wrote, and a coded form of the number", "household",
        "To remind and to answer", "contract", DESK, "message", "erased; that something was sent, and when, is kept",
        "Made by us", sealed=True,
    ),
    Field(
        ("message_said.sealed", "message_said.address"), "What a household answered", "household", "To act on it",
        "contract", DESK, "message", "erased", "The household", sealed=True,
    ),
    Field(
        ("message_stop.address", "message_stop.since", "message_stop.via"),
        "A coded form of a number whose owner said STOP", "household", "So that nothing is sent there again", "law",
        "Nobody", "stop", "erased", "The household",
    ),
    Field(
        ("loan_card.token_hash", "loan_card.loan", "loan_card.made_at", "loan_card.ended_at"),
        "A coded form of the link on the paper card", "household", "So that a household sees its own loan", "contract",
        "Nobody", "contact", "erased", "Made by us",
    ),
    Field(
        ("import_row.columns", "import_row.problems"), "What stood in a file that was read in", "household",
        "To move from another system without losing anybody", "interests", "Administrators", "import", "erased",
        "The system it came from",
    ),
    Field(
        ("complaint.ref", "complaint.received_at", "complaint.how", "complaint.sealed", "complaint.handled_by"),
        "Who complained, how to answer, what about and what we answered", "complainant", "To answer a complaint",
        "law", LEAD, "complaint", "erased; that there was a complaint, its dates and its outcome are kept",
        "The person who complains", sealed=True,
    ),
    Field(
        ("donor_pledge.organisation", "donor_pledge.sealed", "donor_pledge.area"),
        "Whom to speak to about a donation, and where the devices are", "donor",
        "To fetch what was offered and to show what became of it", "interests",
        "The loan desk, supervisors and the driver; every look is written down", "donor",
        "who and where is erased by a supervisor; the organisation's name is kept", "The donor", sealed=True,
    ),
    Field(
        ("donor_collection.sealed",), "The names of who handed devices over and who took them", "donor",
        "To prove when devices came into our custody", "interests", "Nobody, unless it is disputed", "donor",
        "kept with the record of the collection", "The donor and the driver", sealed=True,
    ),
    Field(
        ("donor_visit.token_hash", "donor_visit.pledge", "donor_visit.expires_at", "donor_visit.revoked_at"),
        "That a donor opened the page about their devices", "donor", "To show it to the donor alone", "interests",
        "Nobody", "technical", "erased", "The donor's browser",
    ),
    Field(
        ("access_log.id", "access_log.at", "access_log.account_id", "access_log.subject", "access_log.what",
         "access_log.reason", "audit_entry.id", "audit_entry.at", "audit_entry.by", "audit_entry.action",
         "audit_entry.subject", "audit_entry.reason"),
        "Who looked at contact data, when and why", "worker", "So that nobody looks without need", "interests", LEAD,
        "look", "erased", "Made by us",
    ),
    Field(
        ("account.id", "account.ref", "account.email", "account.name", "account.roles", "account.partner_id",
         "account.disabled", "account.created_at", "partner_lead.account_id", "address_change.account_id",
         "address_change.address"),
        "Name, e-mail address and roles of who signs in", "worker", "To let in who works here, and nobody else",
        "interests", OWN, "account", "erased by an administrator; records keep a random reference", "The person",
    ),
    Field(
        ("account.password_hash", "passkey.credential", "passkey.public_key", "passkey.name", "passkey.used_at",
         "passkey.account_id", "one_time_code.account_id", "one_time_code.sealed", "one_time_code.confirmed_at",
         "recovery_code.account_id", "recovery_code.code_hash", "council_subject.subject",
         "council_subject.account_id", "badge.account_id", "badge.roles", "badge.mark", "badge.salt",
         "badge.verifier", "account_note.account_id", "account_note.asked_from"),
        "What proves that it is you: passwords, passkeys and badges, none of them readable", "worker",
        "To let in who works here, and nobody else", "interests", "Nobody", "account", "erased with the account",
        "The person",
    ),
    Field(
        ("session.token_hash", "session.account_id", "session.created_at", "session.last_seen", "session.expires_at",
         "session_note.token_hash", "session_note.method", "session_note.browser", "session_note.proved_at",
         "account_link.token_hash", "account_link.account_id", "sign_in_link.token_hash", "sign_in_link.subject",
         "sign_in_step.token_hash", "sign_in_step.account_id", "sign_in_step.data", "sign_in_attempt.key",
         "sign_in_attempt.at"),
        "When and in which browser you signed in", "worker", "To keep accounts safe", "interests", OWN, "technical",
        "erased", "The person's browser",
    ),
)  # fmt: skip
"""In the order in which the notice tells it."""

NOTHING = "says nothing about a person"
SETTINGS = "settings of the service"
WHO_DID = "a random reference of a member of staff, emptied with the account"
DEVICES = "about devices"
COUNTS = "counts that name nobody"

NOT_PERSONAL: Mapping[str, tuple[str, str]] = {
    "account_link": ("purpose expires_at used_at", NOTHING),
    "address_change": ("old_hash new_hash old_at new_at expires_at", NOTHING),
    "agreement": ("id partner_id kind signed_on review_on ended_on digest recorded_by recorded_at", WHO_DID),
    "api_answer": ("token_id key digest target made_at", NOTHING),
    "api_token": ("id digest name account_id scopes created_at expires_at last_used_at revoked_at", WHO_DID),
    "area_decile": ("lsoa index decile", "areas"),
    "area_name": ("code name", "areas"),
    "armed": ("ref account_id mode loan state why sound since last_at", WHO_DID),
    "armed_scan": ("id armed at mode loan code verdict words detail offer event closing undone_at", DEVICES),
    "badge": ("given_at ended_at", NOTHING),
    "booking": ("id slot_id loan state made_at ended_at", "leads to a household only through its referral"),
    "breach": (
        "ref what people known_at source decision why decided_at told_people_at closed_at recorded_by",
        "the register of breaches names nobody; kept for good (UK GDPR Article 33(5))",
    ),
    "bulk_change": ("id kind value changes made_by made_at undone_by undone_at", WHO_DID),
    "closed_case": (
        ("id referred ended outcome area ward authority adults children need internet purpose ground language devices "
        "months_out"), COUNTS,
    ),
    "complaint": ("state acknowledged_at outcome closed_at", NOTHING),
    "contact_key": ("id made_at dropped_at", SETTINGS),
    "council": ("id name issuer client_id sealed domains enabled created_at", SETTINGS),
    "council_subject": ("council_id bound_at", NOTHING),
    "data_plan": ("id item_id network allowance months starts expires made_at", DEVICES),
    "donor_collection": ("id pledge slot_id state why counted made_at ended_at", DEVICES),
    "donor_device": ("code pledge collection_id kind at", DEVICES),
    "donor_pledge": ("ref counts bearing wants state why created_at changed_at", DEVICES),
    "donor_slot": ("id round day starts ends places closed created_at", SETTINGS),
    "device_count": ("make model state n", DEVICES),
    "equality_card": ("digest expires_on", "nothing says to whom a card was given"),
    "equality_count": ("quarter question answer n", COUNTS),
    "import_key": ("source key target", DEVICES),
    "import_mapping": ("what header source mapping saved_at", SETTINGS),
    "import_row": ("run line state target", NOTHING),
    "import_run": ("id what source filename digest mapping left_out state made_by made_at ended_at", WHO_DID),
    "loan_agreement": ("loan kind version made items signed_at account_id", WHO_DID),
    "loan_exception": ("loan account_id", WHO_DID),
    "loan_help": ("id loan at account_id", WHO_DID),
    "loan_item": ("id loan kind device label network allowance state reserved_at out_at exit closed_at closed_how",
                  DEVICES),
    "loan_item_detail": ("item_id due open_ended prepared_at replaces how", DEVICES),
    "loan_step": ("id loan at kind words account_id", "words for the desk, which asks for no names"),
    "message": (
        ("id ref cause loan kind channel language segments cost state due_at not_after queued_at attempt asked fence "
        "transport claimed_at handed_at finished_at transport_id error written_by settled_by"), NOTHING,
    ),
    "message_policy": (("loan_type active steps channels quiet_from quiet_to per_week copy_partner plain changed_at "
                       "changed_by"), SETTINGS),
    "message_said": ("id at via what loan transport_id done_at done_by", WHO_DID),
    "message_setting": ("name value", SETTINGS),
    "message_wording": ("kind language body reviewed changed_at changed_by", SETTINGS),
    "office_count": ("what state n", COUNTS),
    "one_time_code": ("step made_at", NOTHING),
    "outbox_worker": ("id fence holder until planned_at", SETTINGS),
    "partner": ("id name created_at", "organisations"),
    "partner_detail": ("partner_id borough paused", "organisations"),
    "partner_quota": ("partner_id need most", "organisations"),
    "passkey": ("id uses synced created_at", NOTHING),
    "place": ("postcode authority ward lsoa11 lsoa21 ended edition", "areas"),
    "place_edition": ("id kind product edition filename digest rows left_out imported_at", "areas"),
    "pool": ("borough need mode kept", SETTINGS),
    "recall": ("ref kind scope reason through started_at started_by closed_at closed_by", DEVICES),
    "recall_line": ("id recall device loan part refined released_at released_by finished_at how", DEVICES),
    "recall_step": ("id line_id at kind words account_id", "words for the desk, which asks for no names"),
    "recovery_code": ("used_at", NOTHING),
    "referral_detail": ("decile_index places_edition", "which table of areas was used"),
    "retention_run": ("id at counts", COUNTS),
    "roster": ("number digest document issued_at", "the list of badges for stations, signed; references only"),
    "search_word": ("word kind target", "kept by the database beside what it leads to, and goes with it"),
    "session": ("revoked_at", NOTHING),
    "session_note": ("strong", NOTHING),
    "sign_in_attempt": ("id", NOTHING),
    "sign_in_link": ("audience made_at expires_at used_at", NOTHING),
    "sign_in_step": ("kind expires_at", NOTHING),
    "sim_card": ("id digits network allowance months state item_id use_by created_at", DEVICES),
    "slot": ("id kind place day starts ends places closed created_at", SETTINGS),
    "standard_answer": ("id loan at", NOTHING),
    "used_once": ("digest expires_at", NOTHING),
    "webhook_delivery": ("id endpoint message kind body state tries next_at made_at ended_at said", DEVICES),
    "webhook_endpoint": ("id url kinds secret seen enabled why_off made_at", SETTINGS),
}  # fmt: skip
"""Table -> its columns that are not personal, and why not."""
