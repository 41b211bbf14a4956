"""Cutting quoted mails, forwarded mails and signatures off a text.

When in doubt, text counts as quoted: a launch that is taken from an old mail does more harm than a
request that has to be sent again.
"""

from __future__ import annotations

import re
from enum import StrEnum, auto

_LONGEST_LINE = 600


def _any(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


# "On <date>, <name> wrote:" as the mail programs of the world put it
_WROTE = re.compile(
    _any(
        r"on\b.{4,300}\bwrote",
        r"am\b.{4,300}\bschrieb(?:en)?\b.{0,120}",
        r"le\b.{4,300}\ba [ée]crit",
        r"el\b.{4,300}\bescribi[óo]",
        r"il\b.{4,300}\bha scritto",
        r"em\b.{4,300}\bescreveu",
        r"op\b.{4,300}\bschreef\b.{0,120}",
        r"(?:den|p[åa])\b.{4,300}\bskrev\b.{0,120}",
        r"w dniu\b.{4,300}\bnapisa[łl](?:\(a\)|a)?.{0,120}",
        r"dne\b.{4,300}\bnapsal(?:\(a\)|a)?.{0,120}",
        r"(?:dana|dne)\b.{4,300}\bje napisa[ol](?:/la|la)?.{0,120}",
        r".{4,300}\btarihinde\b.{0,200}\byazd[ıi]",
        r".{4,300}\b(?:wrote|schrieb|skrev|kirjoitti|napisao(?:/la)?)(?: (?:on|am)\b.{0,80})?",
        r".{4,300}(?:пишет|написал(?:\(а\)|а)?|写道|寫道|のメール|さんは書きました|님이 작성)",
    )
    + r"\s*:?\s*",
    re.I,
)
_WROTE_BEGINS = re.compile(
    r"(?:on|am|le|el|il|em|op|den|p[åa]|w dniu|dne|dana)\b.{0,300}(?:\d{4}|\d{1,2}[:.]\d{2})", re.I
)
# "-------- Original Message --------"
_DASHED = re.compile(r"[-_=*]{2,}\s?[^-_=*].{0,80}[-_=*]{2,}\s*")
_DASHED_WORDS = re.compile(
    _any(
        "original",
        "forward",
        "message",
        "e-?mail",
        "reply above",
        "above this line",
        "weitergeleitet",
        "urspr[üu]ng",
        "nachricht",
        "transf[ée]r",
        "mensaje",
        "reenviad",
        "messaggio",
        "inoltrat",
        "mensagem",
        "encaminhad",
        "doorgestuurd",
        "oorspronkelijk",
        "bericht",
        "meddelande",
        "opprinnelig",
        "alkuper",
        "wiadomo",
        "p[řr]edan",
        "izvorn",
        "proslije",
        "пересыла",
        "исходно",
        "转发",
        "轉寄",
        "原始",
        "転送",
        "メッセージ",
    ),
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
    + r"\s*:?\s*",
    re.I,
)
_RULE = re.compile(r"[_-]{10,}\s*")
_LEAD = r"[*>\s]{0,4}"
_FROM = re.compile(
    _LEAD
    + _any(
        "from|von|de|da|van|fr[åa]n|fra|od|от|kimden|l[äa]hett[äa]j[äa]",
        "发件人|寄件者|差出人|보낸 사람",
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
        "보낸 날짜|받는 사람|제목",
    )
    + r"\s?:.{0,600}",
    re.I,
)
_SIGNATURE = re.compile(r"--\s?")
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
    number = 0
    while number < len(lines):
        kind, used = _classify(lines, number)
        if kind is _Line.END:
            break
        if kind is _Line.INTRO:
            following = next((line for line in lines[number + used :] if line.strip()), "")
            if not following.lstrip().startswith(">"):
                break
        elif kind is _Line.OWN:
            out.append(lines[number].rstrip())
        number += used
    return "\n".join(out).strip("\n")


def _classify(lines: list[str], number: int) -> tuple[_Line, int]:
    """What the line is, and how many lines belong to it."""
    line = lines[number].strip()
    if not line or len(line) > _LONGEST_LINE:
        return _Line.OWN, 1
    if line.startswith(">"):
        return _Line.QUOTED, 1
    if _SIGNATURE.fullmatch(lines[number].strip("\r")) or _DEVICE.fullmatch(line):
        return _Line.END, 1
    if _FORWARD_LINE.fullmatch(line) or (_DASHED.fullmatch(line) and _DASHED_WORDS.search(line)):
        return _Line.END, 1
    if _RULE.fullmatch(line) and _headers_from(lines, number + 1):
        return _Line.END, 1
    if _FROM.fullmatch(line) and _headers_from(lines, number):
        return _Line.END, 1
    return _introduction(lines, number)


def _introduction(lines: list[str], number: int) -> tuple[_Line, int]:
    """`On … wrote:`, which may be wrapped over up to three lines."""
    joined = ""
    for used, line in enumerate(lines[number : number + 3], start=1):
        if not line.strip() or line.lstrip().startswith(">") or len(line) > _LONGEST_LINE:
            break
        joined = f"{joined} {line.strip()}".strip()
        if used > 1 and not _WROTE_BEGINS.match(joined):
            break
        if joined.endswith(":") and _WROTE.fullmatch(joined):
            return _Line.INTRO, used
    return _Line.OWN, 1


def _headers_from(lines: list[str], number: int) -> bool:
    """Whether the headers of another mail stand here: a From line and two more."""
    near = [line.strip() for line in lines[number : number + 10] if line.strip()][:7]
    if not near or not _FROM.fullmatch(near[0][:_LONGEST_LINE]):
        return False
    return sum(bool(_HEADER.fullmatch(line[:_LONGEST_LINE])) for line in near[1:]) >= 2
