"""How mail programs wrap what a person writes: one function for each program.

The shapes (MIME structure, charsets, transfer encodings, HTML idioms, mobile footers) follow what
the programs are known to send; no mail of anybody is copied.
"""

from __future__ import annotations

import base64
import quopri
from collections.abc import Callable
from html import escape
from textwrap import wrap

from corpus_blocks import Block

Lines = str
Shape = Callable[[Block], tuple[str, bytes]]
"""Block -> (MIME headers, body)."""

_NUMBER = iter(range(10**6))


def part(kind: str, text: str, charset: str = "utf-8", cte: str = "", extra: str = "") -> bytes:
    """One MIME part with its headers."""
    data = text.replace("\n", "\r\n").encode(charset, "xmlcharrefreplace")
    return raw_part(f'{kind}; charset="{charset}"{extra}', data, cte)


def raw_part(kind: str, data: bytes, cte: str = "", more: str = "") -> bytes:
    if cte == "base64":
        data = base64.encodebytes(data).replace(b"\n", b"\r\n")
    elif cte == "quoted-printable":
        data = quopri.encodestring(data.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = f"Content-Type: {kind}\r\n{more}"
    if cte:
        head += f"Content-Transfer-Encoding: {cte}\r\n"
    return head.encode() + b"\r\n" + data


def multi(kind: str, *parts: bytes, more: str = "") -> bytes:
    mark = f"=_b{next(_NUMBER):06d}"
    body = b"".join(b"--" + mark.encode() + b"\r\n" + one + b"\r\n" for one in parts)
    head = f'Content-Type: multipart/{kind}; boundary="{mark}"{more}\r\n\r\n'
    return head.encode() + body + b"--" + mark.encode() + b"--\r\n"


def whole(made: bytes, headers: str = "") -> tuple[str, bytes]:
    """A part as the top of a mail."""
    head, _, body = made.partition(b"\r\n\r\n")
    return f"{headers}MIME-Version: 1.0\r\n{head.decode()}\r\n", body


def divs(text: str, tag: str = "div", attributes: str = "") -> str:
    return "".join(
        f"<{tag}{attributes}>{escape(line, quote=False) or '<br>'}</{tag}>"
        for line in text.splitlines()
    )


def breaks(text: str) -> str:
    return "<br>\n".join(escape(line, quote=False) for line in text.splitlines())


def flowed(text: str, width: int = 60, end: str = " ") -> str:
    out = []
    for line in text.splitlines():
        pieces = wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]
        out += [piece + end for piece in pieces[:-1]] + [pieces[-1]]
    return "\n".join(out) + "\n"


def linked(text: str) -> str:
    """Dates and run numbers taken for telephone numbers, as Outlook writes them into plain text."""
    words = text.replace("20231207", "20231207<tel:20231207>")
    return words.replace("15864,", "15864<tel:15864>,")


def html_linked(text: str) -> str:
    page = divs(text)
    return page.replace("20231207", '<a href="tel:20231207" dir="ltr">20231207</a>')


def gmail_web(b: Block) -> tuple[str, bytes]:
    page = f'<div dir="ltr">{divs(b.text)}</div>'
    return whole(multi("alternative", part("text/plain", b.text), part("text/html", page)))


def gmail_quoted_printable(b: Block) -> tuple[str, bytes]:
    page = f'<div dir="ltr">{divs(b.text)}<div><br></div></div>\n'
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text, cte="quoted-printable"),
            part("text/html", page, cte="quoted-printable"),
        )
    )


def gmail_signature(b: Block) -> tuple[str, bytes]:
    sign = '<div class="gmail_signature" data-smartmail="gmail_signature"><div dir="ltr">Alice'
    page = (
        f'<div dir="ltr">{divs(b.text)}<br clear="all"><br><span>-- </span><br>{sign}</div></div>'
    )
    text = f"{b.text}\n\n-- \nAlice\n"
    return whole(multi("alternative", part("text/plain", text), part("text/html", page)))


def gmail_android(b: Block) -> tuple[str, bytes]:
    page = f'<div dir="auto">{divs(b.text, attributes=" dir=auto")}</div>'
    return whole(multi("alternative", part("text/plain", b.text), part("text/html", page)))


def gmail_plain(b: Block) -> tuple[str, bytes]:
    return whole(part("text/plain", b.text))


