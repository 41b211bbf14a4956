"""Cutting quoted mails, forwarded mails and signatures off a text.

When in doubt, text counts as quoted: a launch that is taken from an old mail does more harm than a
request that has to be sent again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum, auto

_LONGEST_LINE = 600
_CUT_HERE = "\0cut\0"


def _any(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


@dataclass(frozen=True, slots=True)
class _Phrase:
    """`On <date>, <name> wrote:` in one language."""

    begins: re.Pattern[str]
    wrote: re.Pattern[str]
    behind: int
    """So many characters may follow."""

    def fits(self, text: str) -> bool:
        """Whether the text is of this form, between 4 and 300 characters in its middle."""
        begin = self.begins.match(text)
        if begin is None:
            return False
        middle = begin.end()
        verbs = self.wrote.finditer(text, middle + 4)
        return any(
            verb.start() - middle <= 300 and len(text) - verb.end() <= self.behind for verb in verbs
        )


# as the mail programs of the world put it: first words, verb, characters behind it
_PHRASES = tuple(
    _Phrase(re.compile(begins, re.I), re.compile(wrote, re.I), behind)
    for begins, wrote, behind in (
        (r"on\b", r"\bwrote", 0),
        (r"am\b", r"\bschrieb(?:en)?\b", 120),
        (r"le\b", r"\ba [ée]crit", 0),
        (r"el\b", r"\bescribi[óo]", 0),
        (r"il\b", r"\bha scritto", 0),
        (r"em\b", r"\bescreveu", 0),
        (r"op\b", r"\bschreef\b", 120),
        (r"(?:den|p[åa])\b", r"\bskrev\b", 120),
        (r"w dniu\b", r"\bnapisa[łl](?:\(a\)|a)?", 120),
        (r"dne\b", r"\bnapsal(?:\(a\)|a)?", 120),
        (r"(?:dana|dne)\b", r"\bje napisa[ol](?:/la|la)?", 120),
        ("", r"\btarihinde\b.{0,200}\byazd[ıi]", 0),
        ("", r"\b(?:wrote|schrieb|skrev|kirjoitti|napisao(?:/la)?)", 0),
        ("", r"\b(?:wrote|schrieb|skrev|kirjoitti|napisao(?:/la)?)(?= (?:on|am)\b)", 83),
        ("", r"(?:пишет|написал(?:\(а\)|а)?|写道|寫道|のメール|さんは書きました|님이 작성)", 0),
    )
)
_WROTE_BEGINS = re.compile(
    r"(?:on|am|le|el|il|em|op|den|p[åa]|w dniu|dne|dana)\b.{0,300}(?:\d{4}|\d{1,2}[:.]\d{2})", re.I
)
# "-------- Original Message --------"
_DASHES = "-_=*"
_LONGEST_TITLE = 82
_DASHED_WORDS = re.compile(
    "original|forward|message|e-?mail|reply above|above this line|weitergeleitet|urspr[üu]ng"
    "|nachricht|transf[ée]r|mensaje|reenviad|messaggio|inoltrat|mensagem|encaminhad|doorgestuurd"
    "|oorspronkelijk|bericht|meddelande|opprinnelig|alkuper|wiadomo|p[řr]edan|izvorn|proslije"
    "|пересыла|исходно|转发|轉寄|原始|転送|メッセージ",
    re.I,
)
_FORWARD_LINE = re.compile(
    _any(
        "begin forwarded message",
        "please reply above this line",
        r"forwarded by\b.{0,100}",
        "anfang der weitergeleiteten (?:nachricht|e-mail)",
        "d[ée]but du message (?:r[ée]exp[ée]di[ée]|transf[ée]r[ée])",
        "inicio del mensaje reenviado",
        "inizio (?:del )?messaggio inoltrato",
        "begin doorgestuurd bericht",
        "in[íi]cio da mensagem (?:reencaminhada|encaminhada)",
    )
    + r"\s*+:?\s*+",
    re.I,
)
_RULE = re.compile(r"[_-]{10,}+\s*")
# text signed in place (RFC 9580): the armour around it, and dashes escaped by `- `
_ARMOUR_BEGINS = re.compile(r"-{5}BEGIN PGP SIGNED MESSAGE-{5}\s*")
_ARMOUR_ENDS = re.compile(r"-{5}BEGIN PGP SIGNATURE-{5}\s*")
_ARMOUR_HEADER = re.compile(r"(?:Hash|NotDashEscaped|Charset|Comment|Version): .{0,200}")
# an introduction in any language names somebody and ends with a colon
_SOMEBODY = re.compile(r"<[^<>\s@]{1,80}@[^<>\s]{1,200}>")
_ANY_HEADER = re.compile(r"[*>\s]{0,4}" r"\S[^:@]{0,30}:\s?\S.{0,600}")
_ADDRESS = re.compile(r"[^\s<>@]{1,80}@[^\s<>@]{1,200}\.[a-z]{2,}", re.I)
_TIME = re.compile(r"\b\d{1,2}[:.]\d{2}\b")
_LEAD = r"[*>\s]{0,4}"
_FROM = re.compile(
    _LEAD
    + _any(
        "from|von|de|da|van|fr[åa]n|fra|od|от|kimden|l[äa]hett[äa]j[äa]",
        "发件人|寄件者|差出人|보낸 사람|feladó|de la|από|від|nuo|saatja|pengirim|dari|từ|remitente",
        "发信人|寄件人|מאת|من|จาก",
    )
    + r"\s?:.{0,300}",
    re.I,
)
_HEADER = re.compile(
    _LEAD
    + _any(
        "sent|date|to|cc|subject|reply-to|gesendet|datum|an|betreff|objet|[àa]",
        "envoy[ée](?: le)?|enviad[oa](?: el)?|para|asunto|fecha|inviato|data|oggetto",
        "assunto|verzonden|aan|onderwerp|skickat|till|[äa]mne|sendt|til|emne|do|temat",
        "wys[łl]ano|odesl[áa]no|komu|p[řr]edm[ěe]t|poslano|za|naslov|predmet",
        "отправлено|кому|тема|дата|发送时间|收件人|主题|日期|送信日時|宛先|件名",
        "보낸 날짜|받는 사람|제목|elküldve|címzett|tárgy|trimis|către|subiect|στάλθηκε|προς|θέμα",
        "надіслано|дата|до|относно|изпратено|gönderi(?:len|lme tarihi)|kime|konu|tarih",
        "odoslané|predmet|enviat|per a|assumpte|dikirim|kepada|perihal|đã gửi|đến|chủ đề",
        "נשלח|אל|נושא|تم الإرسال|إلى|الموضوع|抄送|副本|답장|寄件日期|收件者|主旨|发送日期",
    )
    + r"\s?:.{0,600}",
    re.I,
)
# with the marks that a program makes of bold or slanted print: `*-- *`
_SIGNATURE = re.compile(r"[*_~]{0,3}[ ]?--\s?[*_~\u200b\ufeff]{0,3}\s?")
_DEVICE = re.compile(
    _any(
        r"sent (?:from|with|using|via)\b.{2,60}",
        "get outlook for .{2,30}",
        r"gesendet (?:mit|von)\b.{2,60}",
        "von meinem .{2,40} gesendet",
        "diese nachricht wurde von meinem .{2,60}",
        r"enviado (?:desde|do|con)\b.{2,60}",
        r"envoy[ée] (?:de|depuis|avec)\b.{2,60}",
        r"inviato da\b.{2,60}",
        r"verzonden (?:vanaf|met)\b.{2,60}",
        r"skickat fr[åa]n\b.{2,60}",
        r"sendt fra\b.{2,60}",
        r"wys[łl]ano z\b.{2,60}",
        r"poslano sa\b.{2,60}",
        r"l[äa]hetetty\b.{2,60}",
        r"отправлено с\b.{2,60}",
        "从我的.{2,40}发送",
        "发自我的.{2,40}",
        ".{2,40}から送信",
    )
    + r"\s*",
    re.I,
)


class _Line(StrEnum):
    """What a line is."""

    OWN = auto()
    QUOTED = auto()
    INTRO = auto()
    """Introduces a quote: `On … wrote:`."""
    END = auto()
    """Nothing below is the sender's new text."""


