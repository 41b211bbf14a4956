"""Every kind of letter: what it says, in which form, and to whom."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import html5lib
import letter_samples as samples
import pytest

from astran.base.errors import MailError, Problem
from astran.base.states import AnalysisState
from astran.config.analysis import Target
from astran.launch_language.commands import command_of
from astran.mail.letters import content
from astran.mail.letters.mime import LOOP_HEADER, Thread
from astran.telescopes.lst.settings import Dl3Settings, LstConfig

KINDS = samples.KINDS
REPORTS = ("result", "partial", "failed")
EXPECTED = Path(__file__).parent / "expected"
VOID = {"meta", "br", "hr", "img", "wbr"}


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EmailMessage]:
    return samples.every_letter(tmp_path_factory.mktemp("plots"))


class Page(HTMLParser):
    """Checks that elements are balanced; gathers visible text, attributes and tags."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.words: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> repeats an attribute"
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.words += [value or "" for name, value in attrs if name == "alt"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def figures(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+)?", text))


def test_the_list_of_kinds_is_complete(letters: dict[str, EmailMessage]) -> None:
    assert sorted(letters) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_text_is_as_expected(self, letters: dict[str, EmailMessage], kind: str) -> None:
        """Set ASTRAN_UPDATE_EXPECTED=1 to accept new texts, then read the difference."""
        path = EXPECTED / f"{kind}.txt"
        if os.environ.get("ASTRAN_UPDATE_EXPECTED") == "1":
            path.write_text(samples.text_of(letters[kind]), encoding="utf-8")
        assert samples.text_of(letters[kind]) == path.read_text(encoding="utf-8")

    def test_text_and_html_hold_the_same_numbers(
        self, letters: dict[str, EmailMessage], kind: str
    ) -> None:
        html = Page(samples.html_of(letters[kind])).text
        assert figures(samples.text_of(letters[kind])) == figures(html)

    def test_text_and_html_hold_the_same_words(
        self, letters: dict[str, EmailMessage], kind: str
    ) -> None:
        words = re.compile(r"[a-z]{4,}")
        html = set(words.findall(Page(samples.html_of(letters[kind])).text.lower()))
        text = set(words.findall(samples.text_of(letters[kind]).lower()))
        # how to look at the plots is only worth a word where they are not in sight
        assert text - html <= {"shown", "html", "view", "this", "mail"}
        assert html - text == set()

    def test_html_is_small_and_reaches_out_to_nothing(
        self, letters: dict[str, EmailMessage], kind: str
    ) -> None:
        markup = samples.html_of(letters[kind])
        assert len(markup.encode()) < 100_000
        assert not re.search(r"url\(|@import|https?://|//[a-z]", markup)
        page = Page(markup)
        assert not {"script", "link", "iframe", "object", "form", "base"} & set(page.tags)
        for tag, name, value in page.attributes:
            assert not name.startswith("on")
            if name in ("src", "background", "poster", "srcset"):
                assert value.startswith("cid:")
            if name == "href":
                assert (tag, value[:7]) == ("a", "mailto:")

    def test_html_is_valid(self, letters: dict[str, EmailMessage], kind: str) -> None:
        html5lib.HTMLParser(strict=True).parse(samples.html_of(letters[kind]))

    def test_html_is_accessible(self, letters: dict[str, EmailMessage], kind: str) -> None:
        page = Page(samples.html_of(letters[kind]))
        assert page.tags.count("h1") == 1
        assert page.tags.count("main") == 1
        assert ("html", "lang", "en") in page.attributes
        images = page.tags.count("img")
        assert sum(tag == "img" and name == "alt" for tag, name, _ in page.attributes) == images

    def test_headers(self, letters: dict[str, EmailMessage], kind: str) -> None:
        message = letters[kind]
        assert message["From"].addresses[0].addr_spec == samples.MAIL.address
        assert message["From"].addresses[0].display_name == "ASTRAN"
        assert message["Date"].datetime == samples.NOW
        assert message[LOOP_HEADER] == samples.MAIL.address
        assert message["X-Auto-Response-Suppress"] == "All"
        told = ("operator", "digest", "order_summary", "decision", "result", "partial", "failed")
        answer = kind not in told
        assert message["Auto-Submitted"] == ("auto-replied" if answer else "auto-generated")
        if kind in ("operator", "digest"):
            assert message["To"] == "operator@lst1.example"
            assert message["In-Reply-To"] is None
        else:
            assert message["To"] == "shifter@institute.example"
            assert ("ASTRAN-LAUNCH Crab" in message["Subject"]) is (kind not in REPORTS)
            assert message["In-Reply-To"] == "<ask.1@institute.example>"
            assert message["References"] == "<ask.1@institute.example>"

    def test_it_survives_the_wire(self, letters: dict[str, EmailMessage], kind: str) -> None:
        raw = letters[kind].as_bytes()
        assert b"\r\n" in raw and raw.isascii()
        # RFC 5322, 2.1.1
        assert max(len(line) for line in raw.split(b"\r\n")) <= 998
        again = message_from_bytes(raw, policy=policy.default)
        assert isinstance(again, EmailMessage)
        assert samples.text_of(again) == samples.text_of(letters[kind])
        assert samples.html_of(again) == samples.html_of(letters[kind])
        assert not again.defects

    def test_equal_input_gives_equal_bytes(
        self, letters: dict[str, EmailMessage], kind: str, tmp_path: Path
    ) -> None:
        again = samples.every_letter(tmp_path)[kind]
        assert again["Message-ID"] == letters[kind]["Message-ID"]
        assert again.as_bytes() == letters[kind].as_bytes()


def test_answers_stand_in_the_first_line(letters: dict[str, EmailMessage]) -> None:
    first = {kind: samples.text_of(message).split("\n")[0] for kind, message in letters.items()}
    verdict = "Crab is detected on 2023-12-07: 24.3 sigma in 1.02 h, one trial."
    assert first["result"] == first["partial"] == verdict
    assert first["failed"] == (
        "Crab, 2023-12-07: failed, 0 of 3 runs: the tool ended with return code 1"
    )
    for kind, message in letters.items():
        heading = re.search(r"<h1[^>]*>(.*?)</h1>", samples.html_of(message), re.S)
        assert heading and "".join(Page(heading[1]).words) == first[kind]


def test_subjects_show_state_and_answer(letters: dict[str, EmailMessage]) -> None:
    start = "Re: ASTRAN-LAUNCH Crab [A12] "
    subject = {kind: str(message["Subject"]) for kind, message in letters.items()}
    assert subject["result"] == "24.3 sigma Crab 2023-12-07 [A12]"
    assert subject["partial"] == "SIMULATED 24.3 sigma Crab 2023-12-07, 2 of 3 runs [A12]"
    assert subject["failed"] == "failed: Crab 2023-12-07 [A12]"
    assert subject["confirmation"] == f"{start}accepted: Crab, 2023-12-07"
    assert subject["problems"] == "Re: ASTRAN-LAUNCH Crab not started: 3 problems"


def test_the_flux_stands_in_the_second_line(letters: dict[str, EmailMessage]) -> None:
    text = [line for line in samples.text_of(letters["result"]).split("\n") if line]
    assert " ".join(text[1:3]) == (
        "Flux 1.020 ± 0.047 Crab, (4.61 ± 0.21)e-10 cm-2 s-1 from 0.1 to 10 TeV. "
        "Significance (Li&Ma)  24.3 sigma"
    )


@pytest.mark.parametrize("kind", REPORTS)
def test_a_report_is_found_again_by_its_tag_and_thread(
    letters: dict[str, EmailMessage], kind: str
) -> None:
    """RFC 5322, 3.6.4: a thread hangs together by References, whatever the subject."""
    message = letters[kind]
    assert message["In-Reply-To"] == samples.THREAD.in_reply_to
    assert message["References"] == samples.THREAD.in_reply_to
    answer = f"Re: {message['Subject']}"
    assert command_of(answer, "thanks", answers=True).analysis == 12
    again = Thread("s@x.example", answer)
    fault = samples.make_letters().fault(again, "A12", "x")
    tally = ", 2 of 3 runs" if kind == "partial" else ""
    assert fault["Subject"] == f"Re: Crab 2023-12-07{tally} [A12] internal fault"


def test_message_ids_differ_wherever_the_letters_do() -> None:
    letters = samples.make_letters()
    elsewhere = replace(samples.THREAD, in_reply_to="<ask.2@institute.example>")
    other_life = replace(samples.THREAD, seed="2023-12-09")
    made = [
        letters.fault(samples.THREAD, "A12", "x"),
        letters.fault(samples.THREAD, "A12", "x", n=2),
        letters.fault(samples.THREAD, "A13", "x"),
        letters.fault(elsewhere, "A12", "x"),
        letters.fault(other_life, "A12", "x"),
        letters.fault(replace(samples.THREAD, to="other@institute.example"), "A12", "x"),
        letters.notice(samples.THREAD, "t", "x", request_id="A12"),
    ]
    ids = [message["Message-ID"] for message in made]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"<[a-z]+\.A1\d\.\d\.[0-9a-f]{16}@lst1\.example>", i) for i in ids)


