"""What the sender newly wrote: mails of many programs, quotes of many languages."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_samples import HTML_QUOTES, LAUNCHES, QUOTES, mail, message

from astran.mail.parsing.headers import read_message
from astran.mail.parsing.html import read_html
from astran.mail.parsing.new_text import new_text, read_body
from astran.mail.parsing.quotes import own_lines


@pytest.mark.parametrize("name", LAUNCHES)
def test_new_text_holds_the_block(name: str) -> None:
    text = new_text(read_message(LAUNCHES[name]))
    assert "Crab" in text and "20231207" in text and "15865" in text
    assert "Mrk421" not in text and "20200101" not in text


@pytest.mark.parametrize("name", QUOTES)
def test_quoted_text_is_not_new(name: str) -> None:
    text = new_text(read_message(QUOTES[name]))
    assert "Mrk421" not in text and "20200101" not in text
    assert text.strip()


@pytest.mark.parametrize("name", HTML_QUOTES)
def test_quoted_or_hidden_html_is_not_new(name: str) -> None:
    text = new_text(read_message(HTML_QUOTES[name]))
    assert "Mrk421" not in text
    assert "Thanks!" in text


def test_text_below_marked_quotes_counts() -> None:
    text = "On Thu, 7 Dec 2023, ASTRAN wrote:\n> target: Mrk421\n\nASTRAN-CANCEL\n"
    assert own_lines(text) == "ASTRAN-CANCEL"


def test_indented_html_is_the_senders_own() -> None:
    page = '<blockquote style="margin:0 0 0 40px;border:none;padding:0px">target: Crab</blockquote>'
    assert read_html(page).visible.strip() == "target: Crab"


def test_both_forms_are_kept_for_comparison() -> None:
    made = message()
    made.set_content("target: Crab\n")
    made.add_alternative("<p>target: Mrk421</p>", subtype="html")
    assert read_body(read_message(made.as_bytes())).texts == ("target: Crab", "target: Mrk421")


def test_an_empty_plain_form_gives_way_to_html() -> None:
    made = message()
    made.set_content(" \n\n")
    made.add_alternative("<p>target: Crab</p>", subtype="html")
    assert new_text(read_message(made.as_bytes())) == "target: Crab"


def test_attached_text_and_attached_mails_do_not_count() -> None:
    made = message()
    made.set_content("see attachment\n")
    made.add_attachment("target: Crab\n", filename="launch.txt")
    made.add_attachment(message())
    assert new_text(read_message(made.as_bytes())) == "see attachment"


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("iso-8859-1", "Grüße".encode("iso-8859-1")),
        ("windows-1252", "Grüße".encode("cp1252")),
        ("utf-8", "Grüße".encode("cp1252")),
        ("iso-8859-1", "Grüße".encode()),
        ("x-unknown", "Grüße".encode()),
        ("hex", "Grüße".encode()),
        ('"utf-8"', "Grüße".encode()),
    ],
)
def test_charsets_also_where_the_label_is_wrong(charset: str, body: bytes) -> None:
    raw = mail(body="", Content_Type=f"text/plain; charset={charset}") + body
    assert new_text(read_message(raw)) == "Grüße"


def test_a_charset_in_extended_form() -> None:
    raw = mail(body="", Content_Type="text/plain; charset*=utf-8'en'utf-8") + "Grüße".encode()
    assert new_text(read_message(raw)) == "Grüße"


@pytest.mark.parametrize("kind", ["message/rfc822", "message/global", "multipart/digest"])
def test_a_mail_that_holds_only_another_mail_says_nothing_new(kind: str) -> None:
    inner = "Content-Type: text/plain\r\n\r\ntarget: Crab\r\n"
    body = f"--b\r\n\r\n{inner}\r\n--b--\r\n" if kind.startswith("multipart") else inner
    raw = mail(body=body, Content_Type=f"{kind}; boundary=b", MIME_Version="1.0")
    assert new_text(read_message(raw)) == ""


def test_a_mail_that_is_cut_off_says_so() -> None:
    whole = LAUNCHES["gmail"]
    assert read_body(read_message(whole)).damage == ""
    assert "cut off" in read_body(read_message(whole[: whole.rindex(b"--")])).damage


def test_answers_are_recognised() -> None:
    assert not read_body(read_message(mail())).answers
    for changes in ({"Subject": "AW: ASTRAN-LAUNCH"}, {"In_Reply_To": "<1@x>"}):
        assert read_body(read_message(mail(**changes))).answers


@given(st.binary(max_size=3000))
def test_no_mail_raises(raw: bytes) -> None:
    assert isinstance(new_text(read_message(raw)), str)


@given(
    st.binary(max_size=600),
    st.sampled_from(["base64", "quoted-printable", "8bit", "x-uuencode"]),
    st.sampled_from(["text/plain", "text/html", "text/plain; format=flowed; delsp=yes"]),
)
def test_no_body_raises(body: bytes, encoding: str, kind: str) -> None:
    raw = mail(body="", Content_Transfer_Encoding=encoding, Content_Type=kind) + body
    assert isinstance(new_text(read_message(raw)), str)


@given(st.text(alphabet="<>div /=\"'blockquote!-[]&;#x0", max_size=400))
def test_no_html_raises(page: str) -> None:
    assert isinstance(read_html(page).visible, str)


@pytest.mark.parametrize(
    "text",
    [
        "<div>" * 20_000,
        "<!" * 50_000,
        "<a " * 30_000,
        "&#" * 50_000,
        "<![if " * 20_000,
        "<b>" * 10_000 + "</i>" * 10_000,
        "<a b='" * 30_000,
        "<!--" * 50_000,
        "<script>" * 20_000,
        "&#9" + "9" * 100_000 + ";",
        "<a>" + " " * 200_000,
        "<p " + "a" * 200_000 + ">",
    ],
)
def test_hostile_html_is_read_in_time(text: str) -> None:
    begin = time.process_time()
    read_html(text)
    assert time.process_time() - begin < 10  # linear: well below a second; quadratic: minutes


@pytest.mark.parametrize(
    "text",
    [
        "On " * 30_000,
        "On 2023 wrote " * 10_000,
        "\n".join(["on 12:00 " + "wrote " * 90] * 2000),
        "-" * 200_000,
        "\n".join(["From: a"] * 20_000),
        "\n".join(["le 2023 tarihinde " * 30 + ":"] * 1000),
        "[" * 100_000,
        "x<http:" * 30_000,
    ],
)
def test_hostile_text_is_read_in_time(text: str) -> None:
    begin = time.process_time()
    new_text(read_message(mail(body=text)))
    assert time.process_time() - begin < 10  # linear: well below a second; quadratic: minutes
