"""Launch texts as people write them, each with the parameters that it must give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Block:
    """What a person wrote, and what it means."""

    name: str
    text: str
    params: dict[str, Any]
    html: str = ""
    """Body of the page where it is no plain list of lines."""
    extra: dict[str, Any] = field(default_factory=dict)


CRAB = {"target": "Crab", "date": "2023-12-07", "runs": None}


def _crab(name: str, text: str, **more: Any) -> Block:
    return Block(name, text, {**CRAB, **{key.replace("__", "."): v for key, v in more.items()}})


BLOCKS: tuple[Block, ...] = (
    _crab("short", "target: Crab\ndate: 20231207\n"),
    _crab("runs", "target: Crab\ndate: 2023-12-07\nruns: 15864, 15865\n", runs=[15864, 15865]),
    _crab("range", "Target: Crab\nDate: 2023/12/07\nRuns: 15864 – 15866\n",
          runs=[15864, 15865, 15866]),
    _crab("yaml-list", "target: Crab\ndate: 20231207\nruns:\n  - 15864\n  - 15865\n",
          runs=[15864, 15865]),
    _crab("inline-list", "target: Crab\ndate: 20231207\nruns: [15864, 15865]\n",
          runs=[15864, 15865]),
    _crab("run-names", "target: Crab\ndate: 20231207\nruns: Run15864, Run15865\n",
          runs=[15864, 15865]),
    _crab("order", "runs: 15864\ndate: 7 Dec 2023\ntarget: Crab\n", runs=[15864]),
    _crab("capitals", "TARGET: Crab\nDATE: 20231207\nDL3.THETA_CUT: 0.2\n", dl3__theta_cut=0.2),
    _crab("no-blank", "target:Crab\ndate:20231207\nruns:15864,15865\n", runs=[15864, 15865]),
    _crab("full-width", "target：Crab\ndate：２０２３１２０７\nruns：１５８６４\n", runs=[15864]),
    _crab("nbsp", "target:\u00a0Crab\ndate\u00a0: 20231207\u00a0\n\u00a0runs: 15864\n",
          runs=[15864]),
    _crab("smart-quotes", "target: “Crab”\ndate: ‘20231207’\n"),
    _crab("bullets", "• target: Crab\n• date: 20231207\n• runs: 15864\n", runs=[15864]),
    _crab("stars", "* target: Crab\n* date: 20231207\n", ),
    _crab("dashes", "- target: Crab\n- date: 20231207\n- dl3.gammaness_cut: 0.8\n",
          dl3__gammaness_cut=0.8),
    _crab("greeting", "Dear ASTRAN team,\n\ncould you please run this for me:\n\ntarget: Crab\n"
          "date: 20231207\n\nMany thanks and best wishes,\nAlice\n"),
    _crab("signature", "target: Crab\ndate: 20231207\n\nCheers,\nAlice\n\n-- \nDr. Alice A.\n"
          "Institute of Gamma Rays\nTel: +34 91 123 45 67\nOffice: 3.14\nWeb: https://i.example/~a\n"),
    _crab("unmarked-signature", "target: Crab\ndate: 20231207\n\nBest regards\n\nDr. Alice A.\n"
          "Group: Gamma rays\nPhone: +49 89 1234\nRoom: 123\nPosition: Postdoc\n"),
    _crab("disclaimer", "target: Crab\ndate: 20231207\n\nDISCLAIMER: This e-mail and any files are "
          "confidential: do not copy.\nAVISO LEGAL: Este mensaje es confidencial.\n"),
    _crab("cuts", "source: Crab\nnight: 20231207\ndl3.theta_cut: 0.14 deg\n"
          "dl3.gammaness_cut: 0.75\nstart: dl3\n", dl3__theta_cut=0.14, dl3__gammaness_cut=0.75,
          start="dl3"),
    Block("alias", "Source name: Crab Nebula\nobservation date: Thu, 7 December 2023\n",
          {**CRAB, "target": "Crab Nebula"}),
    Block("m1", "object = M1\ndate = 07 Dec 2023\n", {**CRAB, "target": "M1"}),
    Block("mrk", "target: Mkn 421\ndate: 20240115\nlstchain: 0.10.4\n",
          {"target": "Mkn 421", "date": "2024-01-15", "runs": None, "lstchain": "0.10.4"}),
    Block("es", "target: 1ES 1959+650\ndate: 2023-08-14\nruns: 14500..14502\n",
          {"target": "1ES 1959+650", "date": "2023-08-14", "runs": [14500, 14501, 14502]}),
    Block("coordinates", "target: My Source\nra: 83.63\ndec: +22.01\ndate: 20231207\n",
          {**CRAB, "target": "My Source", "ra": 83.63, "dec": 22.01}),
    Block("sexagesimal", "target: My Source\nra: 05:34:31.2\ndec: +22:00:36\ndate: 20231207\n",
          {**CRAB, "target": "My Source", "ra": 83.63, "dec": 22.01}),
    _crab("wrapped", "target:\nCrab\ndate:\n20231207\nruns: 15861, 15862, 15863,\n15864, 15865\n",
          runs=[15861, 15862, 15863, 15864, 15865]),
    _crab("comment", "target: Crab   # the nebula\ndate: 20231207\n"),
    Block("standing", "target: Mrk 501\nrepeat: until 2099-12-31\n",
          {"target": "Mrk 501", "repeat": "until 2099-12-31", "runs": None}),
    _crab("accents", "Grüße aus München,\n\ntarget: Crab\ndate: 20231207\n\nViele Grüße\nJürgen\n"),
    _crab("japanese", "こんにちは。\n\ntarget: Crab\ndate: 20231207\n\nよろしくお願いします\n"),
    _crab("russian", "Добрый день!\n\ntarget: Crab\ndate: 20231207\n\nС уважением\n"),
    _crab("chinese", "您好，\n\ntarget：Crab\ndate：20231207\n\n谢谢\n"),
)  # fmt: skip
BY_NAME = {block.name: block for block in BLOCKS}