def test_confirmation_parts_choices_from_defaults(letters: dict[str, EmailMessage]) -> None:
    text = samples.text_of(letters["confirmation"])
    asked, default = text.split("ALL OTHER SETTINGS, BY DEFAULT")
    for line in ("dl3.theta_cut  0.2 deg", "runs           15864, 15865, 15866"):
        assert line in asked and line not in default
    assert re.search(r"^dl3.gammaness_cut +0\.7$", default, re.M)
    assert re.search(r"^highlevel.energy_min +no limit$", default, re.M)
    # efficiencies mean nothing with global cuts
    assert "gh_efficiency" not in text
    assert "ASTRAN-STATUS A12" in text and "ASTRAN-CANCEL A12" in text
    [config] = list(letters["confirmation"].iter_attachments())
    assert config.get_filename() == "config_Crab20231207.yml"
    assert config.get_content().decode() == samples.CONFIG.to_yaml()


def test_problems_stand_at_their_lines(letters: dict[str, EmailMessage]) -> None:
    text = samples.text_of(letters["problems"])
    assert re.search(r">>   1 \| targt: Crab\n +\^ unknown key\. Did you mean 'target'\?\n", text)
    assert ">>   2 | date: 2023-13-07\n" in text
    also = text.split("ALSO\n")[1]
    assert "target  is required and not given." in also
    assert "unknown key" not in also
    assert "    target: Crab\n    date: 20231207\n" in also


