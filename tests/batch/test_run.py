import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import ROOT, encode, random_images
from PIL import ExifTags, Image

from colorizer import Colorizer, decode_image
from colorizer.batch.plan import Job
from colorizer.batch.run import run_jobs
from colorizer.cli import main
from colorizer.imaging.decode import decode_pages, decode_with_metadata
from colorizer.imaging.metadata import read_settings


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def make_scans(folder, count, size=40):
    for i, image in enumerate(random_images(count, size)):
        path = folder / f"{i % 3}" / f"{i:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(image))
    return folder


def read_report(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_report_tells_what_became_of_each_file(tmp_path, capsys):
    scans = make_scans(tmp_path / "scans", 5)
    (scans / "broken.png").write_bytes(b"broken")
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    command = ["colorize", str(scans), "--recursive", "--output", str(out), "--report", str(report)]
    assert main(command) == 1
    lines = {line["source"]: line for line in read_report(report)}
    assert len(lines) == 6
    broken = lines.pop(str(scans / "broken.png"))
    assert broken["status"] == "failed"
    assert "not an image" in broken["reason"]
    for line in lines.values():
        assert (line["status"], line["reason"], line["width"], line["height"]) == ("done", "", 40, 40)
        assert line["seconds"] > 0
        assert decode_image(line["targets"][0]).shape == (40, 40, 3)
    (out / "0/000.png").unlink()
    assert main(command) == 1
    assert [line["status"] for line in read_report(report)].count("skipped") == 4
    assert len(read_report(report)) == 6
    assert "1 colorized, 4 skipped" in capsys.readouterr().out


def test_report_must_not_be_an_image_of_the_run(tmp_path, capsys):
    scans = make_scans(tmp_path / "scans", 1)
    report = ["--report", str(scans / "0/000.png")]
    assert main(["colorize", str(scans), "--recursive", "--output", str(tmp_path / "out"), *report]) == 2
    assert "is an input or a result of this run" in capsys.readouterr().err
    assert decode_image(scans / "0/000.png").shape == (40, 40, 3)


def test_names_that_differ_in_case_and_results_without_content(tmp_path, capsys):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    for name in ("a.JPG", "a.jpg", "b.jpg"):
        (scans / name).write_bytes(encode(random_images(1)[0], "JPEG"))
    command = ["colorize", str(scans), "--output", str(out)]
    assert main(command) == 0
    assert files(out) == ["a.JPG.png", "a.jpg-2.png", "b.png"]
    (out / "b.png").write_bytes(b"")  # As after a power failure.
    assert main(command) == 0
    assert "1 colorized, 2 skipped" in capsys.readouterr().out
    assert decode_image(out / "b.png").shape == (32, 32, 3)


def test_limit_of_pixels(tmp_path, capsys):
    scans = make_scans(tmp_path / "scans", 1)
    out = tmp_path / "out"
    command = ["colorize", str(scans), "--recursive", "--output", str(out), "--max-pixels"]
    assert main([*command, "1e3"]) == 1
    assert "40 x 40" in capsys.readouterr().err
    assert files(out) == []
    assert main([*command, "1600"]) == 0
    with pytest.raises(SystemExit):
        main([*command, "many"])


def test_metadata_and_alpha_reach_the_results(tmp_path):
    image = random_images(1, 40)[0]
    exif = Image.Exif()
    exif[ExifTags.Base.DateTime] = "2001:02:03 04:05:06"
    (tmp_path / "a.jpg").write_bytes(encode(image, "JPEG", exif=exif, dpi=(300, 300)))
    (tmp_path / "b.png").write_bytes(encode(np.dstack([image, image[..., 0]])))
    command = ["colorize", str(tmp_path / "a.jpg"), str(tmp_path / "b.png"), "--output", str(tmp_path / "out")]
    assert main([*command, "--format", "same"]) == 0
    with Image.open(tmp_path / "out/a.jpg") as result:
        assert result.getexif()[ExifTags.Base.DateTime] == "2001:02:03 04:05:06"
        assert result.info["dpi"] == (300, 300)
        assert result.info["icc_profile"]
    assert np.array_equal(decode_image(tmp_path / "out/b.png")[..., 3], image[..., 0])


def test_small_images_give_the_same_in_a_batch_as_alone(tmp_path):
    """With many sizes and a broken image among them, each result belongs to its own picture."""
    jobs = []
    for i, size in enumerate([16, 40, 40, 700, 40, 24, 40, 300, 16]):
        source = tmp_path / f"{i}.png"
        source.write_bytes(encode(random_images(1, size, seed=i)[0]))
        jobs.append(Job(source, (tmp_path / f"out/{i}.png",)))
    (tmp_path / "4.png").write_bytes(b"broken")
    model = Colorizer.load()
    calls = []

    def paint(images):
        calls.append(len(images))
        time.sleep(0.2)  # The next files are read in the meantime.
        return [[result] for result in model.colorize_batch(images)]

    outcomes = list(run_jobs(jobs, paint, max_pixels=10**6))
    assert sorted(outcome.job.source.name for outcome in outcomes) == [job.source.name for job in jobs]
    assert [o.job.source.name for o in outcomes if o.status == "failed"] == ["4.png"]
    assert sum(calls) == 8
    assert max(calls) > 1
    for job in jobs:
        if job.source.name != "4.png":
            alone = model.colorize(job.source).astype(int)
            assert np.abs(decode_image(job.targets[0]) - alone).max() <= 1


def test_pictures_in_memory_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("colorizer.batch.run._PIXELS_IN_FLIGHT", 2_000_000)
    jobs = []
    for i in range(12):
        source = tmp_path / f"{i:02}.png"
        source.write_bytes(encode(np.zeros((1000, 900, 3), np.uint8)))
        jobs.append(Job(source, (tmp_path / f"out/{i:02}.png",)))
    reading, most, lock = 0, 0, threading.Lock()
    from colorizer.batch import run

    read, write = run._read, run._write

    def counted_read(*arguments):
        nonlocal reading, most
        with lock:
            reading += 1
            most = max(most, reading)
        return read(*arguments)

    def counted_write(*arguments):
        nonlocal reading
        seconds = write(*arguments)
        with lock:
            reading -= 1
        return seconds

    monkeypatch.setattr(run, "_read", counted_read)
    monkeypatch.setattr(run, "_write", counted_write)
    outcomes = list(run_jobs(jobs, lambda images: [[image] for image in images], max_pixels=10**6))
    assert [outcome.status for outcome in outcomes] == ["done"] * 12
    assert most <= 2


def test_a_picture_above_the_bound_goes_alone(tmp_path, monkeypatch):
    monkeypatch.setattr("colorizer.batch.run._PIXELS_IN_FLIGHT", 1000)
    scans = make_scans(tmp_path / "scans", 3, 600)
    jobs = [Job(path, (tmp_path / "out" / path.name,)) for path in sorted(scans.rglob("*.png"))]
    outcomes = run_jobs(jobs, lambda images: [[image] for image in images], max_pixels=10**6)
    assert [outcome.status for outcome in outcomes] == ["done"] * 3


def test_what_fails_in_the_network_or_on_the_disk_is_told(tmp_path):
    scans = make_scans(tmp_path / "scans", 4)
    (tmp_path / "file").write_text("no folder")
    paths = sorted(scans.rglob("*.png"))
    jobs = [
        Job(path, (tmp_path / folder / path.name,)) for path, folder in zip(paths, ["out", "file"] * 2, strict=True)
    ]
    outcomes = list(run_jobs(jobs, lambda images: [[image] for image in images], max_pixels=10**6))
    assert [outcome.status for outcome in outcomes] == ["done", "failed"] * 2

    def too_large(images):
        raise MemoryError

    outcomes = list(run_jobs(jobs, too_large, max_pixels=10**6))
    assert [(outcome.status, outcome.reason) for outcome in outcomes] == [("failed", "there is no memory left")] * 4


def test_one_failing_image_does_not_fail_its_batch(tmp_path):
    sizes = [40, 30, 40, 40, 40]
    jobs = []
    for i, size in enumerate(sizes):
        source = tmp_path / f"{i}.png"
        source.write_bytes(encode(random_images(1, size)[0]))
        jobs.append(Job(source, (tmp_path / f"out/{i}.png",)))
    together = 0

    def paint(images):
        nonlocal together
        together = max(together, len(images))
        time.sleep(0.2)  # The next files are read in the meantime.
        if any(len(image) == 30 for image in images):
            raise RuntimeError("can't start new thread")
        return [[image] for image in images]

    outcomes = sorted(run_jobs(jobs, paint, max_pixels=10**6), key=lambda outcome: outcome.job.source.name)
    assert together > 1
    assert [outcome.status for outcome in outcomes] == ["done", "failed", "done", "done", "done"]


# The command, paused forever after five reported files, so that a signal always arrives in the middle of the run.
HELD = """
import itertools, signal, sys, time
from colorizer.batch import run
from colorizer.cli import main
count, to_json = itertools.count(), run.Outcome.to_json
def hold(outcome):
    while next(count) >= 5:
        time.sleep(0.1)
    return to_json(outcome)
run.Outcome.to_json = hold
signal.signal(signal.SIGINT, signal.default_int_handler)  # May be ignored by default, as under `make test &`.
run._PIXELS_IN_FLIGHT = 2_000_000  # So that only a few files are ahead of the report.
sys.exit(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_is_finished_by_the_same_command(tmp_path, sent):
    scans = make_scans(tmp_path / "scans", count := 40, 300)
    out, report = tmp_path / "out", tmp_path / "run.jsonl"
    options = ["colorize", str(scans), "--recursive", "--output", str(out), "--report", str(report)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(
        [sys.executable, "-c", HELD, *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 400
        while len(report.read_text().splitlines() if report.exists() else []) < 5:
            assert time.monotonic() < deadline
            assert run.poll() is None, run.stdout.read()
            time.sleep(0.01)
        run.send_signal(sent)
        printed = run.communicate(timeout=400)[0]
    finally:
        run.kill()
    if sent == signal.SIGINT:
        assert run.returncode == 130
        assert "Traceback" not in printed
    reported = [line for line in report.read_text().splitlines() if line.endswith("}")]
    whole = {path: path.stat().st_mtime_ns for path in out.rglob("*.png") if not path.name.startswith(".")}
    assert 5 == len(reported) <= len(whole) < count
    for path in whole:
        assert decode_image(path).shape == (300, 300, 3)
    (out / "0" / ".000.png.abcd_123.part").write_bytes(b"left by a kill")
    (out / "0" / ".mine.part").write_bytes(b"not ours")
    (out / "0" / "000.png").unlink(missing_ok=True)
    whole.pop(out / "0" / "000.png", None)
    command = [sys.executable, "-c", "import sys; from colorizer.cli import main; sys.exit(main())", *options]
    second = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert second.returncode == 0, second.stderr
    assert f"{count - len(whole)} colorized, {len(whole)} skipped" in second.stdout
    assert len(read_report(report)) == count
    assert files(out) == sorted([*files(scans), "0/.mine.part"])
    assert all(path.stat().st_mtime_ns == time for path, time in whole.items())


def test_all_pages_are_kept_in_tiff_and_noted_in_other_formats(tmp_path, capsys):
    pages = [Image.fromarray(image) for image in random_images(3, 40)]
    scans, report = tmp_path / "scans", tmp_path / "run.jsonl"
    scans.mkdir()
    pages[0].save(scans / "a.tif", save_all=True, append_images=pages[1:])
    command = ["colorize", str(scans), "--report", str(report), "--output"]
    assert main([*command, str(tmp_path / "png")]) == 0
    assert "1: only the first of several pages or frames was colorized" in capsys.readouterr().err
    assert read_report(report)[0]["notes"] == ["the first of 3 pages"]
    assert main([*command, str(tmp_path / "tiff"), "--format", "tiff"]) == 0
    assert read_report(report)[0]["notes"] == []
    with Image.open(tmp_path / "tiff/a.tif") as result:
        assert result.n_frames == 3
        for i, (source, _) in enumerate(decode_pages(scans / "a.tif")):
            result.seek(i)
            luma = np.asarray(result.convert("L")).astype(int)
            assert np.abs(luma - np.asarray(Image.fromarray(source).convert("L"))).mean() < 8


def test_animations_become_tiff_for_format_tiff_and_same(tmp_path, capsys):
    first, second, still = (Image.fromarray(image) for image in random_images(3, 40))
    scans, report = tmp_path / "scans", tmp_path / "run.jsonl"
    scans.mkdir()
    for name in ("a.gif", "b.png", "c.webp"):
        first.save(scans / name, save_all=True, append_images=[second])
    still.save(scans / "d.png")
    command = ["colorize", str(scans), "--report", str(report), "--output"]
    assert main([*command, str(tmp_path / "png")]) == 0
    assert "3: only the first of several pages or frames was colorized; --format tiff" in capsys.readouterr().err
    assert [line["notes"] for line in read_report(report)] == [["the first of 2 frames"]] * 3 + [[]]
    for format, of_stills in (("tiff", "d.tif"), ("same", "d.png")):
        out = tmp_path / format
        assert main([*command, str(out), "--format", format]) == 0
        assert capsys.readouterr().err == ""
        assert files(out) == sorted(["a.tif", "b.tif", "c.tif", of_stills])
        for name in ("a.tif", "b.tif", "c.tif"):
            with Image.open(out / name) as result:
                assert result.n_frames == 2
                for i, (source, _) in enumerate(
                    decode_pages(scans / name.replace("tif", {"a": "gif", "b": "png", "c": "webp"}[name[0]]))
                ):
                    result.seek(i)
                    luma = np.asarray(result.convert("L")).astype(int)
                    assert np.abs(luma - np.asarray(Image.fromarray(source).convert("L"))).mean() < 8
        assert main([*command, str(out), "--format", format]) == 0
        assert "0 colorized, 4 skipped" in capsys.readouterr().out


@pytest.mark.parametrize("lossless", [True, False])
def test_a_still_webp_stays_webp_for_format_same(tmp_path, lossless):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    Image.fromarray(random_images(1, 40)[0]).save(scans / "a.webp", lossless=lossless)
    assert main(["colorize", str(scans), "--output", str(out), "--format", "same"]) == 0
    assert files(out) == ["a.webp"]


def test_accepted_truncated_files_are_reported(tmp_path, capsys):
    scans, report = make_scans(tmp_path / "scans", 2), tmp_path / "run.jsonl"
    (cut,) = scans.glob("1/*.png")
    cut.write_bytes(cut.read_bytes()[:-1000])
    command = ["colorize", str(scans), "--recursive", "--output", str(tmp_path / "out"), "--report", str(report)]
    assert main(command) == 1
    assert "damaged" in capsys.readouterr().err
    assert main([*command, "--accept-truncated"]) == 0
    captured = capsys.readouterr()
    assert "1 colorized, 1 skipped" in captured.out
    assert "1: it is cut off or damaged" in captured.err
    (notes,) = [line["notes"] for line in read_report(report) if line["source"] == str(cut)]
    assert notes[0].startswith("it is cut off")


def test_ignored_files_are_reported(tmp_path, capsys):
    scans, report = make_scans(tmp_path / "scans", 1), tmp_path / "run.jsonl"
    for name in ("a.dng", "b.dng", "c.pdf", ".hidden.dng"):
        (scans / name).write_bytes(b"x")
    command = ["colorize", str(scans), "--recursive", "--output", str(tmp_path / "out"), "--report", str(report)]
    assert main(command) == 0
    assert "3 passed over: 2 .dng, 1 .pdf" in capsys.readouterr().out
    ignored = [line for line in read_report(report) if line["status"] == "passed over"]
    assert [line["reason"] for line in ignored] == ["unsupported file type .dng"] * 2 + ["unsupported file type .pdf"]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_results_say_that_their_colors_are_made(tmp_path, name):
    digests = []
    (tmp_path / "x.png").write_bytes(encode(random_images(1, 40)[0]))
    for vividness in ("0.3", "0.3", "0.4"):
        options = ["--overwrite", "--vividness", vividness]
        assert main(["colorize", str(tmp_path / "x.png"), "--output", str(tmp_path / name), *options]) == 0
        xmp = decode_with_metadata(tmp_path / name)[1]["xmp"]
        assert b"compositeWithTrainedAlgorithmicMedia" in xmp
        assert b'xmp:CreatorTool="Colorizer ' in xmp
        digests.append(read_settings(xmp))
    assert digests[0] == digests[1] != digests[2]


def test_names_with_a_star_and_outputs_that_make_no_sense(tmp_path, capsys):
    scans = make_scans(tmp_path / "scans", 2)
    assert main(["colorize", str(scans / "0" / "*.png"), "--output", str(tmp_path / "out")]) == 0
    assert files(tmp_path / "out") == ["000.png"]
    assert main(["colorize", str(scans), "--recursive", "--output", "-"]) == 2
    assert "standard output" in capsys.readouterr().err
    assert main(["colorize", str(scans), "--recursive", "--output", "/proc/nothing"]) == 2
    assert "can't write into /proc" in capsys.readouterr().err


def test_results_of_other_settings_or_of_an_older_source_are_done_anew(tmp_path, capsys):
    scans, out = make_scans(tmp_path / "scans", 3), tmp_path / "out"
    report = tmp_path / "run.jsonl"
    command = ["colorize", str(scans), "--recursive", "--output", str(out), "--report", str(report)]
    assert main(command) == 0
    assert main(command) == 0
    assert "0 colorized, 3 skipped" in capsys.readouterr().out
    assert main([*command, "--vividness", "0.4"]) == 0
    printed = capsys.readouterr()
    assert "3: redone, since" in printed.err
    assert "3 colorized" in printed.out
    assert all("redone" in line["notes"][0] for line in read_report(report))
    later = (scans / "1/001.png").stat().st_mtime + 100
    os.utime(scans / "1/001.png", (later, later))
    assert main([*command, "--vividness", "0.4"]) == 0
    assert "1 colorized, 2 skipped" in capsys.readouterr().out
    Image.new("RGB", (40, 40)).save(out / "0/000.png")  # Someone's own work.
    assert main(command) == 0
    with Image.open(out / "0/000.png") as kept:
        assert not np.asarray(kept).any()
