"""The texts of messages, per kind and language, and who has read them. Pure.

Each is short, blames nobody, names no person, no organisation that helped, no reason and no device, and leads to the
loan's page. `{day}` is the day agreed, `{link}` the page, `{sender}` the name at the front. English is the source;
every other text here was made by a machine until the office says that a person who speaks the language has read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from babel.dates import format_date

LOAN_TYPES: Mapping[str, str] = {"device": "Devices", "sim": "SIMs and data"}
PLACEHOLDERS: Mapping[str, tuple[str, ...]] = {
    "device-before": ("day", "link"), "device-due": ("link",), "device-after": ("day", "link"),
    "sim-before": ("day", "link"), "sim-due": ("link",), "sim-after": ("day", "link"),
    "recall": ("link",), "help": ("link",), "stopped": (), "manual": ("link",),
}  # fmt: skip
"""Kind of message: what its text must hold, so that no wording loses the link."""
KIND_WORDS: Mapping[str, str] = {
    "device-before": "Device: before the day", "device-due": "Device: on the day",
    "device-after": "Device: after the day", "sim-before": "SIM: before it ends", "sim-due": "SIM: on the day",
    "sim-after": "SIM: after it ended", "recall": "Recall of a device", "help": "Answer to HELP",
    "stopped": "Answer to STOP", "manual": "Written by the desk", "copy": "Copy to the partner",
    "account": "About an account",
}  # fmt: skip
SOURCE, MACHINE, REVIEWED = "source", "machine", "reviewed"
STATUS_WORDS: Mapping[str, str] = {
    SOURCE: "Source text", MACHINE: "Made by a machine, read by nobody yet", REVIEWED: "Read by a person",
}  # fmt: skip

TEXTS: Mapping[str, Mapping[str, str]] = {
    "device-before": {
        "en": "{sender}: your loan is agreed until {day}. Want to keep it longer or bring it back? {link}",
        "ar": "{sender}: إعارتك متفق عليها حتى {day}. هل تريد الاحتفاظ بها مدة أطول أم إعادتها؟ {link}",
        "pl": "{sender}: wypożyczenie jest uzgodnione do {day}. Chcesz przedłużyć albo zwrócić? {link}",
        "pt": "{sender}: o seu empréstimo está combinado até {day}. Quer ficar mais tempo ou devolver? {link}",
        "ro": "{sender}: împrumutul este convenit până la {day}. Doriți prelungire sau returnare? {link}",
        "uk": "{sender}: позику узгоджено до {day}. Продовжити чи повернути? {link}",
        "ckb": "{sender}: ماوەی وەرگرتنەکەت تا {day}ە. دەتەوێت درێژی بکەیتەوە یان بیگەڕێنیتەوە؟ {link}",
    },
    "device-due": {
        "en": "{sender}: your loan is agreed until today. Want to keep it longer or bring it back? {link}",
        "ar": "{sender}: إعارتك متفق عليها حتى اليوم. هل تريد الاحتفاظ بها مدة أطول أم إعادتها؟ {link}",
        "pl": "{sender}: wypożyczenie jest uzgodnione do dziś. Chcesz przedłużyć albo zwrócić? {link}",
        "pt": "{sender}: o seu empréstimo está combinado até hoje. Quer ficar mais tempo ou devolver? {link}",
        "ro": "{sender}: împrumutul este convenit până astăzi. Doriți prelungire sau returnare? {link}",
        "uk": "{sender}: позику узгоджено до сьогодні. Продовжити чи повернути? {link}",
        "ckb": "{sender}: ماوەی وەرگرتنەکەت تا ئەمڕۆیە. دەتەوێت درێژی بکەیتەوە یان بیگەڕێنیتەوە؟ {link}",
    },
    "device-after": {
        "en": "{sender}: your loan was agreed until {day}. Still need it? That is fine, just tell us: {link}",
        "ar": "{sender}: كانت إعارتك متفقا عليها حتى {day}. هل ما زلت بحاجة إليها؟ لا مشكلة، فقط أخبرنا: {link}",
        "pl": "{sender}: wypożyczenie było uzgodnione do {day}. Nadal potrzebne? To nic, daj nam znać: {link}",
        "pt": "{sender}: o seu empréstimo estava combinado até {day}. Ainda precisa? Não faz mal, avise-nos: {link}",
        "ro": "{sender}: împrumutul era convenit până la {day}. Mai aveți nevoie? Nu e nimic, spuneți-ne: {link}",
        "uk": "{sender}: позику було узгоджено до {day}. Ще потрібно? Усе гаразд, просто напишіть нам: {link}",
        "ckb": "{sender}: ماوەی وەرگرتنەکەت تا {day} بوو. هێشتا پێویستتە؟ کێشە نییە، تەنها پێمان بڵێ: {link}",
    },
    "sim-before": {
        "en": "{sender}: the data on your SIM is agreed until {day}. What you can do then: {link}",
        "ar": "{sender}: بيانات شريحتك متفق عليها حتى {day}. ما يمكنك فعله بعدها: {link}",
        "pl": "{sender}: dane na karcie SIM są uzgodnione do {day}. Co można zrobić potem: {link}",
        "pt": "{sender}: os dados do seu SIM estão combinados até {day}. O que pode fazer depois: {link}",
        "ro": "{sender}: datele de pe SIM sunt convenite până la {day}. Ce puteți face apoi: {link}",
        "uk": "{sender}: інтернет на SIM узгоджено до {day}. Що робити далі: {link}",
        "ckb": "{sender}: ئینتەرنێتی سیمکارتەکەت تا {day}ە. دواتر چی دەکرێت: {link}",
    },
    "sim-due": {
        "en": "{sender}: the data on your SIM ends today. What you can do now: {link}",
        "ar": "{sender}: بيانات شريحتك تنتهي اليوم. ما يمكنك فعله الآن: {link}",
        "pl": "{sender}: dane na karcie SIM kończą się dziś. Co można zrobić teraz: {link}",
        "pt": "{sender}: os dados do seu SIM terminam hoje. O que pode fazer agora: {link}",
        "ro": "{sender}: datele de pe SIM se termină astăzi. Ce puteți face acum: {link}",
        "uk": "{sender}: інтернет на SIM закінчується сьогодні. Що робити: {link}",
        "ckb": "{sender}: ئینتەرنێتی سیمکارتەکەت ئەمڕۆ تەواو دەبێت. ئێستا چی دەکرێت: {link}",
    },
    "sim-after": {
        "en": "{sender}: the data on your SIM ended on {day}. What you can do now: {link}",
        "ar": "{sender}: انتهت بيانات شريحتك في {day}. ما يمكنك فعله الآن: {link}",
        "pl": "{sender}: dane na karcie SIM skończyły się {day}. Co można zrobić teraz: {link}",
        "pt": "{sender}: os dados do seu SIM terminaram em {day}. O que pode fazer agora: {link}",
        "ro": "{sender}: datele de pe SIM s-au terminat la {day}. Ce puteți face acum: {link}",
        "uk": "{sender}: інтернет на SIM закінчився {day}. Що робити: {link}",
        "ckb": "{sender}: ئینتەرنێتی سیمکارتەکەت لە {day} تەواو بوو. ئێستا چی دەکرێت: {link}",
    },
    "recall": {
        "en": "{sender}: please stop using what you borrowed from us for now, and read this: {link}",
        "ar": "{sender}: نرجو التوقف مؤقتا عن استعمال ما استعرته منا وقراءة هذا: {link}",
        "pl": "{sender}: prosimy na razie nie używać wypożyczonej rzeczy i przeczytać: {link}",
        "pt": "{sender}: por agora, deixe de usar o que lhe emprestámos e leia isto: {link}",
        "ro": "{sender}: vă rugăm să nu mai folosiți deocamdată ce ați împrumutat de la noi și să citiți: {link}",
        "uk": "{sender}: будь ласка, поки не користуйтеся тим, що позичили в нас, і прочитайте: {link}",
        "ckb": "{sender}: تکایە لە ئێستادا ئەوەی لێمانت وەرگرتووە بەکاری مەهێنە و ئەمە بخوێنەوە: {link}",
    },
    "help": {
        "en": "{sender}: help, places to return things, and more time: {link} No more texts: reply STOP",
        "ar": "{sender}: للمساعدة وأماكن الإعادة وتمديد المدة: {link} لإيقاف الرسائل أرسل STOP",
        "pl": "{sender}: pomoc, miejsca zwrotu, więcej czasu: {link} Bez SMS-ów: odpisz STOP",
        "pt": "{sender}: ajuda, locais de devolução e mais tempo: {link} Para não receber mais: responda STOP",
        "ro": "{sender}: ajutor, locuri de returnare, mai mult timp: {link} Fără mesaje: răspundeți STOP",
        "uk": "{sender}: допомога, місця повернення, більше часу: {link} Без повідомлень: STOP",
        "ckb": "{sender}: یارمەتی، شوێنی گەڕاندنەوە و کاتی زیاتر: {link} بۆ ڕاگرتنی نامە STOP بنێرە",
    },
    "stopped": {
        "en": "{sender}: we will not text you any more. To start again, reply START.",
        "ar": "{sender}: لن نرسل إليك رسائل بعد الآن. للبدء من جديد أرسل START.",
        "pl": "{sender}: nie będziemy już wysyłać SMS-ów. Aby wznowić, odpisz START.",
        "pt": "{sender}: não enviaremos mais mensagens. Para recomeçar, responda START.",
        "ro": "{sender}: nu vă vom mai trimite mesaje. Pentru a reîncepe, răspundeți START.",
        "uk": "{sender}: більше не надсилатимемо повідомлень. Щоб поновити, надішліть START.",
        "ckb": "{sender}: چیتر نامەت بۆ نانێرین. بۆ دەستپێکردنەوە START بنێرە.",
    },
}
SUBJECTS: Mapping[str, str] = {
    "en": "About your loan", "ar": "بخصوص إعارتك", "pl": "O Twoim wypożyczeniu", "pt": "Sobre o seu empréstimo",
    "ro": "Despre împrumutul dvs.", "uk": "Про вашу позику", "ckb": "دەربارەی وەرگرتنەکەت",
}  # fmt: skip
LONGEST_WORDING = 300
"""Characters: three parts in an alphabet without accents; longer belongs on the page."""


@dataclass(frozen=True)
class Wording:
    """One text in one language and who has read it."""

    kind: str
    language: str
    body: str
    status: str
    own: bool = False

    def filled(self, *, sender: str, link: str, day: date | None = None) -> str:
        """Return the text as it goes out."""
        shown = written_day(day, self.language) if day else ""
        body = self.body
        for name, value in (("sender", sender), ("day", shown), ("link", link)):
            body = body.replace("{" + name + "}", value)
        return body


def shipped(kind: str, language: str) -> Wording:
    """Return the text that comes with the program; English where a language has none."""
    texts = TEXTS[kind]
    found = language if language in texts else "en"
    return Wording(kind, found, texts[found], SOURCE if found == "en" else MACHINE)


def kind_of(loan_type: str, step: int) -> str:
    """Return which text a step of a policy uses: before, on or after the day."""
    return f"{loan_type}-{'before' if step < 0 else 'due' if step == 0 else 'after'}"


def written_day(day: date, language: str) -> str:
    """Return a day as a reader of the language writes it, in the digits of the telephone: `3 March`."""
    return format_date(day, "d MMMM", locale=language).translate(LATIN_DIGITS)


def wrong_with(kind: str, body: str) -> str:
    """Return what is wrong with a wording, or nothing."""
    if not body.startswith("{sender}"):
        return "Begin with {sender}, so that people see at once who writes"
    missing = [name for name in PLACEHOLDERS[kind] if "{" + name + "}" not in body]
    if missing:
        return f"The text must hold {', '.join('{' + name + '}' for name in missing)}"
    left = body
    for name in ("sender", "day", "link"):
        left = left.replace("{" + name + "}", "")
    if "{" in left or "}" in left:
        return "Use only {sender}, {day} and {link} in curly brackets"
    if len(body) > LONGEST_WORDING:
        return f"The text has {len(body)} characters; {LONGEST_WORDING} is the most. Longer belongs on the page"
    return ""


LATIN_DIGITS = {ord(digit): str(value) for row in ("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹") for value, digit in enumerate(row)}