def test_problems_without_lines_need_no_transcript() -> None:
    letter = samples.make_letters().problems(
        samples.THREAD, [Problem("date", "is missing.")], "hello\n"
    )
    text = samples.text_of(letter)
    assert "not started: 1 problem" in letter["Subject"]
    assert "WHAT TO CHANGE" in text and "hello" not in text


def test_partial_result_names_the_run_and_the_telling_lines(
    letters: dict[str, EmailMessage],
) -> None:
    text = samples.text_of(letters["partial"])
    assert "! Run 15866 failed at dl3: the tool ended with return code 1" in text
    assert "15866  failed at dl3: the tool ended with return code 1" in text
    assert "LOG OF RUN 15866 AT DL3" in text
    assert '      File "create_dl3.py", line 412\n    OSError: truncated\n' in text
    assert "SIMULATED DATA" in text
    assert "sigma 1.21" in text


def test_failure_names_every_run_and_quotes_equal_logs_once(
    letters: dict[str, EmailMessage],
) -> None:
    text = samples.text_of(letters["failed"])
    for run in (15864, 15865, 15866):
        assert f"{run}  failed at dl3: the tool ended with return code 1" in text
    assert text.count("OSError: truncated") == 1
    assert "LOG OF RUNS 15864, 15865, 15866 AT DL3" in text
    assert "Significance" not in text
    assert "ASTRAN-RETRY A12" in text and "ASTRAN-CANCEL" not in text


