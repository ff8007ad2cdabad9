"""What happened: every operation on the store and the queue, and its effect, in order."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Op:
    at: float
    process: str
    what: str  # put, get, receive, extend, delete, engine, fault, life
    where: str  # a key, a receipt, a shard
    effect: str

    def __str__(self) -> str:
        return f"{self.at:10.2f} {self.process:8} {self.what:8} {self.where} {self.effect}".rstrip()


@dataclass
class Log:
    ops: list[Op] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)

    def note(self, at: float, process: str, what: str, where: str, effect: str = "") -> None:
        self.ops.append(Op(at, process, what, where, effect))

    def find(self, code: str, words: str) -> None:
        """Something happened that must not."""
        self.findings.append(f"{code}: {words}")

    def __str__(self) -> str:
        return "\n".join(map(str, self.ops))
