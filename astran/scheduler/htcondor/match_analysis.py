"""Reading `condor_q -better-analyze`: can any machine ever run this job?"""

from __future__ import annotations

import re

_MACHINES = re.compile(r"Of (\d{1,9}) machines")
_REFUSED = re.compile(r"\s*(\d{1,9}) (?:are|is) rejected by your job's requirements")
_RELUCTANT = re.compile(r"\s*(\d{1,9}) rejects? your job because of their own requirements")
_NONE_MATCHED = re.compile(r"\[\d{1,4}\] {1,40}0  (\S.*)")


def read_analysis(text: str) -> str:
    """Why no machine of the pool can run the job, as a sentence with the words of HTCondor; empty
    where one can, or where the answer does not say so."""
    machines = refused = reluctant = None
    conditions: list[str] = []
    for line in text.splitlines():
        if match := _MACHINES.search(line):
            machines = int(match[1])
        elif match := _REFUSED.match(line):
            refused = int(match[1])
        elif match := _RELUCTANT.match(line):
            reluctant = int(match[1])
        elif match := _NONE_MATCHED.match(line):
            conditions.append(" ".join(match[1].split()))
    if machines is None or refused is None or refused + (reluctant or 0) < machines:
        return ""
    said = f"of {machines} machines, {refused} are rejected by the job's requirements"
    if reluctant:
        said += f", {reluctant} reject the job because of their own requirements"
    failing = "; none matches " + ", ".join(conditions) if conditions else ""
    return f"It can never start: {said}{failing}."[:400]