def test_plots_are_inline_and_shown_once(letters: dict[str, EmailMessage]) -> None:
    message = letters["result"]
    page = Page(samples.html_of(message))
    shown = [value for tag, name, value in page.attributes if (tag, name) == ("img", "src")]
    inline = {
        part["Content-ID"].strip("<>"): part
        for part in message.walk()
        if part.get_content_maintype() == "image"
    }
    assert sorted(shown) == sorted(f"cid:{cid}" for cid in inline)
    assert len(shown) == 3
    for part in inline.values():
        assert part.get_content_disposition() == "inline"
        assert part.get_content() == samples.png()
        assert part.get_content_type() == "image/png"


def test_missing_numbers_are_said_and_do_not_stop_the_letter(tmp_path: Path) -> None:
    report = replace(
        samples.make_report(tmp_path),
        results=samples.make_results(
            stacked={"n_on": None, "excess": "many", "alpha": float("nan")}, map=[]
        ),
        runs=(replace(samples.RUNS[0], numbers=None), samples.RUNS[1]),
    )
    text = samples.text_of(samples.make_letters().report(samples.THREAD, report))
    assert text.startswith("Crab on 2023-12-07: the significance is not known.\n")
    assert re.search(r"^N_on +not available$", text, re.M)
    assert re.search(r"^Excess +not available$", text, re.M)
    assert "15864  done, numbers not available" in text


def test_a_plot_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    report = samples.make_report(tmp_path)
    report.plots[1].path.unlink()
    message = samples.make_letters().report(samples.THREAD, report)
    text = samples.text_of(message)
    assert "Not in this mail: map.png (cannot be read: No such file or directory)." in text
    assert "/data/astran/Crab20231207" in text
    assert samples.html_of(message).count("<img") == 2


def test_attachments(tmp_path: Path) -> None:
    logs = tmp_path / "logs_Crab20231207.zip"
    logs.write_bytes(b"PK-made-up")
    report = replace(samples.make_report(tmp_path), attachments=(logs,))
    message = samples.make_letters().report(samples.THREAD, report)
    found = {a.get_filename(): a.get_content_type() for a in message.iter_attachments()}
    assert found == {
        "logs_Crab20231207.zip": "application/zip",
        "config_Crab20231207.yml": "application/yaml",
    }


class TestSizeCap:
    CAP = 150_000

    def letter(
        self, tmp_path: Path, padding: int, attached: int = 0, page: str = ""
    ) -> EmailMessage:
        attachments = ()
        if attached:
            (tmp_path / "logs.zip").write_bytes(bytes(attached))
            attachments = (tmp_path / "logs.zip",)
        report = replace(
            samples.make_report(tmp_path),
            plots=samples.write_plots(tmp_path, padding),
            attachments=attachments,
            page=page,
        )
        letters = samples.make_letters()
        letters._mail = samples.MAIL.model_copy(update={"max_report_bytes": self.CAP})
        return letters.report(samples.THREAD, report)

    def test_all_fits(self, tmp_path: Path) -> None:
        message = self.letter(tmp_path, padding=10_000)
        assert samples.html_of(message).count("<img") == 3
        assert "Not in this mail" not in samples.text_of(message)

    def test_last_plots_go_first(self, tmp_path: Path) -> None:
        message = self.letter(tmp_path, padding=60_000)
        assert len(message.as_bytes()) <= self.CAP
        text = samples.text_of(message)
        assert samples.html_of(message).count("<img") == 1
        assert "theta2 around Crab" in text
        assert "Not in this mail: cum.png (too large for this mail), map.png (too large" in text
        assert "See /data/astran/Crab20231207" in text

    def test_the_pointer_is_the_page_where_there_is_one(self, tmp_path: Path) -> None:
        page = "https://lst1.example/astran/analyses/A12/index.html"
        text = samples.text_of(self.letter(tmp_path, padding=60_000, page=page))
        assert f"See {page}" in " ".join(text.split())
        assert f"Page {page}" in " ".join(text.split())

    def test_attachments_go_before_the_first_plot(self, tmp_path: Path) -> None:
        message = self.letter(tmp_path, padding=60_000, attached=40_000)
        assert len(message.as_bytes()) <= self.CAP
        assert samples.html_of(message).count("<img") == 1
        names = [part.get_filename() for part in message.iter_attachments()]
        assert names == ["config_Crab20231207.yml"]

    def test_nothing_but_words_may_be_left(self, tmp_path: Path) -> None:
        message = self.letter(tmp_path, padding=120_000)
        assert len(message.as_bytes()) <= self.CAP
        assert samples.html_of(message).count("<img") == 0
        assert "theta2.png (too large for this mail)" in samples.text_of(message)


