"""Text that a page hides launches nothing, whatever way it is hidden; what is plain to see does.

The ways are those of the CSS properties that bear upon visibility (CSS 2.1 chapters 9 to 11, Color,
Transforms, Masking, Backgrounds, Containment, Text Decoration, Overflow modules), of the elements
that the HTML standard does not render (section 15.3.1), and of Word's own HTML.
"""

# ruff: noqa: E501 - lines as programs write them
from __future__ import annotations

import pytest
from mail_samples import BLOCK, mail, settings

from astran.base.night import Night
from astran.mail.parsing.html import read_html
from astran.service.intake.decision import Decision, MailOutcome, decide_mail

TODAY = Night.parse("20231210")
LINES = "".join(f"<div>{line}</div>" for line in BLOCK.splitlines())
X = "Z"
"""Stands for the launch lines in the pages below."""

STYLES = (
    "display:none",
    "DISPLAY : NONE !important",
    "d\\69splay:none",
    "dis\\000070lay: none",
    "display:/**/none",
    "display:grid",
    "display:ruby-text",
    "display:none;display:foo",
    "visibility:hidden",
    "visibility:collapse",
    "content-visibility:hidden",
    "opacity:0",
    "opacity:.01",
    "opacity:1%",
    "opacity:calc(1 - 1)",
    "filter:opacity(0)",
    "filter:alpha(opacity=0)",
    "filter:blur(40px)",
    "-ms-filter:'progid:DXImageTransform.Microsoft.Alpha(Opacity=0)'",
    "font-size:0",
    "font-size:1px",
    "font-size:.1em",
    "font-size:2%",
    "font-size:calc(1px*0)",
    "font-size:min(0px,9px)",
    "font:0/0 a",
    "font:1px Arial",
    "font:italic bold 1px/2 Arial",
    "font-size-adjust:0",
    "color:white",
    "color:#fff",
    "color:#FFFFFF",
    "color:#fefefe",
    "color:rgb(255,255,255)",
    "color:rgb(100%,100%,100%)",
    "color:hsl(0,0%,100%)",
    "color:rgba(0,0,0,0)",
    "color:rgba(0,0,0,.02)",
    "color:transparent",
    "color:snow",
    "color:var(--paper)",
    "color:color-mix(in srgb, white, white)",
    "-webkit-text-fill-color:transparent",
    "-webkit-text-fill-color:#fff",
    "background:black",
    "background-color:#000",
    "background:#000 none",
    "background:linear-gradient(#000,#000)",
    "background-image:url(data:image/png;base64,AA==)",
    "mix-blend-mode:screen",
    "height:0;overflow:hidden",
    "height:1px;overflow:clip",
    "max-height:0;overflow:hidden",
    "max-height:1px;overflow-y:auto",
    "block-size:0;overflow:hidden",
    "width:0;overflow:hidden",
    "width:1px;overflow:hidden;white-space:nowrap",
    "overflow:hidden;height:20px;padding-top:40px",
    "overflow:hidden;white-space:nowrap;width:200px;text-overflow:ellipsis",
    "-webkit-line-clamp:1;display:-webkit-box;overflow:hidden",
    "clip:rect(0,0,0,0)",
    "clip:rect(1px 1px 1px 1px);position:absolute",
    "clip-path:inset(50%)",
    "clip-path:circle(0)",
    "-webkit-clip-path:polygon(0 0)",
    "mask:linear-gradient(transparent,transparent)",
    "-webkit-mask-image:url(x)",
    "position:absolute;left:-9999px",
    "position:fixed;top:-500px",
    "position:absolute;top:200%",
    "position:relative;left:-9999px",
    "position:sticky;inset:-9999px",
    "inset-inline-start:-9999px;position:absolute",
    "margin-left:-9999px",
    "margin-left:9999px",
    "margin:-400px 0 0 0",
    "margin-block-start:-400px",
    "padding-left:9999px",
    "text-indent:-9999px",
    "text-indent:200em",
    "vertical-align:-9999px",
    "letter-spacing:-1em",
    "word-spacing:-9999px",
    "line-height:0",
    "line-height:.05",
    "transform:scale(0)",
    "transform:translateX(-9999px)",
    "transform:rotateY(90deg)",
    "-webkit-transform:scale(0)",
    "scale:0",
    "translate:-9999px",
    "zoom:0.01",
    "offset-path:path('M-9999 0')",
    "animation:hide 0s forwards",
    "animation-name:hide",
    "contain:size;overflow:hidden",
    "unicode-bidi:bidi-override;direction:rtl",
    "flex-direction:column-reverse",
    "text-decoration:line-through",
    "text-decoration-line:line-through",
    "-webkit-text-security:disc",
    "-webkit-text-stroke:20px white",
    "content:''",
    "mso-hide:all",
)

