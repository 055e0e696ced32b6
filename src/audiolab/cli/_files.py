"""Stages on plain files, without a library."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from audiolab.cli._app import JsonOption, app, bar, echo, print_json
from audiolab.errors import AudiolabError, ParameterError

__all__ = ["params_from"]

Files = Annotated[list[Path], typer.Argument(help="Audio files.", show_default=False)]
To = Annotated[Path | None, typer.Option("--to", help="Folder to write to.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", "-s", metavar="NAME=VALUE", help="Any other parameter of the stage.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files of the same name.")]
Downmix = Annotated[bool, typer.Option("--downmix", help="Mix files of more than two channels to stereo.")]


def params_from(pairs: list[str] | None, **options: Any) -> dict[str, Any]:
    import yaml

    params = {name: value for name, value in options.items() if value is not None}
    for pair in pairs or []:
        name, sign, value = pair.partition("=")
        if not sign:
            raise ParameterError(f"--set takes NAME=VALUE, not {pair!r}")
        params[name.strip()] = yaml.safe_load(value)
    return params


def _each(
    files: list[Path], work: Callable[[Path, Any], Any], show: Callable[[Any], str], label: str, *, as_json: bool
) -> None:
    """Do one thing to each file; a bad file is reported and the others go on."""
    documents: list[Any] = []
    failed = 0
    for file in files:
        try:
            with bar(f"{label} {file.name}", quiet=as_json) as progress:
                document = work(file, progress)
        except ParameterError:
            raise
        except AudiolabError as error:
            failed += 1
            typer.echo(f"audiolab: {error}", err=True)
            documents.append({"path": str(file), "error": str(error)})
            continue
        documents.append(document)
        if not as_json:
            echo(show(document))
    if as_json:
        print_json(documents[0] if len(documents) == 1 else documents)
    if failed:
        raise typer.Exit(1)


@app.command()
def separate(
    files: Files,
    to: To = None,
    engine: Annotated[str | None, typer.Option(help="auto, spectral or demucs.")] = None,
    model: Annotated[str | None, typer.Option(help="Weights of the engine demucs, e.g. htdemucs.")] = None,
    preset: Annotated[str | None, typer.Option(help="fast, default or best (slower).")] = None,
    two_stems: Annotated[str | None, typer.Option(help="Only this stem and the rest, e.g. vocals.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")] = None,
    dtype: Annotated[str | None, typer.Option(help="auto, float32 or bfloat16.")] = None,
    downmix: Downmix = False,
    overwrite: Overwrite = False,
    sets: Sets = None,
    as_json: JsonOption = False,
) -> None:
    """Separate songs into stems that add up to the song again."""
    from audiolab.stages import separate as run

    params = params_from(
        sets,
        engine=engine,
        model=model,
        preset=preset,
        two_stems=two_stems,
        device=device,
        dtype=dtype,
        downmix=downmix or None,
    )
    target = to or Path.cwd()

    def work(file: Path, progress: Any) -> Any:
        found = run(file, to=target, overwrite=overwrite, progress=progress, **params)
        for note in found.notes:
            typer.echo(f"audiolab: {note}", err=True)
        return found.to_dict()

    def show(document: Any) -> str:
        lines = [f"{document['path']}: engine {document['engine']}, null {document['null_db']:.0f} dB"]
        lines += [f"  {name:12} {stem['path']}" for name, stem in document["stems"].items()]
        return "\n".join(lines)

    _each(files, work, show, "separate", as_json=as_json)


@app.command(name="slice")
def slice_(
    files: Files,
    to: To = None,
    mode: Annotated[str | None, typer.Option(help="onsets, beats, bars, grid, loops, equal, phrases or words.")] = None,
    sensitivity: Annotated[float | None, typer.Option(min=0, max=1, help="onsets: 0 few cuts, 1 many.")] = None,
    bpm: Annotated[float | None, typer.Option(help="beats, bars, grid, loops: the tempo; default: found.")] = None,
    division: Annotated[str | None, typer.Option(help="grid: 1/8, 1/16, 1/8t (triplet), 1/8d (dotted).")] = None,
    bars: Annotated[int | None, typer.Option(help="bars, loops: bars in a cut.")] = None,
    parts: Annotated[int | None, typer.Option(help="equal: number of parts.")] = None,
    lyrics: Annotated[Path | None, typer.Option(help="words: what `audiolab lyrics --json` printed.")] = None,
    snap: Annotated[bool, typer.Option("--snap", help="Move edges to the nearest zero crossing.")] = False,
    trim: Annotated[bool, typer.Option("--trim", help="Take silence from head and tail.")] = False,
    fade_in: Annotated[float | None, typer.Option(min=0, help="Seconds.")] = None,
    fade_out: Annotated[float | None, typer.Option(min=0, help="Seconds.")] = None,
    sets: Sets = None,
    as_json: JsonOption = False,
) -> None:
    """Cut sounds at onsets, beats, bars, silences, words or into loops; with --to write each cut as a file."""
    from audiolab.stages import slice as run

    musical = {"mode": mode, "bpm": bpm, "division": division, "bars": bars, "parts": parts}
    edges = {"snap": "zero" if snap else None, "trim": trim or None, "fade_in": fade_in, "fade_out": fade_out}
    params = params_from(sets, sensitivity=sensitivity, **musical, **edges)

    def work(file: Path, progress: Any) -> Any:
        return run(file, to=to, lyrics=lyrics, progress=progress, **params).to_dict()

    def show(document: Any) -> str:
        rows = [f"  {s['start_s']:9.4f} to {s['stop_s']:9.4f} s  {_known(s)}" for s in document["samples"]]
        return "\n".join([f"{document['path']}: {len(rows)} samples", *rows])

    _each(files, work, show, "slice", as_json=as_json)


def _known(sample: dict[str, Any]) -> str:
    """Say what the mode knows of a cut."""
    if sample["onset_strength"] is not None:
        return f"strength {sample['onset_strength']:.2f}"
    hidden = {"start", "stop", "start_s", "stop_s", "onset_strength", "render", "kind"}
    return ", ".join(f"{name} {value}" for name, value in sample.items() if name not in hidden)


@app.command()
def classify(files: Files, sets: Sets = None, as_json: JsonOption = False) -> None:
    """Tag one-shots and loops: label, family, confidence, drum classes."""
    from audiolab.stages import classify as run

    params = params_from(sets)
    documents: list[Any] = []
    failed = False
    for file in files:
        try:
            documents += [item.to_dict() for item in run(file, **params)]
        except ParameterError:
            raise
        except AudiolabError as error:
            failed = True
            typer.echo(f"audiolab: {error}", err=True)
            documents.append({"path": str(file), "error": str(error)})
    if as_json:
        print_json(documents)
    else:
        for item in documents:
            if "error" not in item:
                echo(f"{item['label']:12} {item['confidence']:.2f}  {item['kind']:8}  {item['path']}")
    if failed:
        raise typer.Exit(1)


@app.command()
def embed(files: Files, sets: Sets = None, as_json: JsonOption = False) -> None:
    """Give each sound's embedding (the vector behind similarity and the map)."""
    from audiolab.stages import embed as run

    params = params_from(sets)

    def work(file: Path, progress: Any) -> dict[str, Any]:
        vectors = run(file, progress=progress, **params)
        return {"path": str(file), "encoder": vectors.encoder, "vector": [float(x) for x in vectors.values[0]]}

    def show(document: Any) -> str:
        return f"{document['path']}: {len(document['vector'])} dimensions, encoder {document['encoder'][:12]}"

    _each(files, work, show, "embed", as_json=as_json)


