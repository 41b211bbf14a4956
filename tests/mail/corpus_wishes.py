# ruff: noqa: E501 - mails are shown as they are
"""Mails as astronomers write them, each with what its author would expect.

They are of people who may launch, sent on Sunday, 10 December 2023, at 9:12 in the morning.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from astran.base.mail_commands import MailCommand


@dataclass(frozen=True)
class Wish:
    """One mail, and the acceptable outcomes."""

    name: str
    text: str
    subject: str = "ASTRAN-LAUNCH"
    launch: dict[str, Any] | None = None
    """Parameters of a launch that would be right."""
    asks: str | None = None
    """A part of the problem that an answer would have to show."""
    command: MailCommand | None = None
    about: tuple[int, ...] = ()
    ignored: bool = False
    answer: bool = False
    """Whether the mail answers one of ASTRAN's own, about A12."""
    other: dict[str, str] = field(default_factory=dict)


CRAB = "target: Crab\ndate: 20231207\n"
_BASE = {"target": "Crab", "date": "2023-12-07"}


TWO_NIGHTS = ["2023-12-06 to 2023-12-07"]


def _launch(name: str, text: str, subject: str = "ASTRAN-LAUNCH", **params: Any) -> Wish:
    dotted = {key.replace("__", "."): value for key, value in params.items()}
    return Wish(name, text, subject, launch={**_BASE, **dotted})


def _asks(name: str, text: str, part: str, subject: str = "ASTRAN-LAUNCH") -> Wish:
    return Wish(name, text, subject, asks=part)


def _either(name: str, text: str, part: str, **params: Any) -> Wish:
    """The wish is obeyed, or asked about."""
    dotted = {key.replace("__", "."): value for key, value in params.items()}
    return Wish(name, text, launch={**_BASE, **dotted}, asks=part)


def _command(name: str, subject: str, text: str, command: MailCommand, *about: int,
             answer: bool = False) -> Wish:  # fmt: skip
    return Wish(name, text, subject, command=command, about=about, answer=answer)


def _nothing(name: str, text: str, subject: str = "Re: [A12] accepted: Crab 2023-12-07") -> Wish:
    return Wish(name, text, subject, ignored=True, answer=True)


def _puzzled(name: str, subject: str, text: str = "", answer: bool = False) -> Wish:
    return Wish(name, text, subject, asks="", answer=answer)


_RE = "Re: [A12] accepted: Crab 2023-12-07"