HOSTILE = (
    "<script>alert(1)</script>\x1b[31mred\x1b]0;t\x07\u202egnp\r\nBcc: all@x.example\x00{{ 7*7 }}"
)


class TestHostileText:
    @pytest.fixture(scope="class")
    @classmethod
    def letters(cls, tmp_path_factory: pytest.TempPathFactory) -> list[EmailMessage]:
        folder = tmp_path_factory.mktemp("hostile")
        target = Target(name=HOSTILE[:60], ra=1, dec=-2)
        config = LstConfig(target=target, date="20231207")
        long = HOSTILE + "x" * 1_000_000
        run = replace(samples.BAD_RUN, reason=HOSTILE, stage=HOSTILE, log_excerpt=(long, HOSTILE))
        plots = samples.write_plots(folder)
        report = replace(
            samples.make_partial(folder),
            config=config,
            runs=(samples.RUNS[0], run),
            notes=(HOSTILE, long),
            warnings=(HOSTILE,),
            versions=((HOSTILE, HOSTILE),),
            requester=HOSTILE,
            folder=HOSTILE,
            plots=(replace(plots[0], title=HOSTILE, alt=HOSTILE + '" onerror="x'),),
            errors=(long,),
        )
        thread = Thread("shifter@institute.example", HOSTILE, "<a@b.example>\r\nBcc: x@y.example")
        write = samples.make_letters()
        problems = [Problem(HOSTILE, HOSTILE, HOSTILE, 1)]
        return [
            write.report(thread, report),
            write.confirmation(thread, "A1", config, plan_notes=[HOSTILE]),
            write.problems(thread, problems, long, HOSTILE),
            write.status(thread, "A1", HOSTILE, [(HOSTILE, HOSTILE)], notes=[HOSTILE]),
            write.fault(thread, "A1", HOSTILE),
            write.operator(HOSTILE, long, [(HOSTILE, HOSTILE)]),
            write.notice(thread, HOSTILE, long),
            write.refusal(thread, HOSTILE),
            write.help(thread, reason=HOSTILE, keys=[(HOSTILE, HOSTILE)]),
            write.waiting(thread, "A1", config, [HOSTILE]),
            write.cancelled(thread, "A1", config, [(HOSTILE, HOSTILE)], folder=HOSTILE),
        ]

    def test_is_harmless_as_html(self, letters: list[EmailMessage]) -> None:
        for message in letters:
            markup = samples.html_of(message)
            assert len(markup.encode()) < 100_000
            assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", markup)
            page = Page(markup)
            assert "script" not in page.tags
            assert not [name for _, name, _ in page.attributes if name.startswith("on")]
            assert "<script>alert(1)</script>red" in page.text
            assert "{{ 7*7 }}" in page.text or "49" not in page.text

    def test_is_harmless_as_text(self, letters: list[EmailMessage]) -> None:
        for message in letters:
            assert not re.search(
                r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", samples.text_of(message)
            )

    def test_adds_no_header(self, letters: list[EmailMessage]) -> None:
        for message in letters:
            again = message_from_bytes(message.as_bytes(), policy=policy.default)
            assert "Bcc" not in again
            assert again["Subject"].isprintable()
            assert len(again["To"].addresses) == 1
            assert not again.defects