def gmail_base64(b: Block) -> tuple[str, bytes]:
    page = f'<div dir="ltr">{divs(b.text)}</div>'
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text, cte="base64"),
            part("text/html", page, cte="base64"),
        )
    )


_WORD_STYLE = (
    "<style><!--\n/* Font Definitions */\n@font-face {font-family:Calibri;}\np.MsoNormal, "
    "li.MsoNormal {margin:0cm; font-size:11.0pt;}\n@media print {.x {display:none}}\n--></style>"
    "<!--[if gte mso 9]><xml><o:shapedefaults v:ext='edit' spidmax='1026'/></xml><![endif]-->"
)


def _word(text: str) -> str:
    paragraphs = "".join(
        f"<p class=MsoNormal><span lang=EN-US style='mso-fareast-language:EN-US'>"
        f"{escape(line, quote=False).replace(': ', ':&nbsp;') or '&nbsp;'}<o:p></o:p></span></p>\n"
        for line in text.splitlines()
    )
    return (
        "<html xmlns:v='urn:schemas-microsoft-com:vml' xmlns:o='urn:schemas-microsoft-com:office'>"
        f"<head><meta name=Generator content='Microsoft Word 15'>{_WORD_STYLE}</head>"
        f"<body lang=EN-US link='#0563C1'><div class=WordSection1>{paragraphs}</div></body></html>"
    )


def outlook_desktop(b: Block) -> tuple[str, bytes]:
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text, cte="quoted-printable"),
            part("text/html", _word(b.text), cte="quoted-printable"),
        ),
        "X-Mailer: Microsoft Outlook 16.0\r\nThread-Index: AdopQ==\r\n",
    )


def outlook_lists(b: Block) -> tuple[str, bytes]:
    """Word's lists: a symbol, some blanks, the text."""
    page = "".join(
        "<p class=MsoListParagraph style='text-indent:-18.0pt;mso-list:l0 level1 lfo1'>"
        "<![if !supportLists]><span style='font-family:Symbol'><span style='mso-list:Ignore'>·"
        "<span style='font:7.0pt \"Times New Roman\"'>&nbsp;&nbsp;&nbsp; </span></span></span>"
        f"<![endif]><span>{escape(line)}<o:p></o:p></span></p>"
        for line in b.text.splitlines()
    )
    return whole(part("text/html", f"<html><head>{_WORD_STYLE}</head><body>{page}</body></html>"))


def outlook_web(b: Block) -> tuple[str, bytes]:
    style = ' style="font-family: Calibri, sans-serif; font-size: 12pt; color: rgb(0, 0, 0);"'
    page = (
        '<html><head><style type="text/css" style="display:none;"> P {margin:0;} </style></head>'
        f'<body dir="ltr">{divs(b.text, attributes=f" class=elementToProof{style}")}</body></html>'
    )
    return whole(
        multi(
            "alternative",
            part(
                "text/plain",
                b.text,
                "windows-1252" if _fits(b.text) else "utf-8",
                "quoted-printable",
            ),
            part("text/html", page, cte="quoted-printable"),
        ),
        "msip_labels:\r\nX-MS-Has-Attach:\r\nX-MS-TNEF-Correlator:\r\n",
    )


def _fits(text: str, charset: str = "windows-1252") -> bool:
    try:
        text.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def outlook_dark(b: Block) -> tuple[str, bytes]:
    ink = ' style="color: rgb(255, 255, 255);"'
    page = f'<body style="background-color: rgb(41, 41, 41)">{divs(b.text, attributes=ink)}</body>'
    return whole(part("text/html", page, cte="base64"))


def outlook_mobile(b: Block) -> tuple[str, bytes]:
    foot = 'Get <a href="https://aka.ms/o0ukef">Outlook for iOS</a>'
    page = (
        f"<html><body>{divs(b.text, attributes=' dir=ltr')}"
        f'<div id="ms-outlook-mobile-signature" dir="ltr">{foot}</div></body></html>'
    )
    text = f"{b.text}\n\nGet Outlook for iOS<https://aka.ms/o0ukef>\n"
    return whole(multi("alternative", part("text/plain", text), part("text/html", page)))


