"""Settings and mails for the tests of the mail room, as several programs write them."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

from astran.config.secrets import Secret
from astran.config.site import MailSettings, Security, Server

OWN = "astran@lst.example"
ALICE = "alice@institute.example"
AUTHSERV = "mx.lst.example"
PASSED = f"Authentication-Results: {AUTHSERV}; dmarc=pass header.from=institute.example\r\n"
BLOCK = "target: Crab\ndate: 20231207\nruns: 15864, 15865\n"
LAUNCH = "ASTRAN-LAUNCH"


def settings(**changes: Any) -> MailSettings:
    server = Server(host="127.0.0.1", port=9, security=Security.NONE, user=OWN)
    values: dict[str, Any] = {
        "address": OWN,
        "aliases": ("lst-analysis@lst.example",),
        "imap": server,
        "smtp": server,
        "allow": (ALICE, "@allowed.example"),
        "authserv_id": AUTHSERV,
    }
    return MailSettings(**{**values, **changes})


def server_at(port: int, user: str, password: str, ca: Path | None, tls: Security) -> Server:
    import os

    name = f"ASTRAN_TEST_{abs(hash((user, password)))}"
    os.environ[name] = password
    return Server(
        host="localhost",
        port=port,
        security=tls,
        user=user,
        password=Secret(env=name),
        ca_file=ca,
        timeout=10,
    )


def mail(headers: str = "", body: str = BLOCK, **given: str) -> bytes:
    """A raw mail by Alice, authenticated; `headers` go on top, keywords replace or add headers
    (an underscore for a hyphen; an empty value leaves the header out)."""
    fields = {
        "From": f"Alice Astronomer <{ALICE}>",
        "To": OWN,
        "Subject": LAUNCH,
        "Date": "Fri, 08 Dec 2023 09:00:00 +0100",
        "Message-ID": "<1@institute.example>",
        **{key.replace("_", "-"): value for key, value in given.items()},
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return (f"{headers or PASSED}{text}\r\n{body}").encode("utf-8", "surrogateescape")


def message(**given: str) -> EmailMessage:
    """An empty message of Alice to build upon."""
    made = EmailMessage(policy=SMTP)
    for name, value in {
        "Subject": LAUNCH, "From": ALICE, "To": OWN, "Message-ID": "<2@institute.example>", **given
    }.items():  # fmt: skip
        made[name] = value
    return made


def gmail(text: str = BLOCK) -> bytes:
    """Plain and HTML, as Gmail composes."""
    made = message()
    made.set_content(text)
    rows = "".join(f"<div>{line}</div>" for line in text.splitlines())
    made.add_alternative(f'<div dir="ltr">{rows}</div>', subtype="html")
    return made.as_bytes()


def outlook(text: str = BLOCK) -> bytes:
    """Word's HTML with an empty-looking plain part in Windows-1252."""
    made = message()
    page = "".join(
        f"<p class=MsoNormal><span lang=EN-GB>{line.replace(': ', ':&nbsp;')}<o:p></o:p></span></p>"
        for line in text.splitlines()
    )
    style = "<style><!-- p.MsoNormal {margin:0cm} --></style>"
    html = (
        "<html xmlns:o='urn:x'><head><meta charset=us-ascii>"
        f"{style}<!--[if gte mso 9]><xml>x: y</xml><![endif]--></head>"
        f"<body lang=EN-GB><div class=WordSection1>{page}<p class=MsoNormal>&nbsp;</p>"
        "<p class=MsoNormal>Kind regards</p><p class=MsoNormal>Alice</p></div></body></html>"
    )
    made.set_content(text.replace(": ", ":\u00a0"), charset="windows-1252", cte="quoted-printable")
    made.add_alternative(html, subtype="html", cte="base64")
    return made.as_bytes()


def apple(text: str = BLOCK) -> bytes:
    """Text around an inline picture, smart quotes, its own signature."""
    made = message()
    made.make_mixed()
    for part in (text.replace("Crab", "“Crab”"), "\n\nBest, Alice\n\nSent from my iPhone"):
        piece = EmailMessage(policy=SMTP)
        piece.set_content(part, charset="utf-8")
        piece["Content-Disposition"] = "inline"
        made.attach(piece)
    picture = EmailMessage(policy=SMTP)
    picture.set_content(b"\x89PNG", "image", "png", disposition="inline", filename="logo.png")
    made.attach(picture)
    return made.as_bytes()


