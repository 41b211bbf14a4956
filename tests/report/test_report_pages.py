"""A stored mail as a page: self-contained, readable, harmless."""

from __future__ import annotations

import base64
import re
from email.message import EmailMessage
from html.parser import HTMLParser

import pytest

from astran.report.mail_page import eml_to_html

PNG = b"\x89PNG\r\n\x1a\n made up"


def mail(html: str = "", text: str = "plain words", subject: str = "A subject") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "ASTRAN <astran@lst1.example>"
    message["To"] = "s@x.example"
    message["Subject"] = subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
        page = message.get_payload(1)
        page.add_related(
            PNG, "image", "png", cid="<p1@astran>", filename="theta2.png", disposition="inline"
        )
    return message


class Balanced(HTMLParser):
    """Fails on an element that is not closed; gathers tags and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "br", "hr", "img", "col", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_images_become_part_of_the_page() -> None:
    page = eml_to_html(mail('<p>See <img src="cid:p1@astran" alt="theta2"></p>').as_bytes())
    encoded = base64.b64encode(PNG).decode()
    assert f'<img src="data:image/png;base64,{encoded}" alt="theta2">' in page
    assert "cid:" not in page


def test_headers_and_attachments_are_listed() -> None:
    message = mail("<p>x</p>", subject="24.3 sigma <b>")
    message.add_attachment(b"x" * 2500, "application", "zip", filename="logs.zip")
    page = eml_to_html(message.as_bytes())
    assert "<dt>Subject</dt><dd>24.3 sigma &lt;b&gt;</dd>" in page
    assert "<title>24.3 sigma &lt;b&gt;</title>" in page
    assert "ASTRAN &lt;astran@lst1.example&gt;" in page
    assert "<li>logs.zip (application/zip, 2.5 kB)</li>" in page
    # the inline image has been seen already
    assert "theta2.png" not in page


def test_plain_text_is_shown_as_it_is() -> None:
    page = eml_to_html(mail(text="a <b> & c\n  indented\n").as_bytes())
    assert "a &lt;b&gt; &amp; c\n  indented" in page
    Balanced(page)


def test_style_sheets_are_kept() -> None:
    page = eml_to_html(
        mail("<style>@media print{.x{color:red}}</style><p class=x>y</p>").as_bytes()
    )
    assert "@media print{.x{color:red}}" in page
    assert '<p class="x">y</p>' in page


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        '<a href="javascript:alert(1)">x</a>',
        '<a href=" java\tscript:alert(1)">x</a>',
        '<iframe src="https://evil.example"></iframe>',
        '<img src="https://evil.example/pixel.png">',
        "<style>@import 'https://evil.example/x.css';p{background:url(//evil.example/x)}</style>",
        '<p style="background:url(https://evil.example/x)">x</p>',
        "<style></style><script>alert(1)</script>",
        "<style>p{}<script>alert(1)</script></style>",
        '<meta http-equiv="refresh" content="0;url=https://evil.example">',
        '<base href="https://evil.example/">',
        '<form action="https://evil.example"><input name=x><button>y</button></form>',
        '<link rel=stylesheet href="https://evil.example/x.css">',
        '<img src="cid:p2@astran">',
        "</body></html><script>alert(1)</script>",
        "<object data='x'><embed src='x'></object>",
        "<textarea></p><script>alert(1)</script>",
        "<p title='\"><script>alert(1)</script>'>x</p>",
    ],
)
def test_hostile_html_is_harmless(hostile: str) -> None:
    message = mail(f"<p>before{hostile}after</p>")
    message.get_payload(1).add_related(
        b"<svg onload='alert(1)'>", "image", "svg+xml", cid="<p2@astran>"
    )
    page = eml_to_html(message.as_bytes())
    seen = Balanced(page)
    assert seen.tags <= {
        *("html", "head", "meta", "title", "style", "body", "header", "section", "dl", "dt", "dd"),
        *("p", "img", "a", "h2", "ul", "li", "main"),
    }
    for name, value in seen.attributes:
        assert not name.startswith("on")
        assert "evil" not in value and "javascript" not in value.lower()
        if name == "src":
            assert value == "" or value.startswith("data:image/png;base64,")
    sheet = re.search(r"<style>(.*?)</style>", page, re.S)
    assert sheet and "evil" not in sheet[1] and "<" not in sheet[1]
    assert "default-src 'none'" in page


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe garbage",
        b"Content-Type: multipart/mixed; boundary=x\n\n--x\nContent-Type: text/html\n\n<p>un",
        b"Content-Type: text/html; charset=no-such\n\n<p>caf\xc3\xa9</p>",
        b"Content-Type: multipart/alternative\n\nno boundary",
        b"Subject: =?utf-8?q?=zz?=\nFrom: @@@\nTo: (((\nDate: never\n\nbody",
        b"Content-Type: text/html\nContent-Transfer-Encoding: base64\n\n!!!!",
    ],
)
def test_damaged_mails_still_make_a_page(raw: bytes) -> None:
    page = eml_to_html(raw)
    assert page.startswith("<!DOCTYPE html>")
    Balanced(page)