def outlook_linked(b: Block) -> tuple[str, bytes]:
    return whole(
        multi(
            "alternative",
            part("text/plain", linked(b.text)),
            part("text/html", f"<html><body>{html_linked(b.text)}</body></html>"),
        )
    )


def outlook_mac(b: Block) -> tuple[str, bytes]:
    page = "".join(f'<p class="MsoNormal">{escape(line)}</p>' for line in b.text.splitlines())
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text, cte="base64"),
            part(
                "text/html",
                f'<html><body><div class="WordSection1">{page}</div></body></html>',
                cte="base64",
            ),
        ),
        "User-Agent: Microsoft-MacOutlook/16.78\r\n",
    )


def exchange_disclaimer(b: Block) -> tuple[str, bytes]:
    warning = "CAUTION: This email originated from outside of the organization."
    page = (
        '<table border="1"><tr><td style="background:#ffeb9c"><b>CAUTION:</b> This email came '
        f"from outside.</td></tr></table><br>{divs(b.text)}"
    )
    return whole(
        multi("alternative", part("text/plain", f"{warning}\n\n{b.text}"), part("text/html", page))
    )


def outlook_logo(b: Block) -> tuple[str, bytes]:
    page = f"{_word(b.text)[:-14]}<img src='cid:image001.png@01DA'></body></html>"
    both = multi("alternative", part("text/plain", b.text + "\n[cid:image001.png@01DA]\n"),
                 part("text/html", page))  # fmt: skip
    logo = raw_part("image/png; name=image001.png", b"\x89PNG\r\n", "base64",
                    "Content-ID: <image001.png@01DA>\r\n")  # fmt: skip
    return whole(multi("related", both, logo, more='; type="multipart/alternative"'))


def apple_mail_plain(b: Block) -> tuple[str, bytes]:
    return whole(
        part(
            "text/plain",
            b.text,
            "us-ascii" if b.text.isascii() else "utf-8",
            "quoted-printable",
            ";\r\n\tdelsp=yes;\r\n\tformat=flowed",
        ),
        "X-Mailer: Apple Mail (2.3731)\r\n",
    )


def apple_mail_rich(b: Block) -> tuple[str, bytes]:
    page = (
        '<html aria-label="message body"><head><meta http-equiv="content-type" content="text/html; '
        'charset=utf-8"></head><body style="overflow-wrap: break-word; -webkit-nbsp-mode: space;">'
        f"{divs(b.text)}</body></html>"
    )
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text, cte="quoted-printable"),
            part("text/html", page, cte="quoted-printable"),
        ),
        "X-Mailer: Apple Mail (2.3774)\r\n",
    )


def apple_mail_attachment(b: Block) -> tuple[str, bytes]:
    """HTML around an attachment, the plain form outside."""
    pdf = raw_part("application/pdf; name=plot.pdf", b"%PDF-1.4", "base64",
                   "Content-Disposition: inline; filename=plot.pdf\r\n")  # fmt: skip
    page = f"<html><body>{divs(b.text)}</body></html>"
    inner = multi(
        "mixed", part("text/html", page), pdf, part("text/html", "<html><body><br></body>")
    )
    return whole(multi("alternative", part("text/plain", b.text), inner))


def iphone(b: Block) -> tuple[str, bytes]:
    page = (
        f'<html><body dir="auto">{html_linked(b.text)}<br id="lineBreakAtBeginningOfSignature">'
        '<div dir="ltr">Sent from my iPhone</div></body></html>'
    )
    text = f"{b.text}\n\nSent from my iPhone"
    return whole(
        multi("alternative", part("text/plain", text), part("text/html", page)),
        "X-Mailer: iPhone Mail (21C66)\r\n",
    )


def iphone_html_only(b: Block) -> tuple[str, bytes]:
    page = (
        f'<html><body dir="auto">{divs(b.text)}<div>Von meinem iPhone gesendet</div></body></html>'
    )
    return whole(part("text/html", page, cte="base64"))


def thunderbird_flowed(b: Block) -> tuple[str, bytes]:
    return whole(
        part("text/plain", flowed(b.text), extra="; format=flowed", cte="8bit"),
        "User-Agent: Mozilla Thunderbird\r\nContent-Language: en-US\r\n",
    )


def thunderbird_delsp(b: Block) -> tuple[str, bytes]:
    return whole(part("text/plain", flowed(b.text, end="  "), extra="; format=flowed; delsp=yes"))