def thunderbird(delsp: bool = False) -> bytes:
    """format=flowed: the list of runs is broken for display."""
    kind = "text/plain; charset=UTF-8; format=flowed" + ("; delsp=yes" if delsp else "")
    end = "  " if delsp else " "
    body = (
        f"target: Crab\r\ndate: 20231207\r\nruns:{end}\r\n15864,{end}\r\n15865\r\n-- \r\nAlice\r\n"
    )
    return mail(body=body, Content_Type=kind, MIME_Version="1.0")


def html_only(text: str = BLOCK) -> bytes:
    made = message()
    rows = "<br>\n".join(text.splitlines())
    made.set_content(f"<html><body>Dear ASTRAN,<br>{rows}<br></body></html>", subtype="html")
    return made.as_bytes()


def html_table() -> bytes:
    made = message()
    made.set_content(
        "<table><tr><td>Target</td><td>Crab</td></tr><tr><td>Date</td><td>20231207</td></tr>"
        "<tr><td>Runs</td><td>15864, 15865</td></tr></table>",
        subtype="html",
    )
    return made.as_bytes()


def signed() -> bytes:
    """An S/MIME or PGP signed mail: the text and a detached signature."""
    body = (
        "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + BLOCK + "\r\n--b\r\n"
        "Content-Type: application/pgp-signature; name=signature.asc\r\n\r\n"
        "target: Mrk421\r\n--b--\r\n"
    )
    kind = 'multipart/signed; boundary="b"; protocol="application/pgp-signature"'
    return mail(body=body, Content_Type=kind, MIME_Version="1.0")


def beside_attachment() -> bytes:
    """A launch with an old configuration attached as text."""
    made = message()
    made.set_content(BLOCK)
    made.add_attachment("target: Mrk421\ndate: 20200101\n", filename="old.txt")
    return made.as_bytes()


LAUNCHES: dict[str, bytes] = {
    "plain": mail(),
    "gmail": gmail(),
    "outlook": outlook(),
    "apple": apple(),
    "thunderbird": thunderbird(),
    "thunderbird-delsp": thunderbird(delsp=True),
    "html-only": html_only(),
    "html-table": html_table(),
    "signed": signed(),
    "beside-attachment": beside_attachment(),
    "quoted-printable": mail(
        body="target: Cr=\r\nab\r\ndate:=A020231207\r\nruns: 15864=2C 15865\r\n",
        Content_Transfer_Encoding="quoted-printable",
        Content_Type="text/plain; charset=iso-8859-1",
    ),
    "base64": mail(
        body="dGFyZ2V0OiBDcmFiCmRhdGU6IDIwMjMxMjA3CnJ1bnM6IDE1ODY0LCAxNTg2NQo=\r\n",
        Content_Transfer_Encoding="BASE64",
    ),
    "mislabelled": mail(
        body="Grüße,\ntarget\uff1a Crab\ndate: 20231207\nruns: 15864, 15865\n",
        Content_Type="text/plain; charset=us-ascii",
    ),
    "utf-16": mail(
        body="//50AGEAcgBnAGUAdAA6ACAAQwByAGEAYgAKAGQAYQB0AGUAOgAgADIAMAAyADMAMQAyADAANwAKAHIA"
        "dQBuAHMAOgAgADEANQA4ADYANAAsACAAMQA1ADgANgA1AAoA",
        Content_Transfer_Encoding="base64",
        Content_Type="text/plain; charset=utf-16",
    ),
    "auto-linked": mail(
        body="target: Crab\ndate: 20231207<tel:20231207>\nruns: [15864](tel:15864), 15865\n"
    ),
    "disclaimer": mail(
        body=f"Hello,\n\n{BLOCK}\nThanks!\nAlice\nTel.: +49 89 123\nWeb: https://institute.example\n"
        "\nCONFIDENTIALITY: this mail is for its reader alone, and: must not be shown around.\n"
    ),
    "new-above-quote": mail(
        Subject="Re: ASTRAN-LAUNCH",
        In_Reply_To="<0@institute.example>",
        body=f"{BLOCK}\nOn Thu, 7 Dec 2023 at 10:00, Bob <bob@x.example> wrote:\n"
        "> target: Mrk421\n> date: 20200101\n",
    ),
}
"""Mails that must all launch with the parameters of BLOCK."""