WISHES: tuple[Wish, ...] = (
    # lines about runs without a colon
    _either(
        "run-words", CRAB + "Run 15864-15866, 15870\n", "15864", runs=[15864, 15865, 15866, 15870]
    ),
    _either("runs-words", CRAB + "runs 15864 15865\n", "15864", runs=[15864, 15865]),
    _either("only-run", CRAB + "only run 15864 please\n", "15864", runs=[15864]),
    _either("just-runs", CRAB + "just runs 15864 and 15865\n", "15864", runs=[15864, 15865]),
    _either("arrow", CRAB + "Runs -> 15864\n", "15864", runs=[15864]),
    _asks("without", CRAB + "without run 15865\n", "15865"),
    _asks("except", CRAB + "all runs except 15865\n", "15865"),
    _asks("skip", CRAB + "skip 15865, it had clouds\n", "15865"),
    _asks("exclude", CRAB + "please exclude 15865\n", "15865"),
    _asks("not-run", CRAB + "not run 15864\n", "15864"),
    _either("bare", CRAB + "15864\n15865\n", "15864", runs=[15864, 15865]),
    _either("bare-one", CRAB + "\n15864, 15865\n", "15864", runs=[15864, 15865]),
    _either("bare-above", "15864\n" + CRAB, "15864", runs=[15864]),
    _either("runs-title", CRAB + "Runs\n15864\n15865\n", "15864", runs=[15864, 15865]),
    _either("run-nos", CRAB + "Run numbers 15864 to 15866\n", "15864", runs=[15864, 15865, 15866]),
    _either("run-equals", CRAB + "runs == 15864\n", "15864", runs=[15864]),
    _either("and-run", CRAB + "and run 15864\n", "15864", runs=[15864]),
    _either("with-runs", CRAB + "with runs 15864-15866\n", "15864", runs=[15864, 15865, 15866]),
    _either(
        "from-run", CRAB + "from run 15864 to run 15866\n", "15864", runs=[15864, 15865, 15866]
    ),
    _asks("first-half", CRAB + "only the first two runs\n", "first two runs"),
    _asks("wobble", CRAB + "only runs with wobble 0.4\n", "wobble"),
    _asks("last-run", CRAB + "last run only\n", "last run only"),
    _asks("good-runs", CRAB + "runs: the good ones\n", "good"),
    _asks("runs-bad", CRAB + "runs: 15864 without 15865\n", "15865"),
    _asks("runs-except", CRAB + "runs: all except 15865\n", "15865"),
    # remarks in lists
    _launch("remark", CRAB + "runs:\n- 15864\n- 15865 (short)\n", runs=[15864, 15865]),
    _launch(
        "remark-middle",
        CRAB + "runs:\n- 15864 (clouds at the end)\n- 15865\n- 15866\n",
        runs=[15864, 15865, 15866],
    ),
    _launch(
        "remark-inline", CRAB + "runs: 15864 (wobble 1), 15865 (wobble 2)\n", runs=[15864, 15865]
    ),
    _either("remark-not", CRAB + "runs:\n- 15864\n- 15865 (not this one)\n", "not this one"),
    _either("remark-bad", CRAB + "runs: 15864, 15865 (exclude?)\n", "exclude"),
    _either("remark-number", CRAB + "runs:\n- 15864 (and 15865 if there is time)\n", "15865"),
    _either(
        "remark-dash", CRAB + "runs:\n- 15864 - short\n- 15865\n", "short", runs=[15864, 15865]
    ),
    _either("item-blank", CRAB + "runs:\n- 15864\n\n- 15865\n", "15865", runs=[15864, 15865]),
    _asks("thousands", CRAB + "runs: 15,864\n", "15,864"),
    _asks("thousands-two", CRAB + "runs: 15,864, 15,865\n", "15,864"),
    _asks("thousands-below", CRAB + "runs:\n- 15,864\n- 15,865\n", "15,864"),
    _asks("star-run", CRAB + "runs: 1586*\n", "1586*"),
    _asks("run-x", CRAB + "runs: 1586x\n", "1586x"),
    _asks("ellipsis", CRAB + "runs: 15864, ...\n", "..."),
    _either(
        "range-through", CRAB + "runs: 15864 through 15866\n", "through", runs=[15864, 15865, 15866]
    ),
    _either("range-slash", CRAB + "runs: 15864/15865\n", "15864/15865", runs=[15864, 15865]),
    _either("short-range", CRAB + "runs: 15864-66\n", "15864-66", runs=[15864, 15865, 15866]),
    _launch("semicolons", CRAB + "runs: 15864; 15865\n", runs=[15864, 15865]),
    _launch("runs-hash", CRAB + "runs: #15864, #15865\n", runs=[15864, 15865]),
    _launch("runs-zero", CRAB + "runs: 015864\n", runs=[15864]),
    # cuts without a colon, with signs, with units
    _either("theta-blank", CRAB + "theta cut 0.1 deg\n", "theta cut 0.1", dl3__theta_cut=0.1),
    _either("theta-less", CRAB + "theta cut < 0.3\n", "theta cut < 0.3", dl3__theta_cut=0.3),
    _either("theta-colon-less", CRAB + "theta cut: < 0.3\n", "0.3", dl3__theta_cut=0.3),
    _either("gammaness-blank", CRAB + "gammaness 0.9\n", "gammaness 0.9", dl3__gammaness_cut=0.9),
    _either(
        "gammaness-more", CRAB + "gammaness > 0.9\n", "gammaness > 0.9", dl3__gammaness_cut=0.9
    ),
    _either("gammaness-ge", CRAB + "gammaness >= 0.9\n", "0.9", dl3__gammaness_cut=0.9),
    _either(
        "gammaness-at",
        CRAB + "gammaness cut at 0.9\n",
        "gammaness cut at 0.9",
        dl3__gammaness_cut=0.9,
    ),
    _either(
        "gammaness-of", CRAB + "with a gammaness cut of 0.9\n", "gammaness", dl3__gammaness_cut=0.9
    ),
    _either(
        "use-gammaness",
        CRAB + "please use gammaness 0.9\n",
        "gammaness 0.9",
        dl3__gammaness_cut=0.9,
    ),
    _either("energy-more", CRAB + "E > 0.3 TeV\n", "E > 0.3 TeV", highlevel__energy_min=0.3),
    _either("energy-above", CRAB + "only above 300 GeV\n", "300 GeV", highlevel__energy_min=0.3),
    _either(
        "energy-threshold",
        CRAB + "energy threshold: 300 GeV\n",
        "energy threshold",
        highlevel__energy_min=0.3,
    ),
    _either(
        "energy-range",
        CRAB + "energy range: 0.1-10 TeV\n",
        "energy range",
        highlevel__energy_min=0.1,
        highlevel__energy_max=10.0,
    ),
    _either(
        "between",
        CRAB + "energies between 0.1 and 10 TeV\n",
        "0.1 and 10",
        highlevel__energy_min=0.1,
        highlevel__energy_max=10.0,
    ),
    _either("zenith-less", CRAB + "zenith < 50\n", "zenith < 50", quality__zenith_max=50.0),
    _either(
        "zenith-word", CRAB + "zenith below 50 deg\n", "zenith below 50", quality__zenith_max=50.0
    ),
    _either("intensity", CRAB + "intensity > 80 p.e.\n", "intensity > 80", dl3__intensity_min=80.0),
    _either("no-cuts", CRAB + "no quality cuts\n", "no quality cuts", quality__apply=False),
    _either(
        "eff", CRAB + "70% gammaness efficiency\n", "gammaness efficiency", dl3__gh_efficiency=0.7
    ),
    _asks("theta2", CRAB + "theta2 cut: 0.04 deg2\n", "0.2"),
    _asks("theta2-plain", CRAB + "theta2: 0.04\n", "0.2"),
    _asks("theta2-caret", CRAB + "theta^2 < 0.04\n", "0.2"),
    _asks("theta2-sq", CRAB + "theta squared: 0.04\n", "theta"),
    _asks("theta-deg2", CRAB + "theta cut: 0.04 deg^2\n", "0.2"),
    _launch("theta-arcmin", CRAB + "theta cut: 12 arcmin\n", dl3__theta_cut=0.2),
    # keys that are unknown or misspelt; their values are looked at as well
    _asks("typo", CRAB + "gamaness: 0.9\n", "gamaness"),
    _asks("typo-value", CRAB + "gamaness: 0,9\n", "decimal comma"),
    _asks("typo-far", CRAB + "thetha_cut: 300 parsec\n", "parsec"),
    _asks("typo-target", "taget: Crba\ndate: 20231207\n", "Crba"),
    _asks("typo-date", "target: Crab\nadte: 20231307\n", "20231307"),
    _asks(
        "all-wrong",
        "target: Crba\ndate: 2023-13-07\ndl3.gammaness_cut: 0.7\ndl3.theta_cut: 7\n",
        "theta",
    ),
    _asks("spectral-model", CRAB + "model: log parabola\n", "model"),
    _asks("binning", CRAB + "binning: 5 per decade\n", "binning"),
    _asks("background", CRAB + "background: ring\n", "background"),
    _asks("telescope", CRAB + "telescopes: LST-1 and MAGIC\n", "telescopes"),
    _asks("priority", CRAB + "priority: high\n", "priority"),
    _asks("radius", CRAB + "off radius: 0.4\n", "off radius"),
    _asks("livetime", CRAB + "min livetime: 10 min\n", "livetime"),
    _asks("light-curve", CRAB + "lightcurve bins: 5 min\n", "lightcurve"),
    _asks("flux-points", CRAB + "\nflux points per decade: 5\n", "flux points"),
    _asks("after-block", CRAB + "\nThanks!\n\ngammaness: ninety percent\n", "ninety"),
    _asks("redshift", CRAB + "z: 0.03\n", "z"),
    # cc, and when
    _either("cc", CRAB + "cc: bob@institute.example\n", "cc", cc=["bob@institute.example"]),
    _either(
        "cc-two",
        CRAB + "cc: bob@institute.example, eve@institute.example\n",
        "cc",
        cc=["bob@institute.example", "eve@institute.example"],
    ),
    _asks("cc-stranger", CRAB + "cc: press@newspaper.example\n", "press@newspaper.example"),
    _asks("cc-name", CRAB + "cc: Bob\n", "Bob"),
    _asks(
        "send-to",
        CRAB + "send the report to bob@institute.example as well\n",
        "bob@institute.example",
    ),
    _asks("dont-start", CRAB + "do not start yet\n", "do not start"),
    _asks("dont-start-2", "Please don't start this before I tell you.\n\n" + CRAB, "start"),
    _asks("wait", CRAB + "wait until tomorrow\n", "wait"),
    _asks("wait-me", CRAB + "please wait for my ok\n", "wait"),
    _asks("not-before", CRAB + "not before noon\n", "not before"),
    _asks("hold", CRAB + "hold this until DL1 v2 is there\n", "hold"),
    _asks("just-test", CRAB + "this is just a test, please do not run it\n", "do not run"),
    _asks("ignore-mail", "Please ignore this mail, I sent it too early.\n" + CRAB, "ignore"),
    # dates
    _launch("yesterday", "target: Crab\ndate: yesterday\n", date="2023-12-09"),
    _launch("last-night", "target: Crab\ndate: last night\n", date="2023-12-09"),
    _launch("yesterday-night", "target: Crab\nnight: yesterday night\n", date="2023-12-09"),
    _launch(
        "gestern", "Quelle: Crab\ndate: gestern\n".replace("Quelle", "target"), date="2023-12-09"
    ),
    _asks("today", "target: Crab\ndate: today\n", "20231209"),
    _asks("tomorrow", "target: Crab\ndate: tomorrow\n", "tomorrow"),
    _asks("friday", "target: Crab\ndate: last Friday\n", "20231208"),
    _launch("two-nights-ago", "target: Crab\ndate: 2 nights ago\n", date="2023-12-08"),
    _launch("dates-two", "target: Crab\ndate: 20231206, 20231207\n", date=TWO_NIGHTS),
    _launch("dates-range", "target: Crab\ndate: 20231206-20231207\n", date=TWO_NIGHTS),
    _asks("dates-morning", "target: Crab\ndate: 7/8 December 2023\n", "7/8"),
    _launch("italian", "target: Crab\ndata: 7 dicembre 2023\n"),
    _launch("italian-all", "sorgente: Crab\ndata: 7 dicembre 2023\n"),
    _launch("french", "Bonjour,\ncible : Crab\ndate : 7 décembre 2023\nmerci\n"),
    _launch("french-first", "target: Crab\ndate: 1er décembre 2023\n", date="2023-12-01"),
    _launch("french-aout", "target: Crab\ndate: 14 août 2023\n", date="2023-08-14"),
    _launch("spanish", "target: Crab\ndate: 7 de diciembre de 2023\n"),
    _launch("spanish-keys", "fuente: Crab\nfecha: 7 de diciembre de 2023\n"),
    _launch("german", "target: Crab\ndate: 7. Dezember 2023\n"),
    _launch("german-keys", "Quelle: Crab\nDatum: 7. März 2023\n", date="2023-03-07"),
    _launch("japanese", "target: Crab\ndate: 2023年12月7日\n"),
    _launch("croatian", "target: Crab\ndate: 7. prosinca 2023\n"),
    _launch("polish", "target: Crab\ndate: 7 grudnia 2023\n"),
    _launch("portuguese", "target: Crab\ndate: 7 de dezembro de 2023\n"),
    _launch("czech", "target: Crab\ndate: 7. prosince 2023\n"),
    _launch("finnish", "target: Crab\ndate: 7. joulukuuta 2023\n"),
    _launch("bulgarian", "target: Crab\ndate: 7 декември 2023\n"),
    _asks("listopad", "target: Crab\ndate: 7 listopad 2023\n", "listopad"),
    _asks("no-year", "target: Crab\ndate: 7 December\n", "7 December"),
    _asks("short-year", "target: Crab\ndate: 07/12/23\n", "07/12/23"),
    _asks("grb", "target: GRB 231207A\ndate: 20231207\n", "ra"),
    # near misses of the keyword
    _puzzled("subject-blank", "ASTRAN LAUNCH", CRAB),
    _puzzled("subject-lower", "astran launch", CRAB),
    _puzzled("subject-typo", "ASTRAN-LAUCNH", CRAB),
    _puzzled("subject-underscore", "ASTRAN_LAUNCH", CRAB),
    _puzzled("subject-dash", "ASTRAN – LAUNCH Crab", CRAB),
    _puzzled("subject-en-dash", "ASTRAN–LAUNCH", CRAB),
    _puzzled("subject-joined", "ASTRANLAUNCH", CRAB),
    _puzzled("subject-colon", "ASTRAN: launch", CRAB),
    _puzzled("subject-start", "ASTRAN-START", CRAB),
    _puzzled("subject-run", "ASTRAN-RUN Crab", CRAB),
    _puzzled("subject-bracket", "[ASTRAN] launch", CRAB),
    _puzzled("subject-name", "Astran", CRAB),
    _puzzled("cancel-blank", "ASTRAN CANCEL A12"),
    _puzzled("status-blank", "Astran status A12?"),
    _puzzled("stop", "ASTRAN-STOP A12"),
    _puzzled("cancle", "ASTRAN-CANCLE A12"),
    _puzzled("dry-run", "ASTRAN-DRY-RUN", CRAB),
    _puzzled("help-blank", "astran help"),
    _puzzled("empty-launch", "ASTRAN-LAUNCH", ""),
    _puzzled("prose-launch", "ASTRAN-LAUNCH", "Could you analyse the Crab of last night please?\n"),
    # free words in a thread
    _command("t-cancel", _RE, "cancel\n", MailCommand.CANCEL, 12, answer=True),
    _command(
        "t-cancel-please",
        _RE,
        "Cancel please.\n\nThanks, Alice\n",
        MailCommand.CANCEL,
        12,
        answer=True,
    ),
    _command("t-status", _RE, "status?\n", MailCommand.STATUS, 12, answer=True),
    _puzzled("t-stop", _RE, "please stop this one\n", answer=True),
    _puzzled("t-hi-cancel", _RE, "Hi,\nplease cancel this analysis.\nAlice\n", answer=True),
    _puzzled("t-when", _RE, "When will it be ready?\n", answer=True),
    _puzzled("t-again", _RE, "could you run it again with gammaness 0.8?\n", answer=True),
    _puzzled("t-retry", _RE, "try again please\n", answer=True),
    _puzzled("t-wrong", _RE, "Sorry, wrong date. It should be 20231206.\n", answer=True),
    _puzzled("t-question", _RE, "Why is the theta cut 0.2?\n", answer=True),
    _puzzled("t-no", _RE, "no, don't\n", answer=True),
    _puzzled("t-key", _RE, "gammaness: 0.8\n", answer=True),
    _puzzled("t-near", _RE, "ASTRAN CANCEL\n", answer=True),
    _nothing("t-thanks", "Thanks!\n"),
    _nothing("t-thanks-long", "Thank you very much, great service!\n\nBest,\nAlice\n"),
    _nothing("t-great", "Great, looks good.\n"),
    _nothing("t-ok", "ok\n"),
    _nothing("t-received", "Received, many thanks.\n\n--\nAlice\nInstitute of Gamma Rays\n"),
    _nothing("t-grazie", "Grazie mille!\nA.\n"),
    _nothing("t-merci", "Merci beaucoup\n"),
    _nothing("t-nice", "Nice signal. Congratulations to the shifters!\n"),
    _nothing("t-empty", "\n"),
    _nothing("t-signature", "-- \nAlice\nTel: +49 1234\n"),
    _nothing("t-cheers", "Cheers, Alice\n"),
    # ids
    _command("no-id-body", "ASTRAN-CANCEL", "A7\n", MailCommand.CANCEL, 7),
    _command("no-id-words", "ASTRAN-CANCEL", "Please cancel A7.\nThanks\n", MailCommand.CANCEL, 7),
    _command("retry-body", "ASTRAN-RETRY", "id: A7\n", MailCommand.RETRY, 7),
    _command("two-ids", "ASTRAN-CANCEL A7 A8", "", MailCommand.CANCEL, 7, 8),
    _command("two-ids-and", "ASTRAN-CANCEL A7 and A8", "", MailCommand.CANCEL, 7, 8),
    _command("two-ids-body", "ASTRAN-CANCEL", "A7, A8\n", MailCommand.CANCEL, 7, 8),
    _command("one-id", "ASTRAN-STATUS A7", "How is it going?\n", MailCommand.STATUS, 7),
    # what must go on to launch, whatever stands around it
    _launch(
        "greet", "Dear all,\n\nplease analyse the following:\n\n" + CRAB + "\nThank you!\nAlice\n"
    ),
    _launch(
        "affiliation",
        CRAB
        + "\nAlice Astronomer\nUniversity of Somewhere\nRoom 2.114\n80805 Munich, Germany\n+49 89 32354 0\n",
    ),
    _launch("zip", CRAB + "\nBest,\nBob\n\nINFN Padova\nVia Marzolo 8\n35131 Padova\nItaly\n"),
    _launch("reason", "This is for the shift report of Monday.\n\n" + CRAB),
    _launch(
        "atel",
        "We plan an ATel on this flare, so it is rather urgent. Many thanks in advance.\n\n" + CRAB,
    ),
    _launch(
        "telescope-time", CRAB + "\nThe night had good weather and the source was at low zenith.\n"
    ),
    _launch("phone", CRAB + "\nRegards\nM. Rossi\nphone 12345\nmobile +39 333 1234567\n"),
    _launch(
        "legal",
        CRAB
        + "\nThis message is intended only for the addressee. Do not print this mail unless you need to.\n",
    ),
    _launch("hello-run", "Hi, could you run this please?\n" + CRAB + "Thanks for running it!\n"),
    _launch("waiting", CRAB + "\nI am waiting for the result :-)\n"),
    _launch("year", CRAB + "\n(c) 2023 Institute\n"),
)

