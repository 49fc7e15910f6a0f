"""A gate as JUnit XML, with the fields that GitHub's actions, GitLab and Jenkins read."""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from undertone.reading.hostile import one_line
from undertone.report.gate import NO_VERDICT, Check, Gate


def to_junit(gate: Gate) -> str:
    """A test suite with a test case for the verdict and one for each check.

    A check that fails is a failure. A verdict that does not pass because it is none is an error; all else that is not
    decided is skipped, never passed.
    """
    cases = [gate.verdict, *gate.checks]
    suites = Element("testsuites", name="undertone")
    suite = SubElement(suites, "testsuite", name=f"undertone {gate.verb}")
    made = [_case(suite, gate, check) for check in cases]
    counts = {kind: str(made.count(kind)) for kind in ("failure", "error", "skipped")}
    for element in (suites, suite):
        element.attrib |= {
            "tests": str(len(cases)),
            "failures": counts["failure"],
            "errors": counts["error"],
            "time": f"{gate.seconds:.3f}",
        }
    suite.set("skipped", counts["skipped"])
    SubElement(suite, "system-out").text = one_line(gate.line)
    indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(suites).decode()}\n'


def _case(suite: Element, gate: Gate, check: Check) -> str:
    """Adds a test case, and returns what it says of the check; empty if it passed."""
    whole = check is gate.verdict
    case = SubElement(
        suite,
        "testcase",
        classname=one_line(gate.subject),
        name=one_line(check.name),
        file=one_line(gate.subject),
        time=f"{gate.seconds if whole else 0:.3f}",
    )
    if check.outcome == "passed":
        return ""
    stops = whole and gate.code == NO_VERDICT
    kind = "failure" if check.outcome == "failed" else "error" if stops else "skipped"
    sentence = one_line(check.sentence)  # also leaves out what XML forbids
    SubElement(case, kind, type=check.rule, message=sentence).text = sentence
    return kind