SHEETS = (
    ".x{display:none}",
    "#y{display:none}",
    "div{display:none}",
    "body{display:none}",
    "*{display:none}",
    "html *{color:#fff}",
    "section > .x{display:none}",
    "section .x{visibility:hidden}",
    "p + div.x{opacity:0}",
    "p ~ .x{display:none}",
    "[class=x]{display:none}",
    "[data-w^='a']{display:none}",
    ".x:first-child,.x{display:none}",
    ".x:nth-child(n){display:none}",
    ".x:not(.z){display:none}",
    ":is(.x,.z){display:none}",
    "section:has(.x){display:none}",
    "@media screen{.x{display:none}}",
    "@media (max-width:1px){.x{display:none}}",
    "@media print{.x{display:none}}",
    "@supports (display:block){.x{display:none}}",
    "@layer a{.x{display:none}}",
    "@container (width>1px){.x{display:none}}",
    ".x{color:red}.x{color:white}",
    ".x{display:none!important}",
    "<!-- .x{display:none} -->",
    "/* */.x{dis\\70lay:none}",
    ".x{font-size:0}",
    "section{.x{display:none}}",
    "@import url(hide.css);",
    "@font-face{font-family:B;src:url(blank.woff)}.x{font-family:B}",
    ".c{position:absolute;top:0;left:0;right:0;bottom:0;background:#fff}",
    "p::after{content:'';position:fixed;background:#fff;width:9in;height:9in}",
    ".x::first-line{color:white}",
)

PAGES = (
    "<div hidden>Z</div>",
    "<div hidden=until-found>Z</div>",
    "<div popover>Z</div>",
    "<details><summary>more</summary>Z</details>",
    "<details>Z</details>",
    "<dialog>Z</dialog>",
    "<template>Z</template>",
    "<noscript>Z</noscript>",
    "<noembed>Z</noembed>",
    "<noframes>Z</noframes>",
    "<object>Z</object>",
    "<canvas>Z</canvas>",
    "<video>Z</video>",
    "<svg><text>Z</text></svg>",
    "<iframe>Z</iframe>",
    "<textarea>Z</textarea>",
    "<select><option>Z</option></select>",
    "<script>Z</script>",
    "<style>Z</style>",
    "<title>Z</title>",
    "<!-- Z -->",
    "<!--[if mso]>Z<![endif]-->",
    "<!--[if !mso]><!-->Hi<!--<![endif]--><![if mso]>Z<![endif]>",
    "<![if !mso]>Z<![endif]>",
    "<![if gte mso 9]>Z<![endif]>",
    "<font color=white>Z</font>",
    "<font color=ffffff>Z</font>",
    '<font color="#fffffe">Z</font>',
    "<font color=chucknorris>Z</font>",
    "<body bgcolor=black>Z</body>",
    "<body text=white>Z</body>",
    '<table bgcolor="#000000"><tr><td>Z</td></tr></table>',
    '<table><tr><td background="x.png">Z</td></tr></table>',
    "<div style='background:black'><p style='color:black'>Z</p></div>",
    "<div style='color:white'><p style='background:black'>a</p>Z</div>",
    "<div style='opacity:.5'><div style='opacity:.5'>Z</div></div>",
    "<div style='font-size:4px'><p style='font-size:.9em'>Z</p></div>",
    "<div style='visibility:hidden'><p>Z</p></div>",
    "<small><small><small><small><small><small>Z</small></small></small></small></small></small>",
    # browsers open again what was never closed (HTML, section 13.2.4.3)
    "<p><font color=white>a</p>Z",
    "<div><b style='display:none'>a</div>Z",
    "<bdo dir=rtl>Z</bdo>",
    "<s>Z</s>",
    "<strike>Z</strike>",
    "<del>Z</del>",
    "<input type=hidden value='Z'>",
    "<img alt='Z'>",
    "<a title='Z'>a</a>",
    "<link rel=stylesheet href=hide.css>Z",
    "<div style='position:absolute;inset:0;background:#fff'></div>Z",
    "<img src=x style='position:absolute;top:0;left:0'>Z",
    "<div>Z</div><div style='margin-top:-600px;background:white'>x</div>",
    "<div>Z</div><div style='transform:translateY(-600px)'>x</div>",
    "<style>.s{display:none}</style><div class=s>Z</div>",
    "<div class=s>Z</div><style>.s{display:none}</style>",
    f"<style>.s{{display:none}}{'.a{color:red}' * 6000}</style><div class=s>Z</div>",
    "<rp>Z</rp>",
    # end tags that end nothing (HTML, section 13.2.6)
    "<div hidden><table><tr><td></div></td></tr></table>Z</div>",
    "<div hidden><select></div></select>Z</div>",
    "<div hidden><iframe></div></iframe>Z</div>",
    "<div hidden><plaintext></div>Z",
    "<div hidden><xmp></div></xmp>Z</div>",
    "<form hidden><div></form>Z</div>",
    "<body style='display:none'></body>Z",
    "<html hidden></html>Z",
    "<frameset>Z</frameset>",
    # tags as browsers cut them
    "<a title='>'hidden>Z</a>",
    f"<div title='{'x' * 9000}' style='display:none'>Z</div>",
    "<div title='Z",
    "<div\nhidden\n>Z</div>",
    "<DIV/HIDDEN>Z</DIV>",
)  # fmt: skip


