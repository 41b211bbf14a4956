# ruff: noqa: E501 - mails are shown as they are
"""Mails that must not launch, each with what becomes of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from corpus_clients import divs, multi, part, raw_part, whole
from mail_samples import AUTHSERV, OWN

from astran.service.intake.decision import MailOutcome

ALICE = "alice@institute.example"
BLOCK = "target: Crab\ndate: 20231207\n"
OLD = "target: Mrk421\ndate: 20240115\n"
OWN_ID = "<confirmation.A12.1.0123456789abcdef@lst.example>"


class Refused(NamedTuple):
    """One mail, and its class."""

    name: str
    raw: bytes
    outcome: MailOutcome


@dataclass(frozen=True)
class Letter:
    """Headers by name, in order; an empty value leaves a header out."""

    fields: dict[str, str]

    def but(self, **changes: str) -> Letter:
        return Letter({**self.fields, **{k.replace("_", "-"): v for k, v in changes.items()}})

    def raw(self, made: tuple[str, bytes] | str = BLOCK) -> bytes:
        headers, body = ("", made.encode()) if isinstance(made, str) else made
        top = "".join(f"{name}: {value}\r\n" for name, value in self.fields.items() if value)
        return (top + headers + "\r\n").encode("utf-8", "surrogateescape") + body


def results(text: str) -> str:
    return f"{AUTHSERV}; {text}"


GOOD = Letter(
    {
        "Return-Path": f"<{ALICE}>",
        "Received": "from mail.institute.example by mx.lst.example; Fri, 8 Dec 2023 09:00:01 +0100",
        "Authentication-Results": results("dmarc=pass header.from=institute.example"),
        "From": f"Alice Astronomer <{ALICE}>",
        "To": OWN,
        "Subject": "ASTRAN-LAUNCH",
        "Date": "Fri, 08 Dec 2023 09:00:00 +0100",
        "Message-ID": "<4711@institute.example>",
    }
)
REPLY = GOOD.but(
    Subject="Re: ASTRAN-LAUNCH [A12] accepted: Crab", In_Reply_To=OWN_ID, References=OWN_ID
)

_MACHINES: tuple[dict[str, str], ...] = (
    {"Auto_Submitted": "auto-replied"},
    {"Auto_Submitted": "auto-generated"},
    {"Auto_Submitted": "auto-notified; owner-email=a@b"},
    {"Auto_Submitted": "auto-replied (vacation)"},
    {"Precedence": "bulk"},
    {"Precedence": "junk"},
    {"Precedence": "list"},
    {"Precedence": "auto_reply"},
    {"X_Precedence": "bulk"},
    {"List_Id": "LST shifters <lst.institute.example>"},
    {"List_Unsubscribe": "<mailto:leave@institute.example>"},
    {"List_Post": "<mailto:lst@institute.example>"},
    {"X_Mailing_List": "lst@institute.example"},
    {"X_Autoreply": "yes"},
    {"X_Autorespond": "ASTRAN-LAUNCH"},
    {"X_AutoReply_From": ALICE},
    {"X_Auto_Response_Suppress": "All"},
    {"X_Auto_Response_Suppress": "DR, All"},
    {"X_Loop": ALICE},
    {"X_OTRS_Loop": "True"},
    {"X_Roundup_Loop": "hello"},
    {"X_FC_MachineGenerated": "true"},
    {"X_Cron_Env": "<SHELL=/bin/sh>"},
    {"X_MS_Exchange_Generated_Message_Source": "Mailbox Rules Agent"},
    {"X_MS_Exchange_Inbox_Rules_Loop": ALICE},
    {"Feedback_ID": "1:campaign:mailer"},
    {"X_Failed_Recipients": "x@y.example"},
    {"Return_Path": "<>"},
    {"Return_Path": "< >"},
    {"From": "MAILER-DAEMON@institute.example"},
    {"From": "Mail Delivery System <Mailer-Daemon@institute.example>"},
    {"From": "postmaster@institute.example"},
    {"From": "no-reply@institute.example"},
    {"From": "noreply@institute.example"},
    {"From": "do_not_reply@institute.example"},
    {"From": "jira-noreply@institute.example"},
    {"From": "notifications@institute.example"},
    {"From": "lst-bounces@institute.example"},
    {"From": "cron@institute.example"},
    {"From": OWN},
    {"From": "lst-analysis@lst.example"},
    {"From": f"ASTRAN <{OWN.upper()}>"},
    {"From": "astran+a@lst.example"},
    {"Sender": OWN},
    {"X_Astran_Loop": OWN},
    {"Message_ID": OWN_ID},
    {"Subject": "Out of Office: ASTRAN-LAUNCH"},
    {"Subject": "Out of office AutoReply: ASTRAN-LAUNCH"},
    {"Subject": "Automatic reply: ASTRAN-LAUNCH"},
    {"Subject": "Auto-Reply: ASTRAN-LAUNCH"},
    {"Subject": "[Auto-Reply] ASTRAN-LAUNCH"},
    {"Subject": "Autoreply: Re: ASTRAN-LAUNCH"},
    {"Subject": "Vacation: ASTRAN-LAUNCH"},
    {"Subject": "OOO: ASTRAN-LAUNCH"},
    {"Subject": "Automatische Antwort: ASTRAN-LAUNCH"},
    {"Subject": "Abwesenheitsnotiz: ASTRAN-LAUNCH"},
    {"Subject": "Abwesend: ASTRAN-LAUNCH"},
    {"Subject": "Réponse automatique : ASTRAN-LAUNCH"},
    {"Subject": "Absence du bureau : ASTRAN-LAUNCH"},
    {"Subject": "Respuesta automática: ASTRAN-LAUNCH"},
    {"Subject": "Fuera de la oficina: ASTRAN-LAUNCH"},
    {"Subject": "Risposta automatica: ASTRAN-LAUNCH"},
    {"Subject": "Fuori sede: ASTRAN-LAUNCH"},
    {"Subject": "Resposta automática: ASTRAN-LAUNCH"},
    {"Subject": "Automatisch antwoord: ASTRAN-LAUNCH"},
    {"Subject": "Autosvar: ASTRAN-LAUNCH"},
    {"Subject": "Automaattinen vastaus: ASTRAN-LAUNCH"},
    {"Subject": "Odpowiedź automatyczna: ASTRAN-LAUNCH"},
    {"Subject": "Автоответ: ASTRAN-LAUNCH"},
    {"Subject": "自動応答: ASTRAN-LAUNCH"},
    {"Subject": "自动回复: ASTRAN-LAUNCH"},
    {"Subject": "Undeliverable: ASTRAN-LAUNCH", "From": "noreply@institute.example"},
    {"Subject": "Read: ASTRAN-LAUNCH"},
    {"Subject": "Gelesen: ASTRAN-LAUNCH"},
    {"Subject": "Accepted: ASTRAN-LAUNCH"},
    {"Subject": "Declined: ASTRAN-LAUNCH"},
    {"Content_Type": "text/calendar; method=REPLY"},
    {"Content_Type": 'multipart/report; report-type=delivery-status; boundary="x"'},
    {"Content_Type": 'multipart/report; report-type=disposition-notification; boundary="x"'},
    {"Content_Type": "multipart/report; boundary=x"},
)


def machines() -> Iterator[Refused]:
    for number, headers in enumerate(_MACHINES):
        name = f"machine-{number}-{next(iter(headers)).lower()}"
        yield Refused(name, GOOD.but(**headers).raw(), MailOutcome.IGNORE)
    # a machine is not answered either where nobody vouches for it
    forged = GOOD.but(Authentication_Results="", Auto_Submitted="auto-replied")
    yield Refused("machine-forged", forged.raw(), MailOutcome.IGNORE)


_NOT_THE_KEYWORD = (
    "", "Crab", "АSTRAN-LAUNCH", "ASTRAN-LАUNCH", "XASTRAN-LAUNCH", "A S T R A N - L A U N C H",
    "=?utf-8?q?ASTR=D0=90N-LAUNCH?=", "re: your ASTRAN launch", "MY-ASTRAN-LAUNCH",
    "ASTRAN meeting on Monday", "Astran paper draft", "ASTRANOMY launch",
)  # fmt: skip
_NEARLY_THE_KEYWORD = (
    "ASTRAN LAUNCH", "ASTRAN–LAUNCH", "ASTRAN‑LAUNCH", "ASTRAN—LAUNCH", "ＡＳＴＲＡＮ-LAUNCH",
    "ASTRAN-LAUNCHED", "ASTRAN-LAUN CH", "ASTRAN_LAUNCH", "ASTRAN\u200b-LAUNCH",
    "ASTRAN-\u00adLAUNCH", "ASTRAN-LAUNCH-TEST", "ASTRAN-LAUNCH2",
    "AſTRAN-LAUNCH",
)  # fmt: skip


def not_ours() -> Iterator[Refused]:
    for number, subject in enumerate(_NOT_THE_KEYWORD):
        yield Refused(f"subject-{number}", GOOD.but(Subject=subject).raw(), MailOutcome.IGNORE)
    for number, subject in enumerate(_NEARLY_THE_KEYWORD):
        nearly = GOOD.but(Subject=subject)
        yield Refused(f"nearly-{number}", nearly.raw(), MailOutcome.ERROR_REPLY)
        stranger = nearly.but(From="eve@institute.example")
        yield Refused(f"nearly-{number}-stranger", stranger.raw(), MailOutcome.IGNORE)
        forged = nearly.but(Authentication_Results="")
        yield Refused(f"nearly-{number}-forged", forged.raw(), MailOutcome.IGNORE)
    body_only = GOOD.but(Subject="please").raw(f"ASTRAN-LAUNCH\n{BLOCK}")
    yield Refused("keyword-in-the-body", body_only, MailOutcome.IGNORE)
    other = GOOD.but(Subject="", X_Subject="ASTRAN-LAUNCH", Thread_Topic="ASTRAN-LAUNCH")
    yield Refused("keyword-in-another-header", other.raw(), MailOutcome.IGNORE)


_MARKED = "".join(f"> {line}\n" for line in OLD.splitlines())
_INTRODUCTIONS = (
    f"On Thu, 7 Dec 2023 at 10:00, ASTRAN <{OWN}> wrote:",
    f"On Thu, 7 Dec 2023 at 10:00, ASTRAN at the observatory\n<{OWN}> wrote:",
    "On Dec 7, 2023, at 10:00, ASTRAN wrote:",
    f"Am 07.12.23 um 10:00 schrieb ASTRAN <{OWN}>:",
    "Am Donnerstag, 7. Dezember 2023, 10:00:00 CET schrieb ASTRAN:",
    f"Le jeu. 7 déc. 2023 à 10:00, ASTRAN <{OWN}> a écrit :",
    f"El jue, 7 dic 2023 a las 10:00, ASTRAN (<{OWN}>) escribió:",
    f"Il giorno gio 7 dic 2023 alle ore 10:00 ASTRAN <{OWN}> ha scritto:",
    f"Em qui., 7 de dez. de 2023 às 10:00, ASTRAN <{OWN}> escreveu:",
    f"Op do 7 dec 2023 om 10:00 schreef ASTRAN <{OWN}>:",
    f"Den tors 7 dec. 2023 kl 10:00 skrev ASTRAN <{OWN}>:",
    f"to 7. jouluk. 2023 klo 10.00 ASTRAN <{OWN}> kirjoitti:",
    f"czw., 7 gru 2023 o 10:00 ASTRAN <{OWN}> napisał(a):",
    f"čt 7. 12. 2023 v 10:00 odesílatel ASTRAN <{OWN}> napsal:",
    f"2023年12月7日(木) 10:00 ASTRAN <{OWN}>:",
    f"ASTRAN <{OWN}> 于2023年12月7日周四 10:00写道：",
    f"чт, 7 дек. 2023 г. в 10:00, ASTRAN <{OWN}>:",
    f"Στις Πέμ 7 Δεκ 2023 στις 10:00, ο χρήστης ASTRAN <{OWN}> έγραψε:",
    f"ASTRAN <{OWN}> ezt írta (időpont: 2023. dec. 7., Cs, 10:00):",
    f"7 Ara 2023 Per, 10:00 tarihinde ASTRAN <{OWN}> şunu yazdı:",
    "-----Original Message-----",
    "-------- Original Message --------",
    "-------- Ursprüngliche Nachricht --------",
    "---------- Forwarded message ---------",
    "-------- Weitergeleitete Nachricht --------",
    "-------- Message transféré --------",
    "Begin forwarded message:",
    "Anfang der weitergeleiteten Nachricht:",
    f"________________________________\nFrom: ASTRAN <{OWN}>\nSent: Thursday, December 7, 2023 "
    "10:00\nTo: Alice\nSubject: ASTRAN-LAUNCH\n",
    f"From: ASTRAN <{OWN}>\nDate: Thursday, 7 December 2023 at 10:00\nTo: Alice\nSubject: Crab\n",
    f"Von: ASTRAN <{OWN}>\nGesendet: Donnerstag, 7. Dezember 2023 10:00\nAn: Alice\nBetreff: Crab\n",
    f"De : ASTRAN <{OWN}>\nEnvoyé : jeudi 7 décembre 2023 10:00\nÀ : Alice\nObjet : Crab\n",
    f"De: ASTRAN <{OWN}>\nEnviado: jueves, 7 de diciembre de 2023 10:00\nPara: Alice\nAsunto: C\n",
    f"Da: ASTRAN <{OWN}>\nInviato: giovedì 7 dicembre 2023 10:00\nA: Alice\nOggetto: Crab\n",
    f"发件人: ASTRAN <{OWN}>\n发送时间: 2023年12月7日 10:00\n收件人: Alice\n主题: Crab\n",
    f"差出人: ASTRAN <{OWN}>\n送信日時: 2023年12月7日 10:00\n宛先: Alice\n件名: Crab\n",
    f"Feladó: ASTRAN <{OWN}>\nElküldve: 2023. december 7. 10:00\nCímzett: Alice\nTárgy: Crab\n",
    f"Αποστολέας: ASTRAN <{OWN}>\nΣτάλθηκε: Πέμπτη 7 10:00\nΠρος: Alice\nΘέμα: Crab\n",
    f"Frá: ASTRAN <{OWN}>\nSent: fimmtudagur 10:00\nTil: Alice\nEfni: Crab\n",
    "--",
    "-- \nAlice",
    "Sent from my iPhone\n",
    "Von meinem iPhone gesendet\n",
    "Get Outlook for Android<https://aka.ms/x>\n",
)  # fmt: skip


def answers() -> Iterator[Refused]:
    for number, words in enumerate(_INTRODUCTIONS):
        text = f"Thank you, that was quick!\n\n{words}\n{OLD}"
        yield Refused(f"quoted-{number}", REPLY.raw(text), MailOutcome.IGNORE)
        marked = f"Thank you!\n\n{words}\n{_MARKED}"
        yield Refused(f"quoted-marked-{number}", REPLY.raw(marked), MailOutcome.IGNORE)
    page = divs(OLD)
    for name, quote in {
        "gmail": f'<div class="gmail_quote"><div dir="ltr" class="gmail_attr">On x, A &lt;{OWN}&gt; '
        f'wrote:<br></div><blockquote class="gmail_quote" style="margin:0 0 0 .8ex">{page}'
        "</blockquote></div>",
        "thunderbird": f'<div class="moz-cite-prefix">On x:</div><blockquote type="cite" cite="mid:x">'
        f"{page}</blockquote>",
        "thunderbird-forward": f'<div class="moz-forward-container">{page}</div>',
        "apple": f'<br><blockquote type="cite"><div>On 7 Dec 2023, A wrote:</div>{page}</blockquote>',
        "outlook": '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm">'
        f"<p class=MsoNormal><b>From:</b> A &lt;{OWN}&gt; <br><b>Sent:</b> Thursday 10:00<br>"
        f"<b>To:</b> Alice<br><b>Subject:</b> Crab</p></div>{page}",
        "outlook-web": f'<hr tabindex="-1"><div id="divRplyFwdMsg" dir="ltr">From</div>{page}',
        "outlook-mobile": f'<div id="ms-outlook-mobile-reference-message">{page}</div>',
        "outlook-append": f'<div id="appendonsend"></div><hr>{page}',
        "yahoo": f'<div id="ydp1yahoo_quoted_1" class="ydp1yahoo_quoted">{page}</div>',
        "proton": f'<div class="protonmail_quote">On x wrote:<blockquote>{page}</blockquote></div>',
        "gmx": '<div name="quote" style="margin:10px 5px 5px 10px; border-left:2px solid #C3D9E5;">'
        f"<div>Gesendet: x</div>{page}</div>",
        "zimbra": f'<hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__"><b>From: '
        f"</b>A &lt;{OWN}&gt;<br><b>To: </b>Alice<br><b>Sent: </b>10:00<br><b>Subject: </b>C<br>"
        f"</div>{page}",
        "zoho": f'<div class="zmail_extra">{page}</div>',
        "roundcube": f'<p id="reply-intro">On 2023-12-07 10:00, A wrote:</p><blockquote>{page}'
        "</blockquote>",
        "bar": f'<div style="border-left: 1px solid rgb(204,204,204); padding-left:1ex">{page}</div>',
        "tutanota": f'<blockquote class="tutanota_quote">{page}</blockquote>',
    }.items():
        for kind in ("html", "both"):
            html = part("text/html", f"<html><body><div>Thanks!</div>{quote}</body></html>")
            made = html if kind == "html" else multi(
                "alternative", part("text/plain", f"Thanks!\n\nOn x, A <{OWN}> wrote:\n{_MARKED}"),
                html)  # fmt: skip
            yield Refused(f"html-{name}-{kind}", REPLY.raw(whole(made)), MailOutcome.IGNORE)
    forwarded = raw_part("message/rfc822", GOOD.raw())
    made = multi("mixed", part("text/plain", "see the attached\n"), forwarded)
    yield Refused("forwarded-attached", GOOD.but(Subject="Fwd: ASTRAN-LAUNCH").raw(whole(made)),
                  MailOutcome.IGNORE)  # fmt: skip
    for number, command in enumerate(("RETRY A1", "CANCEL A1", "STATUS", "LIST", "HELP")):
        for prefix in ("Re:", "AW:", "Fwd:", "[EXTERNAL] Re:", "RE: Re:", "Odp:", ""):
            subject = f"{prefix} ASTRAN-{command} [A2] accepted: Crab, 2023-12-07"
            thanks = REPLY.but(Subject=subject).raw("Thank you!\n\nAlice\n")
            yield Refused(f"thanks-{number}-{prefix}", thanks, MailOutcome.IGNORE)
            if prefix:
                apart = GOOD.but(Subject=subject).raw("Thank you!\n")
                yield Refused(f"thanks-{number}-{prefix}-alone", apart, MailOutcome.IGNORE)
        bare = GOOD.but(Subject=f"ASTRAN-{command}", In_Reply_To="unbracketed@id.example")
        yield Refused(f"thanks-{number}-bare", bare.raw("Thanks\n"), MailOutcome.IGNORE)
    alone = REPLY.raw("")
    yield Refused("empty-answer", alone, MailOutcome.IGNORE)


def strangers() -> Iterator[Refused]:
    for number, sender in enumerate(
        (
            "bob@institute.example", "eve@evil.example", "alice@institute.example.evil.example",
            "alice@sub.institute.example", '"alice@institute.example" <eve@evil.example>',
            "alice.astronomer@institute.example", "=?utf-8?q?alice=40institute=2Eexample?= <e@x.y>",
            "аlice@institute.example <eve@evil.example>", "x@notallowed.example",
            "any@sub.allowed.example",
        )
    ):  # fmt: skip
        domain = sender.rstrip(">").rpartition("@")[2]
        vouched = results(f"dmarc=pass header.from={domain}")
        letter = GOOD.but(From=sender, Authentication_Results=vouched)
        # a name with a second address in it is no clear From line
        unclear = sender.startswith("а")
        outcome = MailOutcome.QUARANTINE if unclear else MailOutcome.REFUSE
        yield Refused(f"stranger-{number}", letter.raw(), outcome)
        asks = letter.but(Subject="ASTRAN-STATUS A1")
        yield Refused(f"stranger-asks-{number}", asks.raw(), outcome)


_FORGED = (
    "", results("none"), results("spf=pass smtp.mailfrom=institute.example"),
    results("dkim=pass header.d=institute.example"),
    results("dmarc=fail header.from=institute.example"),
    results("dmarc=none header.from=institute.example"),
    results("dmarc=temperror header.from=institute.example"),
    results("dmarc=bestguesspass header.from=institute.example"),
    results("dmarc=pass header.from=evil.example"), results("dmarc=pass"),
    results("dmarc=pass header.from=institute.example.evil.example"),
    results("dmarc=fail header.from=institute.example; dmarc=pass header.from=institute.example"),
    results("dmarc=pass header.from=institute.example; dmarc=fail header.from=institute.example"),
    results("spf=fail (a; dmarc=pass header.from=institute.example)"),
    results('spf=fail smtp.mailfrom="x; dmarc=pass header.from=institute.example"@evil.example'),
    "other.example; dmarc=pass header.from=institute.example",
    f"{AUTHSERV}.evil.example; dmarc=pass header.from=institute.example",
    f"x{AUTHSERV}; dmarc=pass header.from=institute.example",
    "dmarc=pass header.from=institute.example", "garbage", ";;;;",
    results("dmarc=pass (unclosed header.from=institute.example"),
)  # fmt: skip


def forgeries() -> Iterator[Refused]:
    for number, header in enumerate(_FORGED):
        letter = GOOD.but(Authentication_Results=header)
        yield Refused(f"forged-{number}", letter.raw(), MailOutcome.QUARANTINE)
        asks = letter.but(Subject="ASTRAN-CANCEL A1")
        yield Refused(f"forged-asks-{number}", asks.raw(), MailOutcome.QUARANTINE)
    below = GOOD.but(Authentication_Results=results("dmarc=fail header.from=institute.example"))
    true = results("dmarc=pass header.from=institute.example")
    raw = below.raw().replace(b"From: ", f"Authentication-Results: {true}\r\nFrom: ".encode(), 1)
    yield Refused("forged-below", raw, MailOutcome.QUARANTINE)
    apart = raw.replace(b"Authentication-Results: mx.lst.example; dmarc=pass",
                        b"Received: from x\r\nAuthentication-Results: mx.lst.example; dmarc=pass")  # fmt: skip
    yield Refused("forged-further-below", apart, MailOutcome.QUARANTINE)
    for number, sender in enumerate(
        (f"{ALICE}, eve@evil.example", "", f"<{ALICE}> <eve@evil.example>", f"a: {ALICE};",
         f"{ALICE} (", "alice", f"eve@evil.example <{ALICE}>")
    ):  # fmt: skip
        yield Refused(f"two-froms-{number}", GOOD.but(From=sender).raw(), MailOutcome.QUARANTINE)
    for name in ("Subject: how to use ASTRAN", "subject: ASTRAN-HELP", "Message-Id: <0@x.example>",
                 "Content-Type: text/plain\r\ncontent-type: text/html", "DATE: yesterday"):  # fmt: skip
        for number, before in enumerate((b"From: ", b"Message-ID: ")):
            raw = GOOD.raw().replace(before, name.encode() + b"\r\n" + before, 1)
            yield Refused(f"twice-{number}-{name}", raw, MailOutcome.QUARANTINE)
    twice = GOOD.raw().replace(b"From: ", b"From: eve@evil.example\r\nFrom: ", 1)
    yield Refused("two-from-lines", twice, MailOutcome.QUARANTINE)


_WRONG = (
    "", "Hello!", "target: Crab\n", "date: 20231207\n", "target: Crab\ndate:\n\n",
    "target:\n\ndate: 20231207\n", "target: Crab\ndate: 20991207\n", "target: Crab\ndate: 20230230\n",
    "target: Crab\ndate: 2023-13-07\n", "target: Crab\ndate: 07/12/2023\n",
    "target: Crab\ndate: 7.12.2023\n", "target: Crab\ndate: 07-12-23\n",
    "target: Crab\ndate: yesterday\n", "target: Crab\ndate: 2023127\n",
    "target: Crab\ndate: 20231207 please\n", "target: Crab\ndate: 20231209..20231207\n",
    f"{BLOCK}runs: 15866-15864\n", f"{BLOCK}runs: 1-99999\n", f"{BLOCK}runs: 0\n",
    f"{BLOCK}runs: -3\n", f"{BLOCK}runs: 15864.5\n", f"{BLOCK}runs: many\n",
    f"{BLOCK}runs: 15864; rm -rf /\n", f"{BLOCK}runs: 1e4\n", f"{BLOCK}runs: 99999999999\n",
    "target: Crabb Nebbula\ndate: 20231207\n", "target: Andromedda Foo\ndate: 20231207\n",
    "target: NoSuchSource\ndate: 20231207\n", f"{BLOCK}target: Mrk421\n",
    f"{BLOCK}date: 20231208\n", f"{BLOCK}\n\n{OLD}", f"{BLOCK}runs: 1\nruns: 2\n",
    "target: Сrab\ndate: 20231207\n", "target: Cr\u200bab\ndate: 20231207\n",
    "target: Cr\u202eab\ndate: 20231207\n", "target: Cr\x07ab\ndate: 20231207\n",
    "target: Cr\x00ab\ndate: 20231207\n", "target: Cr\u00adab\ndate: 20231207\n",
    "target: ../../etc/passwd\ndate: 20231207\n", "target: /etc/passwd\ndate: 20231207\n",
    "target: <script>alert(1)</script>\ndate: 20231207\n", "target: $(reboot)\ndate: 20231207\n",
    "target: `id`\ndate: 20231207; ls\n", "target: {{ 7*7 }}\ndate: 20231207\n",
    "target: !!python/object/apply:os.system [id]\ndate: 20231207\n",
    "target: &a Crab\ndate: 20231207\n", "target: *a\ndate: 20231207\n",
    "target: [Crab, {Mrk421}]\ndate: 20231207\n", "target: Crab | tee x\ndate: 20231207\n",
    "target: %s%n\ndate: 20231207\n", f"target: {'x' * 500}\ndate: 20231207\n",
    "targt: Crab\ndate: 20231207\n", "target: Crab\ndaet: 20231207\n", f"{BLOCK}rnus: 15864\n",
    f"{BLOCK}dl3.theta_cutt: 0.2\n", f"{BLOCK}dl3.theta_cut: 0,2\n", f"{BLOCK}dl3.theta_cut: 20\n",
    f"{BLOCK}dl3.theta_cut: -0.2\n", f"{BLOCK}dl3.theta_cut: nan\n",
    f"{BLOCK}dl3.theta_cut: 0.2 TeV\n", f"{BLOCK}dl3.gammaness_cut: 1.7\n",
    f"{BLOCK}dl3.gammaness_cut: high\n", f"{BLOCK}start: dl7\n", f"{BLOCK}lstchain: ; rm\n",
    f"{BLOCK}dl9.cut: 3\n", f"{BLOCK}foo: 3\n", f"{BLOCK}ra: 83.6\n", f"{BLOCK}ra: 400\ndec: 22\n",
    f"{BLOCK}ra: 166\ndec: 38\n", f"{BLOCK}dec: 95\nra: 83\n", f"{BLOCK}repeat: until 2099-01-01\n",
    "target: Crab\nrepeat: daily\n", "target: Crab\nrepeat: until 2001-01-01\n",
    "target: Crab\nrepeat: until 2099-01-01\nruns: 15864\n", f"{BLOCK}folder: ../../x\n",
    f"{BLOCK}dl2.models: /etc\n", BLOCK + "x\n" * 5000, BLOCK + "x" * 300_000,
    f"> {BLOCK}".replace("\nd", "\n> d"), "ＴＡＲＧＥＴ: Crab\ndate: 20231207\n",
    f"{BLOCK}highlevel.energy_min: 5\nhighlevel.energy_max: 1\n", "a: &x [1]\nb: *x\n" * 50,
    "---\n!!map {target: Crab}\n", f"{'[' * 5000}\n", f"{'{' * 20000}",
)  # fmt: skip


def wrong() -> Iterator[Refused]:
    for number, text in enumerate(_WRONG):
        yield Refused(f"wrong-{number}", GOOD.raw(text), MailOutcome.ERROR_REPLY)
        if number % 3 == 0 and "\x00" not in text and len(text) < 10_000:
            both = multi("alternative", part("text/plain", text), part("text/html", divs(text)))
            yield Refused(f"wrong-html-{number}", GOOD.raw(whole(both)), MailOutcome.ERROR_REPLY)


def _page(hidden: str, style: str) -> bytes:
    return part("text/html", f"<html><body><p>Hello</p><div {style}>{divs(hidden)}</div></body>")


def broken() -> Iterator[Refused]:
    attached = raw_part('text/plain; name="a.txt"', BLOCK.encode(), "base64",
                        "Content-Disposition: attachment; filename=a.txt\r\n")  # fmt: skip
    cases: dict[str, tuple[str, bytes]] = {
        "attachment": whole(multi("mixed", part("text/plain", "see attached\n"), attached)),
        "attachment-only": whole(multi("mixed", attached)),
        "whole-mail-is-attachment": whole(attached),
        "attached-mail": whole(multi("mixed", part("text/plain", "see\n"),
                                     raw_part("message/rfc822", GOOD.raw()))),
        "attached-yaml": whole(multi("mixed", part("text/plain", "see\n"), raw_part(
            "application/x-yaml; name=c.yml", BLOCK.encode()))),
        "disagree": whole(multi("alternative", part("text/plain", BLOCK),
                                part("text/html", divs(OLD)))),
        "disagree-runs": whole(multi("alternative", part("text/plain", BLOCK),
                                     part("text/html", divs(BLOCK + "runs: 15864\n")))),
        "html-empty": whole(multi("alternative", part("text/plain", BLOCK),
                                  part("text/html", "<p>Hello</p>"))),
        "cut-boundary": whole(multi("mixed", part("text/plain", BLOCK)).rsplit(b"--", 2)[0]),
        "no-boundary": ("Content-Type: multipart/mixed\r\n", BLOCK.encode()),
        "wrong-boundary": ("Content-Type: multipart/mixed; boundary=a\r\n",
                           b"--b\r\n\r\n" + BLOCK.encode() + b"--b--\r\n"),
        "cut-base64": whole(raw_part("text/plain", BLOCK.encode(), "base64")[:-9]),
        "spoilt-base64": whole(raw_part("text/plain", BLOCK.encode(), "base64")
                               .replace(b"dGFy", b"dG%%!Fy")),
        "partial": ('Content-Type: message/partial; id="x"; number=1; total=2\r\n', BLOCK.encode()),
        "encrypted": whole(multi("encrypted", raw_part("application/pgp-encrypted", b"Version: 1"),
                                 raw_part("application/octet-stream", b"-----BEGIN PGP"),
                                 more="; protocol=application/pgp-encrypted")),
        "enveloped": whole(raw_part("application/pkcs7-mime; smime-type=enveloped-data",
                                    b"\x30\x80\x06\x09", "base64")),
        "image-only": whole(raw_part("image/png; name=x.png", b"\x89PNG", "base64")),
        "base64-of-base64": whole(raw_part("text/plain", base64.b64encode(BLOCK.encode()), "base64")),
        "comment": whole(part("text/html", f"<p>Hi</p><!-- {BLOCK} -->")),
        "script": whole(part("text/html", f"<p>Hi</p><script>{BLOCK}</script>")),
        "title": whole(part("text/html", f"<html><head><title>{BLOCK}</title></head><p>Hi</p>")),
        "alt-text": whole(part("text/html", f'<p>Hi</p><img alt="{BLOCK}">')),
        "hidden-class": whole(part("text/html", "<style>.x{display:none}</style><p>Hi</p>"
                                   f'<div class="x">{divs(BLOCK)}</div>')),
    }  # fmt: skip
    for number, style in enumerate(
        (
            'style="display:none"', 'style="visibility: hidden"', 'style="font-size:0"', "hidden",
            'style="font-size:1px"', 'style="opacity:0"', 'style="color:white"',
            'style="color:#fff;background:#ffffff"', 'style="max-height:0;overflow:hidden"',
            'style="position:absolute;left:-9999px"', 'style="mso-hide:all"',
            'style="DISPLAY : NONE !important"', 'style="text-indent:-9999px"',
        )
    ):  # fmt: skip
        cases[f"hidden-{number}"] = whole(_page(BLOCK, style))
    for name, made in cases.items():
        yield Refused(name, GOOD.raw(made), MailOutcome.ERROR_REPLY)
    yield Refused("no-message-id", GOOD.but(Message_ID="").raw(), MailOutcome.ERROR_REPLY)
    yield Refused("empty-message-id", GOOD.but(Message_ID="<>").raw(), MailOutcome.ERROR_REPLY)
    huge = GOOD.raw(BLOCK + "x" * 6_000_000)
    yield Refused("huge", huge, MailOutcome.ERROR_REPLY)


def commands() -> Iterator[Refused]:
    for subject in (
        "ASTRAN-STATUS A12", "ASTRAN-CANCEL A12", "ASTRAN-RETRY A12", "ASTRAN-LIST", "ASTRAN-HELP",
        "astran-status 12", "ASTRAN-CANCEL S3", "ASTRAN-STATUS", "ASTRAN-DRYRUN",
    ):  # fmt: skip
        yield Refused(f"command-{subject}", GOOD.but(Subject=subject).raw(), MailOutcome.COMMAND)
    wrong_plan = GOOD.but(Subject="ASTRAN-DRYRUN").raw("target: Crab\n")
    yield Refused("command-dryrun-wrong", wrong_plan, MailOutcome.ERROR_REPLY)
    for word in ("ASTRAN-STATUS", "ASTRAN-CANCEL", "astran-retry", "**ASTRAN-LIST**"):
        text = f"{word}\n\nOn x, ASTRAN <{OWN}> wrote:\n{_MARKED}"
        yield Refused(f"in-thread-{word}", REPLY.raw(text), MailOutcome.COMMAND)
        again = REPLY.but(Subject="Re: ASTRAN-RETRY A1 [A2] accepted: Crab").raw(text)
        yield Refused(f"in-thread-of-retry-{word}", again, MailOutcome.COMMAND)


REFUSED: tuple[Refused, ...] = (
    *machines(), *not_ours(), *answers(), *strangers(), *forgeries(), *wrong(), *broken(),
    *commands(),
)  # fmt: skip