def thunderbird_html(b: Block) -> tuple[str, bytes]:
    page = (
        '<!DOCTYPE html><html><head><meta http-equiv="content-type" content="text/html"></head>'
        f'<body><p>{breaks(b.text)}</p><pre class="moz-signature" cols="72">-- \nAlice</pre></body>'
    )
    return whole(
        multi(
            "alternative",
            part("text/plain", f"{flowed(b.text)}\n-- \nAlice\n", extra="; format=flowed"),
            part("text/html", page),
        )
    )


def thunderbird_html_only(b: Block) -> tuple[str, bytes]:
    return whole(
        part("text/html", f"<html><body><p>{breaks(b.text)}</p></body></html>", cte="8bit")
    )


def roundcube(b: Block) -> tuple[str, bytes]:
    return whole(
        part("text/plain", b.text, extra=";\r\n format=flowed"),
        "User-Agent: Roundcube Webmail/1.6.5\r\nX-Sender: alice@institute.example\r\n",
    )


def roundcube_html(b: Block) -> tuple[str, bytes]:
    page = (
        '<html><head><meta http-equiv="Content-Type" content="text/html; charset=UTF-8" /></head>'
        "<body style='font-size: 10pt; font-family: Verdana,Geneva,sans-serif'>"
        f"<p>{breaks(b.text)}</p><div id='signature'>-- <br />Alice</div></body></html>"
    )
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text + "\n-- \nAlice", cte="7bit" if b.text.isascii() else "8bit"),
            part("text/html", page, cte="quoted-printable"),
        )
    )


def mutt(b: Block) -> tuple[str, bytes]:
    charset = "us-ascii" if b.text.isascii() else "utf-8"
    return whole(part("text/plain", b.text, charset), "Content-Disposition: inline\r\n")


def mutt_latin1(b: Block) -> tuple[str, bytes]:
    charset = "iso-8859-1" if _fits(b.text, "iso-8859-1") else "utf-8"
    return whole(part("text/plain", b.text, charset, "8bit"), "Content-Disposition: inline\r\n")


def mutt_pgp(b: Block) -> tuple[str, bytes]:
    signature = b"-----BEGIN PGP SIGNATURE-----\r\n\r\niQIzBAAB\r\n-----END PGP SIGNATURE-----\r\n"
    return whole(
        multi(
            "signed",
            part("text/plain", b.text, cte="quoted-printable"),
            raw_part('application/pgp-signature; name="signature.asc"', signature),
            more='; micalg=pgp-sha512;\r\n\tprotocol="application/pgp-signature"',
        )
    )


def pgp_inline(b: Block) -> tuple[str, bytes]:
    inner = "\n".join(f"- {line}" if line.startswith("-") else line for line in b.text.splitlines())
    text = (
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{inner}\n"
        "-----BEGIN PGP SIGNATURE-----\n\niQEzBAEBCAAdFiEE\n=abcd\n-----END PGP SIGNATURE-----\n"
    )
    return whole(part("text/plain", text))


def smime_clear(b: Block) -> tuple[str, bytes]:
    both = multi("alternative", part("text/plain", b.text), part("text/html", _word(b.text)))
    return whole(
        multi(
            "signed",
            both,
            raw_part(
                "application/pkcs7-signature; name=smime.p7s",
                b"0\x80",
                "base64",
                "Content-Disposition: attachment\r\n",
            ),
            more='; protocol="application/pkcs7-signature"; micalg=sha-256',
        )
    )


def _der(tag: int, value: bytes) -> bytes:
    size = len(value)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + value


def smime_opaque(b: Block) -> tuple[str, bytes]:
    content = part("text/plain", b.text)
    data = _der(0x06, bytes.fromhex("2a864886f70d010701"))
    inner = _der(0x30, data + _der(0xA0, _der(0x04, content)))
    signed = _der(0x30, b"\x02\x01\x01" + _der(0x31, b"") + inner + _der(0x31, b""))
    outer = _der(0x30, _der(0x06, bytes.fromhex("2a864886f70d010702")) + _der(0xA0, signed))
    kind = "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m"
    return whole(raw_part(kind, outer, "base64", "Content-Disposition: attachment\r\n"))


