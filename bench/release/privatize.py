"""What `bench privatize` does: a dataset in, a private dataset out, whole or not at all.

Shards are kept in a folder beside the output until all are there. So a command that was killed goes on where it was,
processes and machines share the work, and what comes out depends on none of this.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ...datasets.synthetic import SyntheticFaces
from ...facemae.runtime.device import processor
from ...reports.result import record as results
from ..plan.fitted import of_file, refuse_originals, same_people
from ..plan.plan import plan
from ..terminal.progress import Display
from . import join, secret, shards
from .dataset_card import README, About, text
from .fitted_method import Chosen, choose
from .job import DeployError, Job, Slice
from .originals import Originals, find
from .workspace import Workplace

if TYPE_CHECKING:
    from ...methods.base import PrivateFaces

_MOST = 10**7
"""Of workers, and of faces a shard."""


def privatize(args: argparse.Namespace) -> str:
    """Make a dataset private, or some shards of it; gives what to tell the user.

    Raises:
        DeployError: the output is taken, its place cannot be written, or shards there are another command's.
        MethodError, PluginError, UnknownPlugin: the method cannot be used as it was asked for.
        DataError: the dataset is missing, empty or damaged.
        RecordError: the record cannot be read.
    """
    display = Display(quiet=args.quiet)
    part = Slice.parse(args.shards)
    _refuse_bad_options(args)
    entry = plan(method=args.method, dataset=args.dataset, settings=args.set, resize=args.resize)
    given = {} if isinstance(entry.method, str) else {key: entry.method[key] for key in entry.method if key != "use"}
    chosen = choose(args.method, given, args.fitted, args.store)
    record = _record(args.record, chosen) if args.record else None
    place = Workplace(args.out, part, links=not args.no_links)
    originals = find(entry.dataset, args.data, entry.synthetic, resize=entry.resize)
    place.refuse_others(originals.root)
    with place.clear_errors():
        bad = place.scanned(originals.fingerprint)
        if bad is None or not all(0 <= face < len(originals.faces) for face in bad):
            bad = originals.scan(display)
        originals.refuse_damaged(bad, skip=args.skip_bad)
        refuse_originals(chosen.method, originals.faces, originals.fingerprint)
        device = processor(args.device).type  # told before a key is drawn
        key = secret.read(args.key) if args.key else place.secret()
        job = Job(
            method=chosen.name,
            spec=chosen.spec,
            fitted=chosen.content,
            faces=originals.fingerprint,
            skipped=len(bad),
            secret=secret.identifier(key),
            device=device,
            encoding=args.encoding,
            shard_size=args.shard_size,
        )
        release = job.release_key(args.to, record.name if record else None)
        if place.is_finished(release):
            place.clear()
            return f"{args.out} is there already, made by the same command; nothing to do\n"
        with place.held(job, bad):
            task = shards.Task(
                source=originals.source,
                places=originals.places(bad),
                method=chosen.method,
                fitted=place.fitted(chosen.fitted),
                secret=secret.of_release(key, job),
                device=job.device,
                encoding=job.encoding,
                folder=place.folder,
                key=job.key,
                size=job.shard_size,
                tag=part.tag,
            )
            private, count, missing = _make(task, part, args.workers, display)
            if not chosen.method.complete and (lost := len(task.places) - len(private)):
                display.warn(f"warning: the method made no private face of {lost:,} originals; the release lacks them")
            if part.of > 1:
                return _told_of_part(part, place, count, missing, None if args.key else place.drawn)
            whole = join.arrange([task.read(private, number) for number in range(count)], key)
            about = About(
                title=args.out.name,
                chosen=chosen,
                images=len(whole.labels),
                identities=whole.identities,
                skipped=len(bad),
                most_images=whole.most_images,
                encoding=job.encoding,
                layout=args.to,
                terms=originals.terms,
                record=record,
                **_about_people(chosen, originals),
            )
            _join(whole, place, about, release, display, drawn=args.key is None)
        place.clear()
    return _told(whole, args, place)


def _about_people(chosen: Chosen, originals: Originals) -> dict[str, bool]:
    """What the card has to tell of whom the method was fitted on, and of whom this is."""
    drawn = isinstance(originals.faces, SyntheticFaces)
    people = of_file(chosen.fitted) if chosen.fitted else None
    if people is None:
        return {"drawn": drawn}
    same = same_people(people, originals.faces, originals.fingerprint)
    return {"drawn": drawn, "same_people": same, "fitted_on_drawn": people.drawn is not None and not drawn}


def _refuse_bad_options(args: argparse.Namespace) -> None:
    for name in ("shard_size", "workers"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise DeployError(f"--{name.replace('_', '-')}: expected 1 or more, got {value}")
        if value is not None and value > _MOST:
            raise DeployError(f"--{name.replace('_', '-')}: expected at most {_MOST:,}, got {value}")
    if args.seed is not None:
        raise DeployError(
            "--seed: a release has no seed, since whoever knows it can undo the release: its randomness comes from a "
            "secret key of its own, drawn from the operating system; leave --seed out, or name a key's file with --key"
        )
    for setting in args.set:
        if not setting.startswith(("method.", "dataset.", "synthetic.")):
            raise DeployError(f"--set {setting}: expected method.PARAMETER=VALUE or dataset.PARAMETER=VALUE")


def _record(path: Path, chosen: Chosen) -> results.RunRecord:
    """The record whose numbers the card shows.

    Raises:
        DeployError: it measured another method, other parameters, or another fit.
        RecordError: it cannot be read.
    """
    record = results.read(path)
    # a fit does not say how its teacher was trained; what it was made from is compared below
    own = {key: value for key, value in record.method_spec.items() if key != "teacher"}
    if record.method != chosen.name or own != results.plain(chosen.spec):
        spec = {**results.parameters(own), "version": record.method_spec.get("version")}
        ours = {**results.plain(chosen.spec["parameters"]), "version": chosen.spec["version"]}
        other = sorted(key for key in {*spec, *ours} if spec.get(key) != ours.get(key))
        raise DeployError(
            f"--record {path}: expected a run of {chosen.name} as it is used here, got {record.method}"
            + (f" with other {', '.join(other)}" if record.method == chosen.name else "")
            + "; numbers of another method say nothing of this release: name its record, or leave --record out"
        )
    fit = next((stage.key for stage in record.stages if stage.name == "fit"), None)
    if chosen.stage is not None and fit != chosen.stage:
        raise DeployError(
            f"--record {path}: expected the record of the fit {chosen.stage} that --fitted names, got that of {fit}"
        )
    return record


def _make(task: shards.Task, part: Slice, workers: int | None, display: Display) -> tuple[PrivateFaces, int, int]:
    """Make the shards of a part that are not there; gives the set, how many there are, and how many are missing."""
    from . import workers as processes

    with processes.one_thread():
        private = task.open()
        if not len(private):
            raise DeployError(f"{type(task.method).__name__.lower()}: expected at least one private face, got none")
        count = -(-len(private) // task.size)
        missing = [number for number in range(count) if not shards.is_made(task.folder, number, task.key)]
        todo = [number for number in missing if number % part.of == part.index]
        if len(missing) < count:
            display.note(f"{count - len(missing):,} of {count:,} shards are there already")
        if todo:
            faces = sum(min(len(private) - number * task.size, task.size) for number in todo)
            most = min(len(todo), workers or processes.usable(task.device))
            with display.stage("privatize", "faces") as progress:
                processes.make(task, private, todo, workers=most, faces=faces, progress=progress, note=display.note)
    return private, count, len(missing) - len(todo)


def _join(whole: join.Whole, place: Workplace, about: About, release: str, display: Display, *, drawn: bool) -> None:
    out, links = place.empty()
    with display.stage("join", "faces") as progress:
        spec = about.chosen.spec["parameters"]
        notes = {Workplace.MARK: release}
        join.write(whole, out, links, about.layout, about.chosen.name, spec, notes, progress)
    (out / README).write_text(text(about), encoding="utf-8")
    place.publish(out, links, drawn=drawn)


def _told_of_part(part: Slice, place: Workplace, count: int, missing: int, own_key: Path | None) -> str:
    if not missing:
        return f"all {count:,} shards are in {place.folder}; the same command without --shards joins them\n"
    return (
        f"part {part.index + 1} of {part.of} is in {place.folder}; {missing:,} of {count:,} shards are missing there. "
        "Make the other parts, bring their files into this folder, and join with the same command without --shards\n"
        + (f"on another machine give them the same key: a copy of {own_key}, with --key\n" if own_key else "")
    )


def _told(whole: join.Whole, args: argparse.Namespace, place: Workplace) -> str:
    lines = [f"{len(whole.labels):,} private faces of {whole.identities:,} people written to {args.out}"]
    if place.links is not None:
        lines.append(f"{place.links} says which original each was made from: keep it to yourself")
    if args.key is None and place.links is not None:
        lines.append(
            f"{place.key} is the secret of its randomness: whoever has it can undo the release; keep it to yourself"
        )
    elif args.key is None:
        lines.append(
            "the secret key of its randomness was deleted here; copies of it, on other machines, are yours to delete"
        )
    if args.record is None:
        lines.append("its README.md says that nothing was measured; --record FILE shows what `bench run` measured")
    return "\n".join(lines) + "\n"