# written when the others were read right, to see how far that goes
FURTHER_WISHES: tuple[Wish, ...] = (
    _asks("h1", CRAB + "runs 15864 only\n", "15864"),
    _asks("h2", CRAB + "take all runs but 15866\n", "15866"),
    _asks("h3", CRAB + "run list 15864,15865\n", "15864"),
    _asks("h4", CRAB + "obs ids 15864 15865\n", "15864"),
    _asks("h5", CRAB + "g/h cut 0.8\n", "0.8"),
    _asks("h6", CRAB + "gh > 0.8\n", "0.8"),
    _asks("h7", CRAB + "Emin 200 GeV\n", "200"),
    _asks("h8", CRAB + "max zenith 40\n", "40"),
    _asks("h9", CRAB + "without the last run\n", "last run"),
    _asks("h10", CRAB + "not the first run\n", "first run"),
    _asks("h11", CRAB + "lstchain 0.10.11\n", "0.10.11"),
    _asks("h12", CRAB + "start at dl2\n", "dl2"),
    _asks("h13", CRAB + "please keep this for later\n", "later"),
    _asks("h14", CRAB + "don't launch this yet\n", "launch"),
    _asks("h15", CRAB + "start only after 18:00\n", "18:00"),
    _asks("h16", CRAB + "Theta² < 0.02\n", "theta"),
    _asks("h17", CRAB + "tight cuts please\n", "tight cuts"),
    _asks("h18", CRAB + "use the source-dependent analysis\n", "source"),
    _launch("h19", "target: Crab, Mrk 421\ndate: 20231207\n", target=["Crab", "Mrk 421"]),
    _asks("h20", "target: Crab\n- Mrk421\ndate: 20231207\n", "Mrk421"),
    _asks("h21", "target: Crab\ndate: 20231207\n20231208\n", "20231208"),
    _asks("h22", "target: Crab\ndate: 20231207\nand 20231208\n", "20231208"),
    _launch(
        "h23",
        "target: Crab\ndate: 20231206 and 20231207\n",
        date=TWO_NIGHTS,
    ),
    _asks("h24", CRAB + "energy: 0.3 - 5 TeV\n", "energy"),
    _asks("h25", CRAB + "bins per decade = 10\n", "bins"),
    _asks("h26", CRAB + "reflected regions: 5\n", "reflected"),
    _asks("h27", CRAB + "Cc to alice2@institute.example\n", "alice2"),
    _asks("h28", CRAB + "Run: 15864 & maybe 15865\n", "maybe"),
    _asks("h29", CRAB + "runs: 15864 (half of it)\n", "half"),
    _launch("h30", CRAB + "runs: 15864 (good), 15865 (moon)\n", runs=[15864, 15865]),
    _either("h31", CRAB + "runs:\n1) 15864\n2) 15865\n", "1", runs=[15864, 15865]),
    _launch(
        "h32",
        CRAB
        + "\nBest wishes\nAlice\n\nDr Alice Astronomer | IFAE | Edifici Cn, 08193 Bellaterra | +34 93 581 1984\n",
    ),
    _launch(
        "h33", "Hi ASTRAN,\n\nthe weather was fine and we got 5 good runs.\n\n" + CRAB + "\nCiao\n"
    ),
    _launch("h34", CRAB + "\nP.S. great tool!\n"),
    _launch("h35", CRAB + "\nSent from my iPhone 12\n"),
    _launch(
        "h36", CRAB + "\nI will be on shift until 15 December, so write me if anything fails.\n"
    ),
    _launch(
        "h37",
        "Dear colleagues,\nwould you run the analysis below? We saw a hint in the RTA.\n\n"
        + CRAB
        + "\nMany thanks in advance\nT. Nakamura (ICRR)\n",
    ),
    _launch(
        "h38",
        CRAB
        + "\n________________________________\nThis email and any attachments are confidential. If you have received it in error, please delete it and do not process its content.\n",
    ),
    _launch("h39", CRAB + "\nGr\u00fc\u00dfe aus M\u00fcnchen\nK.\n"),
    _launch("h40", CRAB + "\nArigato,\nKenji\n"),
    _launch(
        "h41",
        CRAB
        + "\nINAF - Osservatorio Astronomico di Roma\nVia Frascati 33, 00078 Monte Porzio Catone\n",
    ),
    _launch("h42", CRAB + "\nNo hurry with this one, tomorrow is fine.\n"),
    _launch("h43", CRAB + "\nTel. 12345\n"),
    _asks("h44", "target: Crab\ndate: the 7th\n", "the 7th"),
    _launch("h45", "target: Crab\nnight: the night before last\n", date="2023-12-08"),
    _launch("h46", "target: Crab\ndate: 7 Dic 2023\n"),
    _launch("h47", "target: Crab\ndate: mercoled\u00ec 7 dicembre 2023\n"),
    _launch("h48", "target: Crab\ndate: 7 dec. 2023\n"),
    _launch("h49", "target: Crab\ndate: December 7th, 2023\n"),
    _launch("h50", "target: Crab\nfecha: ayer\n", date="2023-12-09"),
    _puzzled("h51", "ASTRAN-LANUCH Crab", CRAB),
    _puzzled("h52", "Astran-Lauch", CRAB),
    _puzzled("h53", "astran launch request", CRAB),
    _puzzled("h54", "ASTRAN/LAUNCH", CRAB),
    _puzzled("h55", "ASTRAN -LAUNCH", CRAB),
    _puzzled("h56", "ASTRAN—CANCEL A3"),
    _puzzled("h57", _RE, "Please abort, I gave the wrong source\n", answer=True),
    _puzzled("h58", _RE, "any news?\n", answer=True),
    _puzzled("h59", _RE, "Can I have the light curve in 5 min bins\n", answer=True),
    _puzzled("h60", _RE, "Hi, this is not what I wanted.\n", answer=True),
    _puzzled("h61", _RE, "use gammaness 0.8 next time\n", answer=True),
    _puzzled("h62", _RE, "annulla per favore\n", answer=True),
    _puzzled("h63", _RE, "I'd like to see the theta2 plot\n", answer=True),
    _nothing("h64", "Thanks a lot, that was fast :)\n"),
    _nothing("h65", "Perfect.\n"),
    _nothing("h66", "Danke!\n\nViele Gruesse\nK\n"),
    _nothing("h67", "Wow, 27 sigma!\n"),
    _nothing("h68", "Thanks, no need for more.\n"),
    _nothing("h69", "Cool, I will have a look tomorrow.\n"),
    _nothing("h70", "Hi all,\nfyi\nA\n"),
    _command("h71", "ASTRAN-RETRY", "the analysis A7, please\n", MailCommand.RETRY, 7),
    _command("h72", "ASTRAN-CANCEL A7, A8, A9", "", MailCommand.CANCEL, 7, 8, 9),
    _command("h73", "ASTRAN-STATUS of A7", "", MailCommand.STATUS, 7),
    _command("h74", _RE, "STATUS\n", MailCommand.STATUS, 12, answer=True),
    _asks("k1", CRAB + "runs 15864, 15865 and 15866 but not 15867\n", "15867"),
    _asks("k2", CRAB + "use runs 15864-15866\n", "15864"),
    _asks("k3", CRAB + "Please analyse only 15864\n", "15864"),
    _asks("k4", CRAB + "15864 is bad\n", "15864"),
    _asks("k5", CRAB + "run 15864 is bad, leave it out\n", "15864"),
    _asks("k6", CRAB + "15864 - 15870\n", "15864"),
    _asks("k7", CRAB + "runs: 15864 - 15870 (not 15866)\n", "15866"),
    _either(
        "k8",
        CRAB + "theta=0.1deg, gammaness=0.9\n",
        "theta",
        dl3__theta_cut=0.1,
        dl3__gammaness_cut=0.9,
    ),
    _asks("k9", CRAB + "gammaness 90%\n", "90%"),
    _asks("k10", CRAB + "use a looser gammaness cut\n", "gammaness"),
    _asks("k11", CRAB + "threshold 0.2 TeV please\n", "threshold"),
    _asks("k12", CRAB + "in 5 minute bins\n", "bins"),
    _asks("k13", CRAB + "can you also do MAGIC?\n", "MAGIC"),
    _asks("k14", CRAB + "please also analyse 20231208\n", "20231208"),
    _asks("k15", CRAB + "Same for Mrk 421 please\n", "Mrk 421"),
    _asks("k16", CRAB + "also Mrk421\n", "Mrk421"),
    _asks("k17", CRAB + "cuts: tight\n", "tight"),
    _asks("k18", CRAB + "zd < 40\n", "zd < 40"),
    _asks("k19", CRAB + "zd: 0-40\n", "zd"),
    _asks("k20", CRAB + "email: bob@institute.example\n", "bob@institute.example"),
    _asks("k21", CRAB + "start: tomorrow\n", "tomorrow"),
    _asks("k22", CRAB + "comment: leave out run 15865\n", "15865"),
    _asks("k23", CRAB + "Note: exclude 15865\n", "15865"),
    _asks("k24", CRAB + "PS: only run 15864\n", "15864"),
    _asks("k25", CRAB + "\nThanks!\nPS: please skip run 15865\n", "15865"),
    _asks("k26", CRAB + "Runs = all but 15865\n", "15865"),
    _asks("k27", CRAB + "runs: 15864 15865 (both cloudy?)\n", "cloudy"),
    _asks("k28", CRAB + "dl3.theta_cut: 0.1 or 0.2\n", "0.1 or 0.2"),
    _either("k29", CRAB + "dl3.theta_cut: 0.1 (tight)\n", "tight", dl3__theta_cut=0.1),
    _asks("k30", "target: Crab\ndate: 20231207?\n", "20231207?"),
    _launch("k31", "target: Crab\ndate: la nuit derni\u00e8re\n", date="2023-12-09"),
    _launch("k32", "target: Crab\ndate: 7 Dezember 2023\n"),
    _either("k33", "target: Crab\ndate: 7-dic-2023\n", "7-dic-2023"),
    _launch("k34", "target: Crab\ndate: 7 ao\u00fbt 2023\n", date="2023-08-07"),
    _launch("k35", "target: Crab\ndate: 1 maggio 2023\n", date="2023-05-01"),
    _launch("k36", "target: Crab\ndate: 3 wrze\u015bnia 2023\n", date="2023-09-03"),
    _asks("k37", "target: Crab\ndate: last week\n", "last week"),
    _asks("k38", "target: Crab\ndate: Monday\n", "20231204"),
    _launch("k39", CRAB, "Astran-Launch!"),
    _puzzled("k40", "ASTRAN-CANCELL A3"),
    _puzzled("k41", "astran-stat A3"),
    _puzzled("k42", "ASTRAN RETRY A3"),
    _puzzled("k43", "ASTRAN: please launch", CRAB),
    _puzzled("k44", "ASTRAN please cancel A12"),
    _puzzled("k45", "ASTRAN analysis request", CRAB),
    _puzzled("k46", _RE, "stop\n", answer=True),
    _puzzled("k47", _RE, "STOP THIS\n", answer=True),
    _puzzled("k48", _RE, "Is it finished?\n", answer=True),
    _puzzled("k49", _RE, "the date is not right\n", answer=True),
    _puzzled("k50", _RE, "I made a mistake in the target\n", answer=True),
    _puzzled("k51", _RE, "Hello,\n\nthe plots are missing.\n\nAlice\n", answer=True),
    _puzzled("k52", _RE, "forget it\n", answer=True),
    _puzzled("k53", _RE, "kill A12\n", answer=True),
    _nothing("k54", "thx\n"),
    _nothing("k55", "Thank you, received.\nBest wishes\n"),
    _nothing("k56", "Super, vielen Dank!\n"),
    _nothing("k57", "Looks like a nice flare :-)\n"),
    _nothing("k58", "Good night!\n"),
    _nothing("k59", "Thanks. I'll show it in the meeting today.\n"),
    _launch("k60", CRAB + "\nThis is urgent because of the alert of Fermi-LAT (ATel 16381).\n"),
    _launch(
        "k61", CRAB + "\nWith kind regards,\nProf. J. Smith\nOffice 12.034, Building 5\nExt. 4567\n"
    ),
    _launch(
        "k62", "Good morning,\n\nplease run the standard analysis.\n\n" + CRAB + "\nthank you\n"
    ),
    _launch(
        "k63",
        "Dear ASTRAN,\n\n"
        + CRAB
        + "\nYours sincerely\nMaria\n\nIFAE-BIST, Campus UAB\n08193 Bellaterra (Barcelona)\n",
    ),
    _launch("k64", CRAB + "thanks a lot\n"),
    _launch("k65", "Hello\n" + CRAB + "Alice\n"),
    _launch("k66", "Shift 12, crew of Alice and Bob.\n\n" + CRAB),
    _launch("k67", CRAB + "\nGr\u00e0cies!\nJordi\n"),
    _nothing("k68", "ok, great\n"),
    _launch(
        "k69",
        CRAB
        + "\n\n\u5bae\u5d0e \u592a\u90ce\n\u6771\u4eac\u5927\u5b66\u5b87\u5b99\u7dda\u7814\u7a76\u6240\n277-8582 \u67cf\u306e\u8449\n",
    ),
    _launch("k70", CRAB + "\nVirus-free. www.avast.com\n"),
)