@pytest.mark.parametrize(
    "to", ["", "nobody", "a@x.example, b@y.example", "a@x.example\r\nBcc: b@y.example", "a b@c"]
)
def test_only_one_true_address_is_written_to(to: str) -> None:
    with pytest.raises(MailError, match="not one mail address"):
        samples.make_letters().help(Thread(to))


def test_a_name_beside_the_address_is_left_out() -> None:
    message = samples.make_letters().help(Thread('"Shifter, One" <s@x.example>'))
    assert message["To"] == "s@x.example"
    assert message["Subject"] == "ASTRAN help"


def test_answers_to_answers_do_not_pile_up() -> None:
    again = Thread("s@x.example", "AW: Re: ASTRAN-LAUNCH Crab [A12] result: Crab, 2023-12-07")
    message = samples.make_letters().fault(again, "A12", "x")
    assert message["Subject"] == "Re: ASTRAN-LAUNCH Crab [A12] internal fault"


def test_a_long_night_stays_below_100_kb(tmp_path: Path) -> None:
    long = "word " * 200
    good = tuple(replace(samples.RUNS[0], run=run) for run in range(1, 81))
    bad = tuple(
        replace(
            samples.BAD_RUN, run=run, reason=f"{run} {long}", log_excerpt=(f"{run} {long}",) * 20
        )
        for run in range(81, 121)
    )
    report = replace(
        samples.make_partial(tmp_path),
        runs=good + bad,
        notes=(long,) * 50,
        warnings=(long,) * 50,
        errors=(long,) * 50,
    )
    message = samples.make_letters().report(samples.THREAD, report)
    assert len(samples.html_of(message).encode()) < 100_000
    text = samples.text_of(message)
    assert "MISSING: 40 OF 120 RUNS" in text
    assert "and 70 more" in text and "… and 38 more" in text
    assert re.search(r"^1 +16\.6 +295", text, re.M)


@pytest.mark.parametrize("state", list(AnalysisState))
def test_every_state_can_be_reported(tmp_path: Path, state: AnalysisState) -> None:
    report = replace(samples.make_report(tmp_path), state=state)
    message = samples.make_letters().report(samples.THREAD, report)
    with_verdict = state in (AnalysisState.DONE, AnalysisState.PARTIAL, AnalysisState.REPORTING)
    begin = "Crab is detected on 2023-12-07: " if with_verdict else "Crab, 2023-12-07: "
    assert samples.text_of(message).startswith(begin)


def test_simulated_sites_mark_every_letter() -> None:
    letters = samples.make_letters(simulated=True)
    for message in (
        letters.help(samples.THREAD),
        letters.confirmation(samples.THREAD, "A1", samples.CONFIG),
    ):
        assert "SIMULATED DATA" in samples.text_of(message)
        assert "SIMULATED DATA" in samples.html_of(message)


def test_a_tick_without_letters_loads_no_template_engine() -> None:
    code = "import sys, astran.mail.letters.service_letters; sys.exit('jinja2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_an_analysis_from_dl3_shows_only_what_is_in_force() -> None:
    data = {"target": {"name": "Crab", "ra": 83.6, "dec": 22.0}, "date": "20131003"}
    plain = LstConfig.model_validate({**data, "start": "dl3", "folder": "magic"})
    rows = {row.key: row.value for row in content.describe_settings(plain, ())}
    assert rows["dl3.theta_cut"] == "as in the DL3 files"
    assert not {"dl2.models", "dl3.gammaness_cut", "lstchain"} & rows.keys()
    asked = plain.model_copy(update={"dl3": Dl3Settings(theta_cut=0.2)})
    rows = {row.key: row.value for row in content.describe_settings(asked, ())}
    assert rows["dl3.theta_cut"] == "0.2 deg"