def smime_opaque_streamed(b: Block) -> tuple[str, bytes]:
    """Of indefinite length, in pieces, as OpenSSL streams it."""
    content = part("text/plain", b.text)
    pieces = b"".join(_der(0x04, content[i : i + 50]) for i in range(0, len(content), 50))
    octets = b"\x24\x80" + pieces + b"\0\0"
    data = _der(0x06, bytes.fromhex("2a864886f70d010701"))
    inner = b"\x30\x80" + data + b"\xa0\x80" + octets + b"\0\0\0\0"
    signed = b"\x30\x80\x02\x01\x01" + _der(0x31, b"") + inner + _der(0x31, b"") + b"\0\0"
    oid = _der(0x06, bytes.fromhex("2a864886f70d010702"))
    outer = b"\x30\x80" + oid + b"\xa0\x80" + signed + b"\0\0\0\0"
    return whole(raw_part("application/x-pkcs7-mime; smime-type=signed-data", outer, "base64"))


def k9(b: Block) -> tuple[str, bytes]:
    text = f"{b.text}\n-- \nSent from my Android device with K-9 Mail. Please excuse my brevity."
    page = (
        f'<!DOCTYPE html><html><body><div dir="auto">{breaks(b.text)}</div><div class="k9mail-'
        'signature">-- <br>Sent from my Android device with K-9 Mail.</div></body></html>'
    )
    return whole(multi("alternative", part("text/plain", text), part("text/html", page)))


def fairemail(b: Block) -> tuple[str, bytes]:
    page = (
        f'<html><body><div class="fair_body">{divs(b.text, "p", " dir=auto")}</div></body></html>'
    )
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text, cte="quoted-printable"),
            part("text/html", page, cte="quoted-printable"),
        )
    )


def samsung(b: Block) -> tuple[str, bytes]:
    foot = "<div id='composer_signature'><div dir='auto'>Sent from my Galaxy</div></div>"
    page = f"<html><body>{divs(b.text, attributes=' dir=auto')}{foot}</body></html>"
    text = f"{b.text}\n\n\nSent from my Galaxy\n"
    return whole(
        multi(
            "alternative",
            part("text/plain", text, cte="base64"),
            part("text/html", page, cte="base64"),
        )
    )


def yahoo(b: Block) -> tuple[str, bytes]:
    page = (
        '<html><head></head><body><div class="ydp1a2b3cyahoo-style-wrap" style="font-size:13px;">'
        f"{divs(b.text, attributes=' dir=ltr data-setdir=false')}</div></body></html>"
    )
    return whole(multi("alternative", part("text/plain", b.text), part("text/html", page)))


def yahoo_android(b: Block) -> tuple[str, bytes]:
    page = (
        f"{breaks(b.text)}<br/><br/><div id='ymail_android_signature'><a href='https://x.example'>"
        "Sent from Yahoo Mail on Android</a></div>"
    )
    text = f"{b.text}\n\nSent from Yahoo Mail on Android"
    return whole(multi("alternative", part("text/plain", text), part("text/html", page)))


def gmx(b: Block) -> tuple[str, bytes]:
    page = (
        '<html><head></head><body><div style="font-family: Verdana;font-size: 12.0px;">'
        f"{divs(b.text)}</div></body></html>"
    )
    return whole(part("text/html", page), "Importance: normal\r\nSensitivity: Normal\r\n")


def proton(b: Block) -> tuple[str, bytes]:
    style = ' style="font-family: Arial, sans-serif; font-size: 14px;"'
    foot = (
        '<div class="protonmail_signature_block"><div class="protonmail_signature_block-proton">'
        'Sent with <a href="https://proton.me/">Proton Mail</a> secure email.</div></div>'
    )
    text = f"{b.text}\n\nSent with [Proton Mail](https://proton.me/) secure email."
    page = divs(b.text, attributes=style) + foot
    return whole(
        multi(
            "alternative",
            part("text/plain", text, cte="quoted-printable"),
            part("text/html", page, cte="quoted-printable"),
        )
    )


def tutanota(b: Block) -> tuple[str, bytes]:
    page = f'<html><body><div dir="auto">{divs(b.text)}</div></body></html>'
    return whole(
        multi(
            "related",
            multi(
                "alternative",
                part("text/plain", b.text, cte="base64"),
                part("text/html", page, cte="base64"),
            ),
        )
    )


