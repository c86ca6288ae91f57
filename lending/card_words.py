"""The loan's page in the languages of households. Made by a machine from the English, read by nobody yet. Pure.

The page asks for its English sentences by `_`, as every public page does; this is what answers there.
"""

from collections.abc import Callable, Mapping

AUTONYMS: Mapping[str, str] = {
    "en": "English", "ar": "العربية", "pl": "polski", "pt": "português", "ro": "română", "uk": "українська",
    "ckb": "کوردیی ناوەندی",
}  # fmt: skip
ORDER = ("ar", "pl", "pt", "ro", "uk", "ckb")
"""The languages of each line of `WORDS`, in this order."""

WORDS: Mapping[str, tuple[str, str, str, str, str, str]] = {
    "Your loan": ("إعارتك", "Twoje wypożyczenie", "O seu empréstimo", "Împrumutul dvs.", "Ваша позика", "وەرگرتنەکەت"),
    "This link does not work any more": (
        "هذا الرابط لم يعد يعمل", "Ten link już nie działa", "Esta ligação já não funciona",
        "Acest link nu mai funcționează", "Це посилання більше не працює", "ئەم بەستەرە چیتر کار ناکات",
    ),
    "Please ask whoever gave it to you, or the organisation that you borrowed from.": (
        "يرجى سؤال من أعطاك إياه أو المؤسسة التي استعرت منها.",
        "Zapytaj osobę, która Ci go dała, albo organizację, od której coś wypożyczono.",
        "Pergunte a quem lha deu ou à organização que lhe fez o empréstimo.",
        "Întrebați persoana care vi l-a dat sau organizația de la care ați împrumutat.",
        "Запитайте того, хто вам його дав, або організацію, в якій ви позичали.",
        "تکایە لەو کەسە بپرسە کە پێیداویت، یان لەو ڕێکخراوەی لێت وەرگرتووە.",
    ),
    "Leave this page": (
        "غادر هذه الصفحة", "Opuść tę stronę", "Sair desta página", "Părăsiți pagina", "Покинути сторінку",
        "ئەم پەڕەیە بەجێبهێڵە",
    ),
    "Please stop using what you borrowed for now.": (
        "نرجو التوقف مؤقتا عن استعمال ما استعرته.", "Prosimy na razie nie używać wypożyczonej rzeczy.",
        "Por agora, deixe de usar o que lhe emprestámos.",
        "Vă rugăm să nu mai folosiți deocamdată ce ați împrumutat.",
        "Будь ласка, поки не користуйтеся тим, що ви позичили.", "تکایە لە ئێستادا ئەوەی وەرتگرتووە بەکاری مەهێنە.",
    ),
    "Switch it off, do not charge it, and get in touch with us. It is not your fault.": (
        "أطفئه ولا تشحنه وتواصل معنا. هذا ليس خطأك.",
        "Wyłącz, nie ładuj i skontaktuj się z nami. To nie Twoja wina.",
        "Desligue, não carregue e contacte-nos. A culpa não é sua.",
        "Opriți-l, nu îl încărcați și luați legătura cu noi. Nu este vina dvs.",
        "Вимкніть, не заряджайте та зв’яжіться з нами. Це не ваша провина.",
        "بیکوژێنەوە، بارگاوی مەکەوە و پەیوەندیمان پێوە بکە. هەڵەی تۆ نییە.",
    ),
    "Thank you": ("شكرا لك", "Dziękujemy", "Obrigado", "Mulțumim", "Дякуємо", "سوپاس"),
    "You need not do anything. We will not send reminders.": (
        "لا يلزمك فعل أي شيء. لن نرسل تذكيرات.", "Nie musisz nic robić. Nie będziemy wysyłać przypomnień.",
        "Não precisa de fazer nada. Não enviaremos lembretes.",
        "Nu trebuie să faceți nimic. Nu vom trimite mementouri.",
        "Вам нічого не потрібно робити. Ми не надсилатимемо нагадувань.",
        "پێویست ناکات هیچ بکەیت. بیرخستنەوە نانێرین.",
    ),
    "Keep it for now. We will get in touch about how long.": (
        "احتفظ به الآن. سنتواصل معك بشأن المدة.", "Na razie zatrzymaj. Odezwiemy się w sprawie terminu.",
        "Fique com ele por agora. Entraremos em contacto sobre o prazo.",
        "Păstrați-l deocamdată. Vă vom contacta în legătură cu termenul.",
        "Поки що залиште собі. Ми зв’яжемося щодо терміну.",
        "لە ئێستادا لای خۆت بیهێڵەوە. دەربارەی ماوەکەی پەیوەندیت پێوە دەکەین.",
    ),
    "Somebody will look at it soon.": (
        "سينظر أحدنا في الأمر قريبا.", "Ktoś wkrótce się tym zajmie.", "Alguém verá isto em breve.",
        "Cineva se va ocupa în curând.", "Хтось незабаром це розгляне.", "بەم زووانە کەسێک سەیری دەکات.",
    ),
    "What would help you?": (
        "ما الذي يساعدك؟", "Co by Ci pomogło?", "O que o ajudaria?", "Ce v-ar ajuta?", "Що вам допоможе?",
        "چی یارمەتیت دەدات؟",
    ),
    "Choose one": (
        "اختر واحدا", "Wybierz jedno", "Escolha uma opção", "Alegeți una", "Виберіть одне", "یەکێک هەڵبژێرە",
    ),
    "Choose one of these": (
        "اختر واحدا من هذه", "Wybierz jedną z tych odpowiedzi", "Escolha uma destas opções",
        "Alegeți una dintre acestea", "Виберіть одне з цього", "یەکێک لەمانە هەڵبژێرە",
    ),
    "I need it longer": (
        "أحتاج إليه مدة أطول", "Potrzebuję tego dłużej", "Preciso dele mais tempo", "Am nevoie mai mult timp",
        "Мені потрібно довше", "ماوەیەکی زیاتر پێویستمە",
    ),
    "I want to bring it back": (
        "أريد إعادته", "Chcę to zwrócić", "Quero devolvê-lo", "Vreau să îl returnez", "Хочу повернути",
        "دەمەوێت بیگەڕێنمەوە",
    ),
    "It is broken, or something is missing": (
        "إنه معطل أو ينقصه شيء", "Jest zepsute albo czegoś brakuje", "Está avariado ou falta alguma coisa",
        "Este stricat sau lipsește ceva", "Зламалося або чогось бракує", "تێکچووە، یان شتێکی کەمە",
    ),
    "I have moved, or have a new number": (
        "غيرت سكني أو رقمي", "Zmienił się mój adres lub numer", "Mudei de casa ou de número",
        "M-am mutat sau am alt număr", "Я переїхав(-ла) або маю новий номер", "ماڵم گواستووەتەوە، یان ژمارەم گۆڕیوە",
    ),
    "I cannot return it safely": (
        "لا أستطيع إعادته بأمان", "Nie mogę tego bezpiecznie zwrócić", "Não o posso devolver em segurança",
        "Nu îl pot returna în siguranță", "Не можу безпечно повернути", "ناتوانم بە سەلامەتی بیگەڕێنمەوە",
    ),
    "Send": ("إرسال", "Wyślij", "Enviar", "Trimite", "Надіслати", "ناردن"),
    "Where you can bring it back": (
        "أين يمكنك إعادته", "Gdzie można zwrócić", "Onde pode devolver", "Unde îl puteți returna", "Куди повернути",
        "لە کوێ دەتوانیت بیگەڕێنیتەوە",
    ),
    "Questions? Call us:": (
        "أسئلة؟ اتصل بنا:", "Pytania? Zadzwoń:", "Perguntas? Ligue-nos:", "Întrebări? Sunați-ne:",
        "Питання? Зателефонуйте:", "پرسیارت هەیە؟ تەلەفۆنمان بۆ بکە:",
    ),
    "This page knows no names. Nobody will be blamed for anything that happened to it.": (
        "هذه الصفحة لا تعرف أسماء. لن يلام أحد على أي شيء حدث له.",
        "Ta strona nie zna nazwisk. Nikt nie będzie obwiniany o to, co się stało.",
        "Esta página não sabe nomes. Ninguém será culpado pelo que aconteceu.",
        "Această pagină nu știe nume. Nimeni nu va fi învinuit pentru ce s-a întâmplat.",
        "Ця сторінка не знає імен. Нікого не звинувачуватимуть у тому, що сталося.",
        "ئەم پەڕەیە ناوی کەس نازانێت. کەس لۆمە ناکرێت لەسەر هەر شتێک کە ڕوویدابێت.",
    ),
}  # fmt: skip


def speaker(language: str) -> Callable[[str], str]:
    """Return what `_` does in a language: the translation of an English sentence, or the sentence itself."""
    if language not in ORDER:
        return str
    place = ORDER.index(language)
    return lambda text: WORDS[text][place] if text in WORDS else text