_OLD = "target: Mrk421\ndate: 20200101\n"
_MARKED = "".join(f"> {line}\n" for line in _OLD.splitlines())
QUOTES: dict[str, bytes] = {
    name: mail(Subject="Re: ASTRAN-LAUNCH", In_Reply_To="<0@x.example>", body=body)
    for name, body in {
        "gmail": f"Thanks!\n\nOn Thu, 7 Dec 2023 at 10:00, ASTRAN <{OWN}> wrote:\n\n{_MARKED}",
        "gmail-wrapped": f"Thanks!\n\nOn Thu, 7 Dec 2023 at 10:00, ASTRAN at the site\n<{OWN}>"
        f" wrote:\n\n{_MARKED}",
        "unmarked": f"Thanks!\n\nOn Thu, 7 Dec 2023 at 10:00, ASTRAN wrote:\n\n{_OLD}",
        "bottom": f"On Thu, 7 Dec 2023 at 10:00, ASTRAN wrote:\n{_MARKED}\nThanks!\n",
        "german": f"Danke\n\nAm 07.12.2023 um 10:00 schrieb ASTRAN:\n{_MARKED}",
        "french": f"Merci\n\nLe jeu. 7 déc. 2023 à 10:00, ASTRAN <{OWN}> a écrit\u00a0:\n{_OLD}",
        "spanish": f"Gracias\n\nEl jue, 7 dic 2023 a las 10:00, ASTRAN (<{OWN}>) escribió:\n{_OLD}",
        "italian": f"Grazie\n\nIl giorno gio 7 dic 2023 alle ore 10:00 ASTRAN ha scritto:\n{_OLD}",
        "japanese": f"どうも\n\n2023年12月7日(木) 10:00 ASTRAN <{OWN}>:のメール:\n{_OLD}",
        "outlook": f"Thanks!\n\nFrom: ASTRAN <{OWN}>\nSent: Thursday, December 7, 2023 10:00\n"
        f"To: Alice\nSubject: ASTRAN-LAUNCH\n\n{_OLD}",
        "outlook-rule": f"Danke\n\n________________________________\nVon: ASTRAN <{OWN}>\n"
        f"Gesendet: Donnerstag\nAn: Alice\nBetreff: ASTRAN-LAUNCH\n\n{_OLD}",
        "original": f"Thanks!\n\n-----Original Message-----\n{_OLD}",
        "forward": f"see below\n\n---------- Forwarded message ---------\nFrom: A\n\n{_OLD}",
        "apple-forward": f"see below\n\nBegin forwarded message:\n\n{_OLD}",
        "signature": f"Thanks!\n-- \n{_OLD}",
        "iphone": f"Thanks!\n\nSent from my iPhone\n\n{_OLD}",
    }.items()
}
"""Answers and forwards: their new text is no launch."""


def html_reply(quote: str) -> bytes:
    made = message(Subject="Re: ASTRAN-LAUNCH", **{"In-Reply-To": "<0@x.example>"})
    made.set_content(f"<html><body><p>Thanks!</p>{quote}</body></html>", subtype="html")
    return made.as_bytes()


_HTML_OLD = "<p>target: Mrk421</p><p>date: 20200101</p>"
HTML_QUOTES: dict[str, bytes] = {
    name: html_reply(quote)
    for name, quote in {
        "gmail": '<div class="gmail_quote"><div class="gmail_attr">On x wrote:</div>'
        f"{_HTML_OLD}</div>",
        "thunderbird": '<div class="moz-cite-prefix">On x:</div><blockquote type="cite">'
        f"{_HTML_OLD}</blockquote>",
        "apple": f'<blockquote type="cite"><div>{_HTML_OLD}</div></blockquote>',
        "outlook": f'<hr><div id="divRplyFwdMsg">From: x</div><div>{_HTML_OLD}</div>',
        "yahoo": f'<div id="yahoo_quoted_1" class="yahoo_quoted">{_HTML_OLD}</div>',
        "hidden": f'<div style="display: none">{_HTML_OLD}</div>',
        "zero-size": f'<span style="font-size:0px">{_HTML_OLD}</span>',
        "comment": f"<!-- {_HTML_OLD} -->",
        "script": "<script>target: Mrk421\ndate: 20200101</script>",
    }.items()
}