@app.command()
def midi(
    files: Files,
    to: To = None,
    preset: Annotated[str | None, typer.Option(help="`basic-pitch` for the upstream thresholds, or auto.")] = None,
    bpm: Annotated[float | None, typer.Option(help="Tempo for the file; default: found by `analyze`.")] = None,
    multitrack: Annotated[
        Path | None, typer.Option("--multitrack", help="Write all files (stems of one song) as tracks of FILE.mid.")
    ] = None,
    sets: Sets = None,
    as_json: JsonOption = False,
) -> None:
    """Turn sounds into notes and write MIDI files."""
    from audiolab.stages import midi as run

    params = params_from(sets, preset=preset, bpm=bpm)
    if multitrack is not None:
        _multitrack(files, multitrack, to, params, as_json=as_json)
        return
    target = to or Path.cwd()

    def show(document: Any) -> str:
        return f"{document['midi']}: {len(document['notes'])} notes at {document['bpm']:.2f} bpm"

    _each(files, lambda f, p: run(f, to=target, progress=p, **params).to_dict(), show, "midi", as_json=as_json)


def _multitrack(files: list[Path], target: Path, to: Path | None, params: dict[str, Any], *, as_json: bool) -> None:
    """Write one MIDI file of several stems."""
    from audiolab.stages.notes import multitrack as run

    with bar(f"midi {target.name}", quiet=as_json) as progress:
        found = run(files, target if to is None else to / target, progress=progress, **params)
    for remark in found.remarks:
        typer.echo(f"audiolab: {remark}", err=True)
    if as_json:
        print_json(found.to_dict())
        return
    for part in found.parts:
        echo(f"  {part.document['name']:8} {len(part.notes):5} notes  {part.path}")
    echo(f"{found.midi}: {len(found.parts)} tracks at {found.tempo_map.bpm():.2f} bpm")