def judged(page: str) -> Decision:
    raw = mail(body=page.replace(X, LINES), Content_Type="text/html; charset=utf-8")
    return decide_mail(raw, settings(), TODAY)


def is_asked(page: str) -> bool:
    """Nothing starts, and the sender hears why."""
    return judged(page).outcome is MailOutcome.ERROR_REPLY


@pytest.mark.parametrize("style", STYLES)
def test_no_style_lets_hidden_text_launch(style: str) -> None:
    quote = '"' if "'" in style else "'"
    assert is_asked(f"<p>Hello</p><div style={quote}{style}{quote}>Z</div>")
    assert is_asked(f"<style>.x{{{style}}}</style><p>Hello</p><div class=x>Z</div>")


@pytest.mark.parametrize("sheet", SHEETS)
def test_no_style_sheet_lets_hidden_text_launch(sheet: str) -> None:
    body = "<section><p>Hello</p><div class=x id=y data-w=ab>Z</div><i class=c></i></section>"
    assert is_asked(f"<html><head><style>{sheet}</style></head><body>{body}</body></html>")


@pytest.mark.parametrize("page", PAGES, ids=range(len(PAGES)))
def test_no_element_lets_hidden_text_launch(page: str) -> None:
    assert is_asked(page)


INVISIBLE = ("\u200b", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u202e", "\u2066", "\U000e0041")


@pytest.mark.parametrize("char", INVISIBLE)
def test_characters_without_width_change_no_value(char: str) -> None:
    """What the sender sees is what is read, or he is asked."""
    for text in (f"target: Crab\ndate: 2023{char}1207\n", f"targ{char}et: Crab\ndate: 20231207\n"):
        found = decide_mail(mail(body=text), settings(), TODAY)
        read = (found.params.get("target"), found.params.get("date"))
        assert found.outcome is MailOutcome.ERROR_REPLY or read == ("Crab", "2023-12-07")
    reversed_digits = f"target: Crab\ndate: {char}70213202\n"
    found = decide_mail(mail(body=reversed_digits), settings(), TODAY)
    assert found.outcome is MailOutcome.ERROR_REPLY


# as Gmail, Outlook, Apple Mail, Thunderbird, Roundcube and the web write what is plain to see
VISIBLE = (
    "<div dir=ltr style='font-family:Arial;font-size:small;color:rgb(34,34,34)'>Z</div>",
    "<div style='background-image: initial; background-position: initial; color: rgb(0, 0, 0)'>Z</div>",
    "<div style='background: none 0% 0% / auto repeat scroll padding-box border-box rgb(255,255,255)'>Z</div>",
    "<style>@font-face{font-family:Calibri;panose-1:2 15 5 2}p.MsoNormal{margin:0cm;font-size:11.0pt}"
    "a:link{color:#0563C1}span.E17{mso-style-type:personal-compose;color:windowtext}@page W{margin:1cm}"
    "</style><div class=W><p class=MsoNormal>Z</p></div>",
    "<p class=MsoListParagraph style='text-indent:-18.0pt;margin-left:36.0pt'>Z</p>",
    "<ul><li style='margin-left:-5px'>Z</li></ul>",
    "<div><![if !supportLists]>-<![endif]>Z</div>",
    "<div style='-webkit-text-stroke-width: 0px; letter-spacing: normal; text-indent: 0px; "
    "white-space: normal; word-spacing: 0px; line-break: after-white-space; float: none; "
    "display: inline !important; caret-color: rgb(0, 0, 0); font-style: normal'>Z</div>",
    "<div style='font: 12px/1.5 Helvetica; overflow: auto; max-width: 600px; height: auto'>Z</div>",
    "<div style='display: none'>pre-header</div><div>Z</div>",
    "<style>@media print{.np{display:none}}</style><i class=np>x</i><div>Z</div>",
    "<div style='background:black'><p style='color:white'>Z</p></div>",
    "<table width=0 bgcolor='#eeeeee' style='border-collapse:collapse'><tr height=1><td>Z</td></tr></table>",
    "<div style='font-size:0'><div style='font-size:12px'>Z</div></div>",
    "<details open><summary>a</summary>Z</details>",
    "<font face=Arial size=2 color='#1f497d'>Z</font>",
    "<p style='margin:0 0 0 40px;padding:0;line-height:1.15;background-color:#fff'>Z</p>",
    "<style type='text/css' style='display:none;'>P {margin-top:0;margin-bottom:0;}</style>Z",
    "<span style='color:#999999;opacity:.9'>Z</span>",
    "<p><font color=blue>a</p>Z",
)  # fmt: skip


@pytest.mark.parametrize("page", VISIBLE, ids=range(len(VISIBLE)))
def test_what_is_plain_to_see_launches(page: str) -> None:
    found = judged(page)
    assert found.outcome is MailOutcome.LAUNCH, found.problems


BOTH = "Content-Type: text/plain\r\n\r\n{plain}\r\n--b\r\nContent-Type: text/html\r\n\r\n{page}\r\n"


def both(plain: str, page: str) -> Decision:
    body = f"--b\r\n{BOTH.format(plain=plain, page=page)}--b--\r\n"
    raw = mail(body=body, Content_Type='multipart/alternative; boundary="b"')
    return decide_mail(raw, settings(), TODAY)


def test_a_wish_that_stands_in_one_form_only_is_asked_about() -> None:
    assert both(BLOCK, LINES).outcome is MailOutcome.LAUNCH
    for wish in ("runs: 15864", "dl3.theta_cut: 0.1", "only run 15864", "gamaness: 0.9"):
        plain = "target: Crab\ndate: 20231207\n"
        page = "<div>target: Crab</div><div>date: 20231207</div>"
        assert both(plain, page).outcome is MailOutcome.LAUNCH
        assert both(plain, f"{page}<div>{wish}</div>").outcome is MailOutcome.ERROR_REPLY
        assert both(f"{plain}{wish}\n", page).outcome is MailOutcome.ERROR_REPLY
        hidden = f"{page}<div style='display:none'>{wish}</div>"
        # a program made plain text of what nobody saw
        assert both(f"{plain}{wish}\n", hidden).outcome is MailOutcome.ERROR_REPLY


def test_hidden_text_is_kept_apart() -> None:
    page = read_html("<p>seen</p><p style='display:none'>unseen</p>")
    assert page.visible.split() == ["seen"]
    assert page.hidden == "unseen"
