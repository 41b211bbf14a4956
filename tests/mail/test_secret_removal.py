"""Nothing that is kept of a mail holds its sender's secret, in whatever form the mail has it."""

from __future__ import annotations

import base64
import quopri
from email.message import EmailMessage
from pathlib import Path

import pytest
from mail_samples import ALICE, BLOCK, OWN, mail, message, settings

from astran.config.secrets import Secret
from astran.mail.parsing.headers import read_message
from astran.mail.parsing.new_text import read_body
from astran.mail.secret_removal import cut_mail, cut_subject, cut_text, secrets_of
from astran.mail.senders.verification import without_secret

WORD = "kestrel&7=x"
RULES = settings(authserv_id="", secrets={ALICE: Secret(env="ASTRAN_TEST_SECRET")})
LINES = f"{BLOCK}secret: {WORD}\n"


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRAN_TEST_SECRET", WORD)


def coded(text: str, charset: str, coding: str) -> bytes:
    data = text.encode(charset)
    body = base64.encodebytes(data) if coding == "base64" else quopri.encodestring(data)
    return mail(
        body=body.decode("ascii"),
        Content_Type=f"text/plain; charset={charset}",
        Content_Transfer_Encoding=coding,
    )


def with_html(html: str, text: str = BLOCK) -> bytes:
    made = message()
    made.set_content(text)
    made.add_alternative(html, subtype="html", cte="base64")
    return made.as_bytes()


def forwarded() -> bytes:
    inner = EmailMessage()
    inner["Subject"], inner["From"] = "before", ALICE
    inner.set_content(LINES, cte="quoted-printable")
    made = message()
    made.set_content(BLOCK)
    made.add_attachment(inner)
    return made.as_bytes()


MAILS = {
    "plain": mail(body=LINES),
    "with an equals sign": mail(body=f"{BLOCK}  Secret = {WORD}  \n"),
    "quoted": mail(body=f"{BLOCK}\nOn Monday Alice wrote:\n> > secret: {WORD}\n"),
    "base64": coded(LINES, "utf-8", "base64"),
    "quoted-printable": coded(LINES, "iso-8859-1", "quoted-printable"),
    "utf-16": coded(LINES, "utf-16", "base64"),
    "full-width colon": coded(f"{BLOCK}secret\uff1a\u00a0{WORD}\n", "utf-8", "base64"),
    "html": with_html("<p>target: Crab</p><p><b>secret:</b> kestrel&amp;7=x</p>"),
    "html in pieces": with_html("<div>secret: kestrel&amp;<i>7=x</i></div>"),
    "forwarded": forwarded(),
    "in the address": mail(To=f"Service <astran+{WORD}@lst.example>"),
    "in a trace": mail(Received=f"from x by y for <astran+{WORD}@lst.example>; now"),
    "in the subject": mail(Subject=f"ASTRAN-LAUNCH secret: {WORD}"),
    "in a coded subject": mail(
        Subject=f"=?utf-8?B?{base64.b64encode(f'secret: {WORD}'.encode()).decode()}?="
    ),
    "in prose": mail(body=f"{BLOCK}\nMy word is {WORD}, as agreed.\n"),
    "cut off": coded(LINES, "utf-8", "base64").rstrip()[:-5],
}


@pytest.mark.parametrize("name", MAILS)
def test_no_form_of_it_stays(name: str) -> None:
    raw = MAILS[name]
    found = secrets_of(read_message(raw), RULES, ALICE)
    assert WORD in found
    made = cut_mail(raw, found)
    if made is None:
        return
    kept = read_message(made)
    assert WORD.encode() not in made
    for part in kept.walk():
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
        for form in (WORD, "kestrel", WORD.replace("&", "&amp;")):
            assert form.encode() not in data
            assert form.encode("utf-16-le") not in data
    assert not secrets_of(kept, settings())


@pytest.mark.parametrize("name", sorted(set(MAILS) - {"html in pieces", "utf-16", "cut off"}))
def test_the_rest_stays(name: str) -> None:
    raw = MAILS[name]
    made = cut_mail(raw, secrets_of(read_message(raw), RULES, ALICE))
    assert made is not None
    assert "target: Crab" in read_body(read_message(made)).text
    assert read_message(made)["Message-ID"] == read_message(raw)["Message-ID"]


def test_a_wrong_secret_is_cut_too() -> None:
    raw = mail(body=f"{BLOCK}secret: misremembered\n")
    made = cut_mail(raw, secrets_of(read_message(raw), None))
    assert made is not None
    assert b"misremembered" not in made


def test_a_mail_without_secret_is_kept_to_the_byte() -> None:
    for path in sorted(Path(__file__).parent.rglob("*.eml")):
        raw = path.read_bytes()
        assert cut_mail(raw, secrets_of(read_message(raw), settings())) == raw
    raw = coded(f"{BLOCK}\u00e9\n", "utf-8", "base64")
    assert cut_mail(raw, frozenset()) == raw


def test_short_words_go_from_their_line_only() -> None:
    raw = mail(body=f"{BLOCK}secret: ra\n")
    made = cut_mail(raw, secrets_of(read_message(raw), None))
    assert made is not None
    assert b"target: Crab" in made
    assert b"secret: ra" not in made


def test_text_and_subject() -> None:
    assert cut_text("a\n> secret: two words\nb") == "a\n> secret: [cut]\nb"
    assert cut_text("as in other", {"other"}) == "as in [cut]"
    assert cut_subject("Re: LAUNCH secret=word now") == "Re: LAUNCH secret=[cut] now"


def test_a_secret_of_several_words_is_no_launch_line() -> None:
    """What was meant as a secret is neither read nor quoted in an answer."""
    assert without_secret("a: 1\nsecret: my cat's name\nb: 2") == "a: 1\n\nb: 2"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\nsecret: abcdef",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nsecret: abcdef\n",
        b"Content-Type: text/plain; charset=nonsense\nContent-Transfer-Encoding: base64\n\n!!",
        b"Subject: =?utf-8?B?!!?=\nContent-Type: text/html\n\n<p>secret: abcdef</p><",
        b"--x\n" * 20_000,
        b" " * 2_000_000 + b"secret",
        b"secret" * 300_000,
    ],
)
def test_nothing_in_a_mail_stops_it(raw: bytes) -> None:
    made = cut_mail(raw, secrets_of(read_message(raw), settings(), OWN))
    assert made is None or b"abcdef" not in made