def zimbra(b: Block) -> tuple[str, bytes]:
    page = (
        '<html><body><div style="font-family: arial, helvetica, sans-serif; font-size: 12pt">'
        f"{divs(b.text)}<div data-marker='__SIG_PRE__'>Alice</div></div></body></html>"
    )
    return whole(
        multi("alternative", part("text/plain", b.text + "\nAlice"), part("text/html", page))
    )


def sogo(b: Block) -> tuple[str, bytes]:
    return whole(
        part("text/html", f"<html>{divs(b.text, 'p')}</html>", cte="quoted-printable"),
        "User-Agent: SOGoMail 5.8\r\n",
    )


def horde(b: Block) -> tuple[str, bytes]:
    text = flowed(b.text)
    return whole(
        part("text/plain", text, extra="; format=flowed; DelSp=Yes"),
        "User-Agent: Horde Application Framework 5\r\nContent-Description: Plaintext\r\n",
    )


def evolution(b: Block) -> tuple[str, bytes]:
    page = f"<html><body><pre>{escape(b.text)}</pre></body></html>"
    return whole(multi("alternative", part("text/plain", b.text), part("text/html", page)))


def kmail(b: Block) -> tuple[str, bytes]:
    rows = "".join(
        f'<p style="-qt-block-indent:0; text-indent:0px; margin-top:0px">{escape(line)}</p>\n'
        for line in b.text.splitlines()
    )
    page = f"<html>\n<head>\n</head><body>{rows}</body>\n</html>"
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text, cte="7bit" if b.text.isascii() else "8bit"),
            part("text/html", page),
        )
    )


def lotus_notes(b: Block) -> tuple[str, bytes]:
    page = "<br>".join(f'<font size=2 face="sans-serif">{escape(line)}</font>'
                       for line in b.text.splitlines())  # fmt: skip
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text, "us-ascii" if b.text.isascii() else "utf-8"),
            part("text/html", page),
        )
    )


def notes_japanese(b: Block) -> tuple[str, bytes]:
    charset = "iso-2022-jp" if _fits(b.text, "iso-2022-jp") else "utf-8"
    return whole(part("text/plain", b.text, charset, "7bit" if charset != "utf-8" else "8bit"))


def foxmail(b: Block) -> tuple[str, bytes]:
    charset = "gb18030" if _fits(b.text, "gb18030") else "utf-8"
    label = "gb2312" if charset == "gb18030" else "utf-8"
    data = b.text.replace("\n", "\r\n").encode(charset)
    page = f"<html><body>{divs(b.text)}</body></html>".encode(charset)
    return whole(
        multi(
            "alternative",
            raw_part(f"text/plain; charset={label}", data, "base64"),
            raw_part(f"text/html; charset={label}", page, "base64"),
        )
    )


def the_bat(b: Block) -> tuple[str, bytes]:
    charset = "koi8-r" if _fits(b.text, "koi8-r") else "utf-8"
    return whole(part("text/plain", b.text, charset, "8bit"), "X-Mailer: The Bat!\r\n")


def mislabelled_ascii(b: Block) -> tuple[str, bytes]:
    return whole(raw_part("text/plain; charset=us-ascii", b.text.encode(), "8bit"))


def mislabelled_latin1(b: Block) -> tuple[str, bytes]:
    return whole(raw_part("text/plain; charset=iso-8859-1", b.text.encode(), "8bit"))


def mislabelled_utf8(b: Block) -> tuple[str, bytes]:
    data = b.text.encode("cp1252") if _fits(b.text) else b.text.encode()
    return whole(raw_part("text/plain; charset=utf-8", data, "8bit"))


def no_label(b: Block) -> tuple[str, bytes]:
    return "", b.text.replace("\n", "\r\n").encode()


def unknown_charset(b: Block) -> tuple[str, bytes]:
    return whole(raw_part("text/plain; charset=x-unknown", b.text.encode(), "8bit"))


def utf16(b: Block) -> tuple[str, bytes]:
    return whole(raw_part("text/plain; charset=utf-16", b.text.encode("utf-16"), "base64"))


def utf16be_unmarked(b: Block) -> tuple[str, bytes]:
    return whole(raw_part("text/plain; charset=utf-16", b.text.encode("utf-16-be"), "base64"))


