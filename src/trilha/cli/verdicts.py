"""Verdicts for programs: JSON of our own, and SARIF 2.1.0 (OASIS, section 3)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import trilha
from trilha.cli.options import JSON_VERSION

if TYPE_CHECKING:
    from trilha.cli.validate import Checked
    from trilha.prov.constraints import Statement, Violation

__all__ = ["as_json", "as_sarif"]


def as_json(checked: list[Checked]) -> str:
    """All files, whether each is valid, and its violations."""
    content = {"version": JSON_VERSION, "kind": "verdicts", "files": [_file(one) for one in checked]}
    return json.dumps(content, indent=2) + "\n"


def _file(checked: Checked) -> dict[str, Any]:
    shape: dict[str, Any] = {"file": checked.name, "valid": None, "statements": checked.statements}
    if checked.verdict is None:
        return {**shape, "error": checked.error, "violations": []}
    violations = [_violation(one) for one in checked.verdict.violations]
    shape |= {"valid": checked.verdict.valid, "violations": violations}
    if checked.legality is not None:
        faults = [fault._asdict() for fault in checked.legality.faults]
        shape["opm"] = {"legal": bool(checked.legality), "faults": faults}
    if checked.faults is not None:
        told = [
            {**fault._asdict(), "statements": [place + 1 for place in fault.statements]}
            for fault in checked.faults
        ]
        shape["versioned"] = {"valid": not told, "faults": told}
    return shape


def _violation(violation: Violation) -> dict[str, Any]:
    rule = violation.rule
    return {
        "constraint": rule.number,
        "name": rule.name,
        "title": rule.title,
        "url": rule.url,
        "rules": [str(one) for one in violation.rules],
        "message": violation.message,
        "bundle": violation.bundle,
        "statements": [_statement(one) for one in violation.statements],
        "reasons": list(violation.reasons),
    }


def _statement(statement: Statement) -> dict[str, Any]:
    line, column = statement.place or (None, None)
    return {
        "text": statement.text,
        "id": statement.record.id,
        "number": statement.index + 1,
        "line": line,
        "column": column,
    }


def as_sarif(checked: list[Checked]) -> str:
    """One run of the tool: a result for each violation, a notification for each file that cannot be read."""
    found = [
        (one.name, violation)
        for one in checked
        if one.verdict is not None
        for violation in one.verdict.violations
    ]
    broken = [_notification(one) for one in checked if one.verdict is None]
    rules = {violation.rule.name: _rule(violation) for _, violation in found}
    driver = {
        "name": "trilha validate",
        "version": trilha.__version__,
        "informationUri": "https://www.w3.org/TR/prov-constraints/",
        "rules": list(rules.values()),
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": not broken, "toolExecutionNotifications": broken}],
        "results": [_result(name, violation) for name, violation in found],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(violation: Violation) -> dict[str, Any]:
    rule = violation.rule
    return {"id": rule.name, "shortDescription": {"text": rule.title}, "helpUri": rule.url}


def _result(name: str, violation: Violation) -> dict[str, Any]:
    locations = [_location(name, statement) for statement in violation.statements]
    text = "\n".join(
        [violation.message, *(f"{i}. {reason}" for i, reason in enumerate(violation.reasons, 1))]
    )
    return {
        "ruleId": violation.rule.name,
        "level": "error",
        "message": {"text": text},
        "locations": locations[:1],
        "relatedLocations": locations[1:],
    }


def _location(name: str, statement: Statement) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(name)}}
    if statement.place is not None:
        physical["region"] = {"startLine": statement.place[0], "startColumn": statement.place[1]}
    return {"physicalLocation": physical, "message": {"text": statement.text}}


def _notification(checked: Checked) -> dict[str, Any]:
    location = {"physicalLocation": {"artifactLocation": {"uri": _uri(checked.name)}}}
    return {"level": "error", "message": {"text": checked.error}, "locations": [location]}


def _uri(name: str) -> str:
    """A file's name as a URI reference, as SARIF has it; what was read from a pipe has a name of its own."""
    from urllib.parse import quote

    return "stdin" if name == "-" else quote(name)