@app.command()
def lyrics(
    files: Files,
    to: To = None,
    engine: Annotated[str | None, typer.Option(help="auto, whisper or faster-whisper.")] = None,
    model: Annotated[str | None, typer.Option(help="Whisper's model, e.g. small.")] = None,
    language: Annotated[str | None, typer.Option(help="en, es, fr...; default: detected.")] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The lyrics, if they are known: only their times are found.")
    ] = None,
    formats: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Any of txt,lrc,enhanced.lrc,srt,vtt,ass,json. [default: txt,lrc,srt,json]"),
    ] = None,
    sets: Sets = None,
    as_json: JsonOption = False,
) -> None:
    """Transcribe the words of vocals with their times."""
    from audiolab.stages import lyrics as run

    params = params_from(sets, engine=engine, model=model, language=language)
    if text is not None:
        params["text_file"] = text
    if formats is not None:
        params["formats"] = [kind.strip() for kind in formats.split(",") if kind.strip()]
    target = to or Path.cwd()

    def show(document: Any) -> str:
        rows = [f"  {s['start']:8.2f}  {s['text'].strip()}" for s in document["segments"]]
        return "\n".join([f"{document['path']}: {document['language']}", *rows])

    _each(files, lambda f, p: run(f, to=target, progress=p, **params).to_dict(), show, "lyrics", as_json=as_json)


@app.command()
def describe(files: Files, sets: Sets = None, as_json: JsonOption = False) -> None:
    """Describe one-shots and loops: root note, attack, decay, brightness, noisiness, tempo."""
    from audiolab.stages import describe as run

    params = params_from(sets)

    def show(document: Any) -> str:
        note = f"{document['root_name']} {document['root_cents']:+.0f} cents" if document["root_name"] else "no note"
        tempo = f"{document['bpm']:.2f} bpm, {document['beats']} beats" if document["bpm"] else ""
        parts = [document["kind"], note if document["kind"] == "one-shot" else tempo or "no tempo"]
        for name, unit, digits in (("attack_s", " s", 3), ("decay_s", " s", 3), ("brightness_hz", " Hz", 0)):
            if document[name] is not None:
                parts.append(f"{name.rsplit('_', 1)[0]} {document[name]:.{digits}f}{unit}")
        if document["noisiness"] is not None:
            parts.append(f"noisiness {document['noisiness']:.2f}")
        return f"{document['path']}: {', '.join(parts)}"

    _each(files, lambda f, p: run(f, progress=p, **params)[0].to_dict(), show, "describe", as_json=as_json)


@app.command()
def analyze(files: Files, downmix: Downmix = False, sets: Sets = None, as_json: JsonOption = False) -> None:
    """Find tempo, beats, downbeats, key and loudness."""
    from audiolab.stages import analyze as run

    params = params_from(sets, downmix=downmix or None)

    def show(document: Any) -> str:
        tempo, key = document["tempo"], document["key"]
        bpm = f"{tempo['bpm']:.2f} bpm" if tempo["bpm"] else "no tempo"
        level = "silence" if document["lufs"] is None else f"{document['lufs']:.1f} LUFS"
        name = " ".join(str(key[part]) for part in ("tonic", "mode", "camelot") if key[part]) or "no key"
        return (
            f"{document['path']}: {document['duration']:.1f} s, {bpm} (confidence {tempo['confidence']:.2f}), "
            f"{name} (confidence {key['confidence']:.2f}), {level}"
        )

    _each(files, lambda f, p: run(f, progress=p, **params).to_dict(), show, "analyze", as_json=as_json)