def own_lines(text: str) -> str:
    """The lines that the sender newly wrote. The text has plain typography already.

    Quoted lines are dropped wherever they stand. Below an introduction that is not followed by
    lines marked as quoted, and below a signature or a forwarded mail, nothing counts.
    """
    lines = text.split("\n")
    out: list[str] = []
    _take_off_armour(lines)
    number = 0
    while number < len(lines):
        kind, used = _classify(lines, number)
        if kind is _Line.END:
            break
        if kind is _Line.INTRO:
            if not _next_written(lines, number + used).lstrip().startswith(">"):
                break
        elif kind is _Line.OWN:
            out.append(lines[number].rstrip())
        number += used
    return "\n".join(out).strip("\n")


def _next_written(lines: list[str], number: int) -> str:
    """The next line that is not blank; empty where there is none."""
    below = range(number, len(lines))
    return next((lines[at] for at in below if lines[at].strip()), "")


def _take_off_armour(lines: list[str]) -> None:
    """Take the armour off a text that was signed in place, and mark its end."""
    begin = next((n for n, line in enumerate(lines[:50]) if _ARMOUR_BEGINS.fullmatch(line)), -1)
    if begin < 0:
        return
    lines[begin] = ""
    number = begin + 1
    while number < len(lines) and _ARMOUR_HEADER.fullmatch(lines[number]):
        lines[number] = ""
        number += 1
    while number < len(lines):
        if _ARMOUR_ENDS.fullmatch(lines[number]):
            lines[number] = _CUT_HERE
            return
        lines[number] = lines[number].removeprefix("- ")
        number += 1