def gb_under_wrong_label(b: Block) -> tuple[str, bytes]:
    charset = "gb18030" if _fits(b.text, "gb18030") else "utf-8"
    return whole(raw_part("text/plain; charset=iso-8859-1", b.text.encode(charset), "8bit"))


def mixed_with_pdf(b: Block) -> tuple[str, bytes]:
    pdf = raw_part('application/pdf; name="a.pdf"', b"%PDF" * 500, "base64",
                   "Content-Disposition: attachment; filename=a.pdf\r\n")  # fmt: skip
    return whole(multi("mixed", part("text/plain", b.text), pdf))


def mixed_with_old_config(b: Block) -> tuple[str, bytes]:
    old = raw_part('text/plain; name="old.txt"', b"target: Mrk421\r\ndate: 20200101\r\n", "",
                   "Content-Disposition: attachment; filename=old.txt\r\n")  # fmt: skip
    return whole(multi("mixed", part("text/plain", b.text), old))


def antivirus_footer(b: Block) -> tuple[str, bytes]:
    """A gateway adds a part of its own behind the mail."""
    both = multi("alternative", part("text/plain", b.text), part("text/html", divs(b.text)))
    foot = part("text/html", "<hr><p>This email has been checked for viruses: clean</p>")
    return whole(multi("mixed", both, foot))


def amp(b: Block) -> tuple[str, bytes]:
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text),
            part("text/x-amp-html", "<!doctype html><html amp4email></html>"),
            part("text/html", divs(b.text)),
        )
    )


def watch(b: Block) -> tuple[str, bytes]:
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text),
            part("text/watch-html", "<b>short</b>"),
            part("text/html", divs(b.text)),
        )
    )


def html_table(b: Block) -> tuple[str, bytes]:
    rows = ""
    for line in b.text.splitlines():
        key, colon, value = line.partition(":")
        cells = (key, value) if colon and len(key) < 20 else (line,)
        rows += "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    return whole(part("text/html", f"<table><tbody>{rows}</tbody></table>"))


def html_with_dull_plain(b: Block) -> tuple[str, bytes]:
    dull = "This message is in HTML. Please use a program that can show it."
    return whole(multi("alternative", part("text/plain", dull), part("text/html", divs(b.text))))


def odd_transfer_encoding(b: Block) -> tuple[str, bytes]:
    made = raw_part("text/plain; charset=utf-8", b.text.encode(), "base64")
    return whole(made.replace(b"Encoding: base64", b"Encoding:  BASE64 (mail)"))


def preheader(b: Block) -> tuple[str, bytes]:
    """Invisible words before the text, as composers of newsletters add."""
    hidden = '<div style="display:none;max-height:0;overflow:hidden">Please analyse &zwnj;</div>'
    return whole(
        multi(
            "alternative",
            part("text/plain", b.text),
            part("text/html", f"<html><body>{hidden}{divs(b.text)}</body></html>"),
        )
    )


SHAPES: tuple[Shape, ...] = (
    gmail_web, gmail_quoted_printable, gmail_signature, gmail_android, gmail_plain, gmail_base64,
    outlook_desktop, outlook_lists, outlook_web, outlook_dark, outlook_mobile, outlook_linked,
    outlook_mac, outlook_logo, exchange_disclaimer, apple_mail_plain, apple_mail_rich,
    apple_mail_attachment, iphone, iphone_html_only, thunderbird_flowed, thunderbird_delsp,
    thunderbird_html, thunderbird_html_only, roundcube, roundcube_html, mutt, mutt_latin1, mutt_pgp,
    pgp_inline, smime_clear, smime_opaque, smime_opaque_streamed, k9, fairemail, samsung, yahoo,
    yahoo_android, gmx, proton, tutanota, zimbra, sogo, horde, evolution, kmail, lotus_notes,
    notes_japanese, foxmail, the_bat, mislabelled_ascii, mislabelled_latin1, mislabelled_utf8,
    no_label, unknown_charset, utf16, utf16be_unmarked, gb_under_wrong_label, mixed_with_pdf,
    mixed_with_old_config, antivirus_footer, amp, watch, html_table, html_with_dull_plain,
    odd_transfer_encoding, preheader,
)  # fmt: skip
