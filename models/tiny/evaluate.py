"""The evaluation: every behaviour, asked through the real engine in wordings the training text does not hold.

    python -m models.tiny.evaluate --gguf FILE [--json scores.json]

Greedy, each question once with thinking off and once with it on. Exits with status 1 when fewer than 95 % are
right over all or fewer than 90 % for any behaviour.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.tiny import generate, memory, middle, questions, skills, talk, toolbox
from models.tiny.engine import Engine, running
from models.tiny.questions import Case

OVER_ALL = 0.95
EACH = 0.90
TEXTS_SEARCHED = 20000
_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


def bare(text: str) -> str:
    """Wording without case, marks or what fills the gaps."""
    text = re.sub(r"\{[^}]*\}", " gap ", text.lower())
    return " ".join(re.sub(r"[^\w\s]", " ", text, flags=re.UNICODE).split())


def training_patterns() -> set[str]:
    """Every pattern the generator has, bare."""
    found: set[str] = set()
    for _, ways in (*talk.ENGLISH, *talk.JAPANESE):
        found.update(ways)
    for listed in (
        talk.IDENTITY_ASKED, talk.IDENTITY_ASKED_JA, talk.NAME_ASKED, talk.NAME_ASKED_JA, talk.UNKNOWN_ASKED,
        talk.NAMING_SYSTEMS, talk.SHOUTING_SYSTEMS, skills.CAPITAL_ASKED, skills.SUM_ASKED,
        skills.REPEAT_ASKED,
        skills.COUNT_ASKED, skills.COUNT_ASKED_SHORT, skills.JSON_ASKED, memory.FRAMES,
    ):  # fmt: skip
        found.update(listed)
    for kept in (memory.NAME, *memory.KEPT):
        found.update((*kept.told, *kept.asked))
    for relation in memory.RELATIONS:
        found.update(relation.asked)
    for subject in toolbox.SUBJECTS:
        found.update(subject.asked)
    return {bare(pattern) for pattern in found}


def check_wording(asked: list[Case]) -> None:
    """Refuse to score when a question's wording, or its whole text, is one that training used."""
    patterns = training_patterns()
    known = {bare(text) for text in _training_turns()}
    for case in asked:
        for phrase in case.phrases:
            if bare(phrase) in patterns:
                raise SystemExit(f"{case.behaviour}: {phrase!r} is a training pattern")
        turns = [message["content"] for message in case.messages if message["role"] == "user"]
        if turns and bare(turns[-1]) in known:
            raise SystemExit(f"{case.behaviour}: {turns[-1]!r} stands in the training text")
        if case.hole and case.hole.before in _function_heads():
            raise SystemExit(f"{case.hole.before!r} stands in the training text")


def _training_turns() -> set[str]:
    turn = re.compile(r"<\|im_start\|>user\n(.*?)(?:\n\nTools:\n.*?)?<\|im_end\|>", re.DOTALL)
    return {found for text in generate.texts(-1, TEXTS_SEARCHED) for found in turn.findall(text)}


def _function_heads() -> set[str]:
    """Heads of functions that training could write with its listed arguments."""
    heads = set[str]()
    for names, text in middle.FUNCTIONS:
        for name in names:
            head = text.partition("\n")[0]
            heads.update(
                head.format(f=name, a=a, b=b) for a in middle.ARGUMENTS[:4] for b in middle.ARGUMENTS[:4]
            )
    return heads


@dataclass(frozen=True)
class Answer:
    """What the model wrote, taken apart."""

    thought: str | None
    text: str

    @classmethod
    def of(cls, written: str, thinking: bool) -> Answer:
        if not thinking:
            return cls(None, written)
        thought, ended, text = written.partition("</think>")
        return cls(thought, text) if ended else cls(thought, "")


def right(case: Case, answer: Answer) -> bool:
    """Whether the answer is one of those the case allows, thought included."""
    if answer.thought is not None:
        wanted = case.thought
        if wanted is None and answer.thought.strip():
            return False
        if wanted is not None and not (answer.thought.endswith(wanted) and len(answer.thought) > len(wanted)):
            return False
    if case.call is not None:
        return called(answer.text) == [case.call]
    if case.value is not None:
        return _parsed(answer.text) == case.value
    if case.equals:
        return answer.text in case.equals
    return all(piece in answer.text for piece in case.holds)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def called(text: str) -> list[Any]:
    return [_parsed(inner) for inner in _CALL.findall(text)]


def put(engine: Engine, case: Case, thinking: bool) -> Answer:
    if case.hole is not None:
        prompt = case.hole.prompt()
    else:
        prompt = engine.render(case.messages, case.tools, thinking)
    reply = engine.complete(prompt)
    return Answer.of(str(reply["content"]), thinking and case.hole is None)


def run(engine: Engine, asked: list[Case], show: bool) -> dict[str, dict[str, list[int]]]:
    """Right answers and questions, by behaviour and mode."""
    scores: dict[str, dict[str, list[int]]] = defaultdict(lambda: {"plain": [0, 0], "thinking": [0, 0]})
    for case in asked:
        for mode in ("plain", "thinking"):
            if case.hole is not None and mode == "thinking":
                continue
            answer = put(engine, case, mode == "thinking")
            good = right(case, answer)
            scores[case.behaviour][mode][0] += good
            scores[case.behaviour][mode][1] += 1
            if show and not good:
                said = case.messages[-1]["content"] if case.messages else case.hole
                wanted = case.equals or case.holds or case.call or case.value
                print(f"- {case.behaviour}, {mode}: {said!r}")
                print(f"    {answer.text!r} ({answer.thought!r})\n    wanted {wanted!r}")
    return dict(scores)


def summary(scores: dict[str, dict[str, list[int]]]) -> dict[str, Any]:
    """Shares by behaviour and over all, and whether they suffice."""
    table: dict[str, Any] = {}
    total = [0, 0]
    for behaviour, modes in scores.items():
        good, count = (sum(mode[spot] for mode in modes.values()) for spot in (0, 1))
        total = [total[0] + good, total[1] + count]
        table[behaviour] = {
            "share": good / count,
            **{mode: counts for mode, counts in modes.items() if counts[1]},
        }
    share = total[0] / total[1]
    lowest = min(entry["share"] for entry in table.values())
    return {
        "over_all": share, "right": total[0], "asked": total[1],
        "enough": share >= OVER_ALL and lowest >= EACH,
        "behaviours": table,
    }  # fmt: skip


def told(result: dict[str, Any]) -> str:
    lines = [f"{'behaviour':36} {'plain':>9} {'thinking':>9} {'share':>8}"]
    for behaviour, entry in result["behaviours"].items():
        cells = ["/".join(map(str, entry[mode])) if mode in entry else "" for mode in ("plain", "thinking")]
        lines.append(f"{behaviour:36} {cells[0]:>9} {cells[1]:>9} {entry['share']:8.1%}")
    lines.append(
        f"{'over all':36} {result['right']:>9} {'of ' + str(result['asked']):>9} {result['over_all']:8.1%}"
    )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="score a model on every behaviour")
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="where to keep the scores")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="behaviours whose name contains this")
    parser.add_argument("--wrong", action="store_true", help="show the wrong answers")
    options = parser.parse_args()
    asked = [case for case in questions.cases() if not options.only or options.only in case.behaviour]
    check_wording(asked)
    with running(options.gguf, options.threads) as engine:
        result = summary(run(engine, asked, options.wrong))
    print(told(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    raise SystemExit(0 if result["enough"] else 1)


if __name__ == "__main__":
    main()