def _classify(lines: list[str], number: int) -> tuple[_Line, int]:
    """What the line is, and how many lines belong to it."""
    line = lines[number].strip()
    if not line or len(line) > _LONGEST_LINE:
        return _Line.OWN, 1
    if line.startswith(">"):
        return _Line.QUOTED, 1
    if line == _CUT_HERE.strip():
        return _Line.END, 1
    if _SIGNATURE.fullmatch(lines[number].strip("\r")) or _DEVICE.fullmatch(line):
        return _Line.END, 1
    if _FORWARD_LINE.fullmatch(line) or (_is_dashed(line) and _DASHED_WORDS.search(line)):
        return _Line.END, 1
    if _RULE.fullmatch(line) and _headers_from(lines, number + 1):
        return _Line.END, 1
    if ":" in line and _headers_from(lines, number):
        return _Line.END, 1
    return _introduction(lines, number)


def _looks_like_headers(near: list[str]) -> bool:
    """The headers of a mail in a language that is not known here: somebody's address in the first
    line, a time in one of the next, and every line of the form `name: value`."""
    if not (
        _ANY_HEADER.fullmatch(near[0][:_LONGEST_LINE]) and _ADDRESS.search(near[0][:_LONGEST_LINE])
    ):
        return False
    block = near[1:4]
    return (
        len(block) == 3
        and all(_ANY_HEADER.fullmatch(line[:_LONGEST_LINE]) for line in block)
        and any(_TIME.search(line[:_LONGEST_LINE]) for line in block[:2])
    )


def _introduction(lines: list[str], number: int) -> tuple[_Line, int]:
    """`On … wrote:`, which may be wrapped over up to three lines."""
    joined = ""
    for used, line in enumerate(lines[number : number + 3], start=1):
        if not line.strip() or line.lstrip().startswith(">") or len(line) > _LONGEST_LINE:
            break
        joined = f"{joined} {line.strip()}".strip()
        if used > 1 and not _WROTE_BEGINS.match(joined):
            break
        if joined.endswith(":") and (_is_wrote(joined) or _SOMEBODY.search(joined)):
            return _Line.INTRO, used
    return _Line.OWN, 1


def _is_dashed(line: str) -> bool:
    """Whether a short text stands between two or more dashes on either side."""
    before = len(line) - len(line.lstrip(_DASHES))
    after = len(line) - len(line.rstrip(_DASHES))
    return min(before, after) >= 2 and 0 < len(line) - before - after <= _LONGEST_TITLE


def _is_wrote(text: str) -> bool:
    text = text.rstrip().removesuffix(":").rstrip()
    return any(phrase.fits(text) for phrase in _PHRASES)


def _headers_from(lines: list[str], number: int) -> bool:
    """Whether the headers of another mail stand here: a From line and two more."""
    near = [line.strip() for line in lines[number : number + 10] if line.strip()][:7]
    if not near:
        return False
    if not _FROM.fullmatch(near[0][:_LONGEST_LINE]):
        return _looks_like_headers(near)
    return sum(bool(_HEADER.fullmatch(line[:_LONGEST_LINE])) for line in near[1:]) >= 2
