"""The stages of one run, in order: each a name, all that goes into it, and what makes it.

A stage's key follows from its inputs alone, and its inputs from keys of stages before it: what a run consists
of, and what of it is cached, is known without making anything.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Faces, Pairs, Progress, silent
from ...facemae.runtime.device import processor
from ...methods.base import Fit, Method, MethodError
from ...reports.result.record import NOT_MEASURED
from ..attacks.base import Attack, NotApplicableError
from ..biometrics.embeddings import embed_all
from ..plan.data import Data
from ..plan.plan import Plan
from ..plan.roles import Role, role_digest
from ..plan.sameness import refuse_same
from ..plugins import name_of, spell
from ..recognition import verification
from ..recognition.judge import Embed, Judge, network_embed
from ..recognition.recognizer import WEIGHTS, Recognizer
from ..store import not_for_sharing
from ..store.store import Store
from . import evidence
from .arithmetic import TRAINS, USUAL, arithmetic, refuse_other
from .stage import Both, Step

_log = logging.getLogger(__name__)
_OTHER_SEED = 1_000_003
"""Added, once or more, to the seed of a recognizer that must not begin with the weights of another."""
NOT_RUN = "not_run.json"
"""What an attack that does not apply leaves in its stage instead of a result: the reason."""


@dataclass
class Steps:
    """Lays out the stages of a plan; nothing is made here, and no network is imported."""

    plan: Plan
    data: Data
    store: Store
    device: str
    method: Method
    attacks: dict[str, Attack]
    all: list[Step] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    """Attacks that do not apply to the method, and why."""
    call_others: Callable[[], None] = lambda: None
    """Called before fitting, where other processes wait to share it."""
    known: dict[Role, NDArray[np.int64]] = field(default_factory=dict)
    """Places of the people of A and H to whom attackers apply the method."""
    both: dict[Role, Both] = field(default_factory=dict)
    others: list[tuple[Judge, Step | None]] = field(default_factory=list)
    """Recognizers of the attacker's beside the judge, and the stages of those that the run trains."""
    precision: str = USUAL
    """In which arithmetic networks are trained."""
    _decoded: dict[str, Pairs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        plan, data = self.plan, self.data
        spelled, judge = spell(self.method), plan.attack.spelled()
        self.precision = arithmetic(self.device, self.store)
        refuse_same(self.method, plan.attack, "attack", data.role("A"), self.store)
        seed = plan.seed if self.method.random else None
        # with the seed of judge or recognizer it would begin with their weights, and guide the method towards them
        taught = self.method.needs_teacher
        teacher = self._recognizer("teacher", plan.teacher, "G", seed=plan.seed + _OTHER_SEED) if taught else None
        teaching = {"teacher": self._key(teacher)} if teacher else {}
        learned = {"method": spelled, "faces": data.ids["G"], "seed": seed, **teaching}
        fit: Step | None = None
        if self.method.learns:
            fit = self._add("fit", learned, "steps", lambda out, progress: self._fit(out, teacher, progress))
        self.fit = fit
        made = {"method": spelled, "fit": self._key(fit), "faces": data.ids["P"], "seed": seed}
        self.release = self._add("release", {**made, "encoding": plan.encoding}, "faces", self._release)
        trained = {
            "release": self._key(self.release),
            "recognizer": spell(plan.recognizer),
            "seed": plan.seed,
        }
        self.train = self._add("train", trained, "steps", self._train)
        own = self._recognizer("judge", plan.judge, "A") if plan.attack.embedder is None else None
        self.own_judge = own
        self._judge = {**judge, "weights": self._key(own)}
        key: dict[str, Any]
        for name, pairs in data.pair_fingerprints.items():  # both looks at a set in a row: it is decoded once
            key = {"weights": self._key(self.train), "pairs": pairs, "layout": verification.LAYOUT}
            self._add(f"verify/{name}", key, "faces", self._verifier(name, judge=False))
            key = {"judge": self._judge, "pairs": pairs, "layout": verification.LAYOUT}
            self._add(f"clear/{name}", key, "faces", self._verifier(name, judge=True))
        if plan.identification:
            key = {"weights": self._key(self.train), "faces": data.ids["H"], "seed": plan.seed}
            self._add("identify", key, "faces", self._identify)
        seen = {"judge": self._judge}
        self.original = self._add("embed/original", {**seen, "faces": data.ids["P"]}, "faces",
                                  lambda out, progress: self._embed(data.role("P"), out, progress))  # fmt: skip
        self.private = self._add("embed/private", {**seen, "release": self._key(self.release)}, "faces",
                                 lambda out, progress: self._embed(self._released(), out, progress))  # fmt: skip
        asked: dict[str, Attack] = {}
        for name, attack in self.attacks.items():
            reason = attack.inapplicable(sourced=self.method.sourced)
            if reason:
                self.not_run[name] = reason
            else:
                asked[name] = attack
        self._add_both("A", seed, needed=any(attack.adaptive for attack in asked.values()))
        self._add_both("H", seed, needed=any(attack.control for attack in asked.values()))
        if any(attack.several for attack in asked.values()):
            self._add_others()
        for name, attack in asked.items():
            key = {
                "attack": spell(attack), "judge": self._judge, "release": self._key(self.release),
                "faces": data.ids, "fit": self._key(fit), "seed": plan.seed,
            }  # fmt: skip
            if attack.control or attack.adaptive:
                key["known"] = {role: role_digest(places) for role, places in self.known.items()}
            if attack.adaptive:
                key["learner"] = spell(plan.judge)
            if attack.several:
                key["others"] = [[other.spelled(), self._key(step)] for other, step in self.others]
            self._add(f"attack/{name}", key, attack.unit, self._attacker(attack))
        refuse_other(self.all, self.store, self.precision)

    def _add_both(self, role: Role, seed: int | None, *, needed: bool) -> None:
        """The stages that show an attacker the people of A or H both ways."""
        labels, places = self.data.faces.labels, self.data.places[role]
        self.known[role] = places = evidence.draw(labels, places, self.plan.known_faces, seed=self.plan.seed)
        if not needed or not len(places):
            return
        word = {"A": "attacker", "H": "holdout"}[role]
        faces = [self.data.fingerprint, role_digest(places)]
        made = {"method": spell(self.method), "fit": self._key(self.fit), "faces": faces, "seed": seed}
        apply = self._add(f"apply/{word}", {**made, "encoding": self.plan.encoding}, "faces",
                          lambda out, progress: evidence.apply(self, places, out, progress))  # fmt: skip
        original = self._add(
            f"embed/{word}",
            {"judge": self._judge, "faces": faces},
            "faces",
            lambda out, progress: self._embed(evidence.faces_at(self, places), out, progress),
        )
        private = self._add(f"embed/{word}-private", {"judge": self._judge, "release": self._key(apply)}, "faces",
                            lambda out, progress: self._embed_applied(apply, out, progress))  # fmt: skip
        self.both[role] = Both(apply, original, private)

    def _embed_applied(self, apply: Step, out: Path, progress: Progress) -> None:
        folder = self.path(apply)
        if not (folder / evidence.REFUSED).is_file():
            self._embed(evidence.pack(folder), out, progress)

    def _add_others(self) -> None:
        """The attacker's other recognizers: those of the plan, or else one that the run trains."""
        for number, other in enumerate(self.plan.judges or (Judge(flip=self.plan.attack.flip),), 2):
            step = None
            if other.embedder is None:
                if len(np.unique(self.data.faces.labels[self.data.places["A"]])) < 2:
                    continue  # nobody to train it on
                # of another seed than the judge, where that is trained by the run, too
                step = self._recognizer(
                    f"judge-{number}", self.plan.judge, "A", seed=self.plan.seed + number * _OTHER_SEED
                )
            refuse_same(self.method, other, f"judges.{number - 2}", self.data.role("A"), self.store)
            self.others.append((other, step))

    def path(self, step: Step) -> Path:
        """Where a stage is or will be."""
        return self.store.path(step.name, step.inputs)

    def forget(self) -> None:
        """Let go of decoded pairs: half a gigabyte of them, and other runs come after this one."""
        self._decoded.clear()

    def named(self, group: str) -> dict[str, Step]:
        """The stages of a group, such as `verify`, by the part of their name behind it."""
        prefix = group + "/"
        return {step.name.removeprefix(prefix): step for step in self.all if step.name.startswith(prefix)}

    def _add(self, name: str, inputs: Mapping[str, Any], unit: str, make: Callable[[Path, Progress], None]) -> Step:
        if unit == TRAINS and self.precision != USUAL:
            inputs = {**inputs, "precision": self.precision}
        self.all.append(Step(name, inputs, unit, make))
        return self.all[-1]

    def _key(self, step: Step | None) -> str | None:
        return self.store.key(step.name, step.inputs) if step else None

    def spelled_method(self) -> dict[str, Any]:
        """The method as records spell it out: with the recipe of its teacher, where the run trains one."""
        taught = {"teacher": spell(self.plan.teacher)} if self.method.needs_teacher else {}
        return {**spell(self.method), **taught}

    def _recognizer(self, name: str, how: Recognizer, role: Role, *, seed: int | None = None) -> Step:
        """A recognizer that the run trains on originals, for the method or for the attacker."""
        from ..recognition.recognizer import train

        seed = self.plan.seed if seed is None else seed
        inputs = {"faces": self.data.ids[role], "recognizer": spell(how), "seed": seed}

        def make(out: Path, progress: Progress) -> None:
            train(self.data.role(role), out, how, seed=seed, device=processor(self.device), progress=progress)

        return self._add(name, inputs, "steps", make)

    def _fit(self, out: Path, teacher: Step | None, progress: Progress) -> None:
        weights = self.path(teacher) / WEIGHTS if teacher else None
        if self.method.shared:
            self.call_others()
        scratch = self.store.scratch(self.fit.name, self.fit.inputs) if self.fit else None
        device = processor(self.device)
        how = Fit(seed=self.plan.seed, device=device, teacher=weights, progress=progress, scratch=scratch)
        self.method.fit(self.data.role("G"), out, how)

    def fit_along(self, out: Path) -> None:
        """Fit in another process than the one that makes the stage, and with it."""
        teacher = next((step for step in self.all if step.name == "teacher"), None)
        self.call_others = lambda: None
        self._fit(out, teacher, silent)

    def fitted(self) -> Path:
        """What the method was fitted into; empty where it learns nothing."""
        return self.path(self.fit) if self.fit else Path()

    def _release(self, out: Path, progress: Progress) -> None:
        from ...facemae.runtime.randomness import key_of_seed
        from ...methods.parts.private_pack import release

        release(
            self.method, name_of(self.method, Method), spell(self.method)["parameters"], self.fitted(),
            self.data.role("P"), self.data.places["P"], out,
            key=key_of_seed(self.plan.seed, "release"), device=processor(self.device), encoding=self.plan.encoding,
            progress=progress,
        )  # fmt: skip
        not_for_sharing.warn(out)

    def _released(self) -> Faces:
        return evidence.pack(self.path(self.release))

    def _train(self, out: Path, progress: Progress) -> None:
        from ..recognition.recognizer import train

        how, seed = self.plan.recognizer, self.plan.seed
        train(self._released(), out, how, seed=seed, device=processor(self.device), progress=progress)

    def _verifier(self, name: str, *, judge: bool) -> Callable[[Path, Progress], None]:
        def make(out: Path, progress: Progress) -> None:
            embed = (
                self.open_judge()
                if judge
                else network_embed(self.path(self.train) / WEIGHTS, device=processor(self.device))
            )
            verification.verify(embed, self._pairs(name), out, progress=progress)

        return make

    def _identify(self, out: Path, progress: Progress) -> None:
        from ..recognition.identification import identify

        embed = network_embed(self.path(self.train) / WEIGHTS, device=processor(self.device))
        identify(embed, self.data.role("H"), out, seed=self.plan.seed, progress=progress)

    def _pairs(self, name: str) -> Pairs:
        """A verification set, decoded; the last one is kept."""
        if name not in self._decoded:
            self._decoded.clear()
            self._decoded[name] = self.data.pairs[name].open()
        return self._decoded[name]

    def open_judge(self) -> Embed:
        """The judge, live."""
        return self._open(self.plan.attack, self.own_judge)

    def try_judges(self) -> None:
        """Open the judges that are files, so that what is wrong with one is told before hours are spent.

        Raises:
            WeightsError: one cannot be used.
        """
        for judge in (self.plan.attack, *self.plan.judges):
            if judge.embedder is not None:
                judge.open(None, device=processor(self.device))

    def open_other(self, number: int) -> Embed:
        """One of the attacker's other recognizers, live."""
        return self._open(*self.others[number])

    def _open(self, judge: Judge, trained: Step | None) -> Embed:
        weights = self.path(trained) / WEIGHTS if trained else None
        return judge.open(weights, device=processor(self.device))

    def _embed(self, faces: Faces, out: Path, progress: Progress) -> None:
        seen = embed_all(self.open_judge(), faces, progress=progress)
        np.save(out / "vectors.npy", seen.vectors)
        np.save(out / "identity.npy", seen.identity)

    def reason_not_run(self, name: str) -> str:
        """Why an attack whose stage was made found that it does not apply; empty where it was run."""
        kept = self.path(self.named("attack")[name]) / NOT_RUN
        return str(json.loads(kept.read_text(encoding="utf-8"))) if kept.is_file() else ""

    def _attacker(self, attack: Attack) -> Callable[[Path, Progress], None]:
        def make(out: Path, progress: Progress) -> None:
            try:
                attack.run(evidence.gather(self, attack, progress), out)
            except (NotApplicableError, MethodError) as error:  # kept: the next run shall not have to find out again
                reason = str(error)
                if isinstance(error, MethodError):  # its words may name a file or a person
                    reason = f"{NOT_MEASURED}: the method failed when the attacker applied it; --force attack says how"
                    _log.warning("the method was applied by the attacker, and failed: %s", error)
                for left in out.iterdir():
                    left.unlink()
                (out / NOT_RUN).write_text(json.dumps(reason), encoding="utf-8")

        return make
