"""The same images in every form give the same figures; what is broken is one image less."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from survey.sets import CLASSES, COUNT, folder, images, png, shards, zipped
from work import calls

from convscope import Conv2D, Dense, Flatten, Sequential
from convscope.engine.pixels import Chosen
from convscope.errors import InputError, UnsupportedError
from convscope.survey.data import open_data
from convscope.survey.preparation import Preparation
from convscope.survey.survey import Survey


def network(channels: int = 1, size: tuple[int, int] = (9, 8)) -> Sequential:
    return Sequential(
        [
            Conv2D(4, 3, activation="relu", input_shape=(*size, channels)),
            Flatten(),
            Dense(3, activation="softmax"),
        ],
        seed=2,
    )


def figures(survey: Survey) -> list[Any]:
    """Return what does not depend on the order of the images."""
    return [
        (layer.name, m.numbers, m.mean, m.min, m.max, m.zeros, [r.value for r in m.top])
        for layer in survey.layers.values()
        for m in layer
    ]


def idx(path: Path, array: Any) -> None:
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the same images in every form."""
    root = tmp_path_factory.mktemp("sets")
    x, y = images()
    folder(root / "folder")
    zipped(root / "set.zip")
    shards(root / "shards")
    np.savez(root / "set.npz", x_test=x, y_test=y)
    np.save(root / "set.npy", x)
    idx(root / "t-images-idx3-ubyte.gz", x)
    idx(root / "t-labels-idx1-ubyte.gz", y.astype(np.uint8))
    return root


@pytest.mark.parametrize(
    "name, labels",
    [
        ("folder", {"cat", "dog", "owl"}),
        ("set.zip", {"cat", "dog", "owl"}),
        ("shards", {"0", "1", "2"}),
        ("shards/a-0.tar", {"0", "1", "2"}),
        ("set.npz", {"0", "1", "2"}),
        ("set.npz:x_test", {"0", "1", "2"}),
        ("set.npy", set()),
        ("t-images-idx3-ubyte.gz", {"0", "1", "2"}),
    ],
)
def test_every_form_gives_the_same(there: Path, name: str, labels: set[str]) -> None:
    want = network().survey(images()[0])
    found = network().survey(there / name)
    if name.endswith("a-0.tar"):
        want = network().survey(images()[0][:20])
    assert figures(found) == figures(want)
    assert set(found.confusion) == labels
    assert sum(map(sum, found.confusion.values())) == (found.images if labels else 0)


def test_parquet_as_hugging_face_writes_it(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    x, y = images()
    rows = {"image": [{"bytes": png(a), "path": f"{n}.png"} for n, a in enumerate(x)], "label": y}
    parquet.write_table(pyarrow.table(rows), tmp_path / "a.parquet", row_group_size=7)
    found = network().survey(tmp_path / "a.parquet")
    assert figures(found) == figures(network().survey(x))
    assert set(found.confusion) == {"0", "1", "2"}
    features = {"label": {"names": ["owl", "cat", "dog"], "_type": "ClassLabel"}}
    told = {"huggingface": json.dumps({"info": {"features": features}})}
    table = pyarrow.table(rows).replace_schema_metadata(told)
    parquet.write_table(table, tmp_path / "c.parquet")
    named = network().survey(tmp_path / "c.parquet")
    assert named.classes == ["owl", "cat", "dog"] and named.right == found.right is not None
    assert [named.confusion[name] for name in named.classes] == list(found.confusion.values())
    assert named.right_in_words in named.text(200)
    parquet.write_table(pyarrow.table({"n": [1, 2]}), tmp_path / "b.parquet")
    with pytest.raises(InputError, match="has no column of images"):
        network().survey(tmp_path / "b.parquet")


def test_cifar(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    planes = rng.integers(0, 256, (33, 3, 32, 32), np.uint8)
    labels = (np.arange(33) % 10).astype(np.uint8)
    rows = np.concatenate([labels[:, None], planes.reshape(33, -1)], axis=1)
    (tmp_path / "data_batch_1.bin").write_bytes(rows.tobytes())
    net = network(3, (32, 32))
    found = net.survey(tmp_path / "data_batch_1.bin")
    assert figures(found) == figures(net.survey(np.moveaxis(planes, 1, 3)))
    assert set(found.confusion) == set(map(str, range(10)))
    (tmp_path / "batches.meta.txt").write_text("".join(f"class {9 - n}\n" for n in range(10)))
    named = Sequential([Conv2D(10, 32, input_shape=(32, 32, 3)), Flatten()], seed=2)
    said = named.survey(tmp_path / "data_batch_1.bin")
    best = named.predict(np.moveaxis(planes, 1, 3) / np.float32(255)).argmax(axis=1)
    assert said.right == ((best == labels).sum(), 33)
    (tmp_path / "batches.meta.txt").unlink()
    fine = np.concatenate([labels[:, None] * 0, labels[:, None], planes.reshape(33, -1)], axis=1)
    (tmp_path / "test.bin").write_bytes(fine.tobytes())
    assert set(net.survey(tmp_path / "test.bin").confusion) == set(map(str, range(10)))
    (tmp_path / "odd.bin").write_bytes(b"123")
    with pytest.raises(InputError, match="3 bytes, no whole number of CIFAR's 3,073"):
        net.survey(tmp_path / "odd.bin")


def test_what_python_holds() -> None:
    x, y = images()
    want = network().survey((x, y))

    def pairs() -> Iterator[Any]:
        yield from zip(x, y, strict=True)

    for data in (list(zip(x, y, strict=True)), pairs()):
        found = network().survey(data)
        assert figures(found) == figures(want) and found.confusion == want.confusion
    numbers = (x / 255).astype(np.float32)
    floats = network().survey(numbers)
    assert floats.state.facts["prepared"]["steps"] == ["numbers as they are in the array"]
    assert figures(floats) == figures(want)
    channels_first = network(3).survey(np.repeat(x[:, None], 3, axis=1))
    assert figures(channels_first) == figures(network(3).survey(np.repeat(x[..., None], 3, axis=3)))


def test_a_network_without_an_axis_of_channels_takes_pixels_too(tmp_path: Path) -> None:
    x, y = images()
    net = Sequential([Flatten(input_shape=(9, 8)), Dense(3, activation="softmax")], seed=1)
    found = net.survey((x, y))
    assert found.state.facts["prepared"]["steps"] == ["divide by 255: value = pixel / 255"]
    assert figures(found) == figures(net.survey(x.astype(np.float32) / np.float32(255)))
    assert figures(found) == figures(net.survey(folder(tmp_path / "set")))
    assert sum(map(sum, found.confusion.values())) == COUNT


def test_one_bad_image_is_skipped_counted_and_named(tmp_path: Path) -> None:
    data = folder(tmp_path / "set")
    (data / "cat" / "9.png").write_bytes(b"no picture")
    (data / "dog" / "13.png").write_bytes(png(images()[0][13])[:60])
    (data / "owl" / "44.png").write_bytes(png(images()[0][3][:5]))
    (data / "owl" / "notes.txt").write_text("not an image")
    found = network().survey(data)
    assert (found.images, found.skipped) == (COUNT - 3, 3)
    told = {name: why for name, why in found.bad.values()}
    assert set(told) == {"cat/9.png", "dog/13.png", "owl/44.png"}
    assert "starts with the bytes 6e 6f" in told["cat/9.png"]
    assert "5×8 pixels where 9×8 are wanted" in told["owl/44.png"]
    x = np.delete(images()[0], [9, 13, 44], axis=0)
    assert figures(found) == figures(network().survey(x))


def test_a_group_is_prepared_as_its_images_are_one_by_one() -> None:
    rng = np.random.default_rng(4)
    rows = rng.uniform(-3, 3, (32, 9, 8))
    rows[5, 0, 0], rows[6, 0, 0] = np.nan, 1e30
    pictures = rng.integers(0, 256, (5, 9, 8), np.uint8)
    bad_ones = {"float32": 0, "float64": 0, "float16": 0, "bfloat16": 0, "int32": 31}
    whole = np.where(np.arange(32)[:, None, None] == 17, 4, rows)  # one of whole numbers
    for kind, few in bad_ones.items():
        ready = Preparation("net", (9, 8, 1), True, Chosen("0-1", ""), (), kind)
        given = list(whole) if few else list(rows)
        for data, bad in (
            (given, few),
            ([*given, rows[0, :4], rows[:1, ..., None]], few + 1 + bool(few)),
        ):
            source = open_data(data)
            items = [source.item(number) for number in range(len(data))]
            array, good, why = ready.together(items)
            assert array is not None and len(why) == bad
            alone = np.concatenate([ready.apply(item) for item in good])
            assert array.dtype == alone.dtype and array.tobytes() == alone.tobytes()
            assert sorted(i.number for i in (*good, *(i for i, _ in why))) == list(range(len(data)))
    ready = Preparation("net", (9, 8, 1), True, Chosen("0-1", ""), ())
    source = open_data(rows.astype(np.float32))
    few, many = (calls(lambda n=n: ready.together([*source.items(0, n)])) for n in (2, 32))  # type: ignore[misc]
    assert (many - few) / 30 < 12  # an image is looked at once a group, not each by itself
    source = open_data(pictures)
    array, _, _ = ready.together([source.item(number) for number in range(5)])
    assert array is not None and np.array_equal(array[..., 0], pictures / np.float32(255))


def test_nothing_is_changed_unasked(tmp_path: Path) -> None:
    data = folder(tmp_path / "set")
    with pytest.raises(InputError, match=r"Nothing is changed unasked: --prepare rgb would do"):
        network(3).survey(data)
    asked = network(3).survey(data, prepare=["rgb"])
    said = asked.state.facts["prepared"]["steps"]
    assert said[0] == "rgb: where it is grey, R = G = B = grey"
    # of every image, whatever the first one needs: 9×8 fits, 6×5 does not
    sizes = [np.zeros((9, 8), np.uint8), np.zeros((6, 5), np.uint8)]
    resized = network().survey(sizes, prepare=["resize"])
    assert resized.images == 2
    (said, _) = resized.state.facts["prepared"]["steps"]
    assert said.startswith("resize: where it is not 9×8, all of it → 9×8: smaller by the means")
    with pytest.raises(InputError, match="--prepare crop-and-resize would do"):
        network(1, (7, 7)).survey(data)
    assert network(1, (7, 7)).survey(data, prepare=["crop-and-resize"]).images == COUNT
    with pytest.raises(InputError, match="there is no step 'gray'"):
        network().survey(data, prepare=["gray"])
    with pytest.raises(InputError, match=r"no step 'sharpen'.*the steps are .*crop-and-resize"):
        network().survey([np.zeros((9, 8, 1), np.float32)], prepare=["sharpen"])
    other = folder(tmp_path / "two")
    (other / "cat" / "0.png").write_bytes(png(np.zeros((6, 5), np.uint8)))
    net = Sequential([Conv2D(2, 3, input_shape=(None, None, 1))])
    with pytest.raises(InputError, match="of several sizes") as error:
        net.survey(other)
    assert "--size 224" in str(error.value)
    with pytest.raises(InputError, match="the first images are of 2 sizes"):
        network().survey(other)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: p / "gone", "there is no data"),
        (lambda p: p, "holds no images: files ending in .png"),
        (lambda p: _file(p / "a.zip", b"PK no"), "is a damaged zip archive"),
        (lambda p: _file(p / "a.tar", b"no" * 999), "is a damaged tar archive"),
        (lambda p: _file(p / "a.tar.gz", b""), "is compressed as a whole"),
        (lambda p: _file(p / "a.npy", b"no"), "cannot be read"),
        (lambda p: _file(p / "a.npz", b"no"), "cannot be read"),
        (
            lambda p: _file(p / "a-ubyte", b"\0\0\x08\x03\0\0\0\x09"),
            "which is no data set|cut short",
        ),
        (lambda p: _file(p / "a.PNG", png(images()[0][0])), "is one image: give the folder"),
        (lambda p: _file(p / "a.txt", b"words"), "is no data set that can be read"),
        (lambda p: 7, "not over int"),
        (lambda p: [], "no images"),
        (lambda p: iter(()), "there are no images"),
        (lambda p: np.zeros((4, 3, 2, 1), np.complex64), "images are one row each, of numbers"),
    ],
)
def test_bad_data_are_one_clear_error(tmp_path: Path, make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        network().survey(make(tmp_path))


def test_links_lead_into_folders_once_and_no_image_is_passed_over(tmp_path: Path) -> None:
    data, other = tmp_path / "set", tmp_path / "elsewhere"
    for place, names in ((data / "cat", ["1.png", "2.JFIF"]), (other, ["3.png"])):
        place.mkdir(parents=True)
        for name in names:
            Image.fromarray(images()[0][len(name)]).save(place / name, format="PNG")
    try:
        (data / "owl").symlink_to(other)
        (data / "cat" / "round").symlink_to(data)
        (other / "back").symlink_to(data / "cat")  # which links back: this may have no end
    except OSError:
        pytest.skip("this system makes no links")
    (data / "cat" / "4.tiff").write_bytes(b"II*\0")
    found = open_data(data)
    here = ["cat/1.png", "cat/2.JFIF", "cat/4.tiff"]
    assert list(found.names) == [*here, "owl/3.png", *(f"owl/back/{n[4:]}" for n in here)]
    survey = network().survey(data)
    assert survey.images == 5 and survey.bad[2][0] == "cat/4.tiff"
    for number, words in (
        (7, "there is no image 7: the data hold 7 images"),
        (-1, "no image -1"),
        (2, "cannot be read"),
    ):
        with pytest.raises(InputError, match=words):
            survey.run(number)
    assert "cannot be read as an image (PNG, JPEG, WEBP, BMP, GIF)" in survey.bad[2][1]


def test_labels_are_the_folders_that_differ(tmp_path: Path) -> None:
    folder(tmp_path / "set" / "train")
    found = open_data(tmp_path / "set")
    assert set(found.labels or ()) == set(CLASSES)
    assert found.words == "a folder of 45 images in 3 sub-folders of train, which are the labels"
    one = open_data(tmp_path / "set" / "train" / "cat")
    assert not one.labelled and one.words == "a folder of 15 images"
    (tmp_path / "one").mkdir()
    (tmp_path / "set" / "train" / "owl").rename(tmp_path / "one" / "owl")
    assert open_data(tmp_path / "one").words.endswith("in 1 sub-folder, which is the label")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_of_two_members_of_one_name_the_later_counts(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"twice.{kind}"
    pictures = [png(one) for one in images()[0][:3]]
    members = list(zip(["a/one.png", "b/two.png", "a/one.png"], pictures, strict=True))
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, one in members:
                archive.writestr(name, one)
    else:
        with tarfile.open(path, "w") as tar:
            for name, one in members:
                info = tarfile.TarInfo(name)
                info.size = len(one)
                tar.addfile(info, io.BytesIO(one))
    source = open_data(str(path))
    assert source.words.endswith("1 member left out, since a later one has the same name")
    assert [(item.name, item.label, item.content) for item in source.items(0, None)] == [
        ("a/one.png", "a", pictures[2]),
        ("b/two.png", "b", pictures[1]),
    ]


def test_labels_of_arrays_may_be_a_column_or_one_hot() -> None:
    x, y = images()
    expected = network().survey((x, y)).confusion
    for labels in (list(y), y[:, None], np.eye(COUNT, dtype=int)[y]):
        assert network().survey((x, labels)).confusion == expected
    for few in (y[:5], y[:5, None]):
        with pytest.raises(InputError, match=f"5 labels are given with {len(x)} images"):
            network().survey((x, few))


def test_names_in_a_tar_may_begin_anywhere(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("/cat/1.png", "./owl/2.png", "owl/3.png"):
            info, data = tarfile.TarInfo(name), png(images()[0][3])
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    found = open_data(tmp_path / "a.tar")
    assert sorted(zip(found.names, found.labels or (), strict=True)) == [
        ("cat/1.png", "cat"), ("owl/2.png", "owl"), ("owl/3.png", "owl"),
    ]  # fmt: skip


def test_labels_that_belong_to_other_images_are_an_error(tmp_path: Path) -> None:
    x, y = images()
    np.savez(tmp_path / "a.npz", images=x, labels=y[:7])
    with pytest.raises(InputError, match=r"labels holds 7 labels for the 45 images of images"):
        open_data(tmp_path / "a.npz")
    np.savez(
        tmp_path / "b.npz", x_test=x[:9], x_train=x, y=y
    )  # whose they are the name does not say
    assert not open_data(f"{tmp_path}/b.npz:x_test").labelled
    assert open_data(f"{tmp_path}/b.npz:x_train").labelled
    idx(tmp_path / "t-images-idx3-ubyte.gz", x)
    idx(tmp_path / "t-labels-idx1-ubyte", y.astype(np.uint8))
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(
        gzip.decompress((tmp_path / "t-labels-idx1-ubyte").read_bytes())
    )
    assert open_data(tmp_path / "t-images-idx3-ubyte.gz").labelled  # one unpacked, the other not


def test_several_arrays_are_not_guessed_among(tmp_path: Path) -> None:
    x, _ = images()
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x[:9])
    with pytest.raises(InputError, match="several arrays of images, x_train, x_test: name one"):
        open_data(tmp_path / "a.npz")
    assert open_data(f"{tmp_path}/a.npz:x_test").count == 9
    with pytest.raises(InputError, match="holds no array 'x'; it holds x_train, x_test"):
        open_data(f"{tmp_path}/a.npz:x")


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path / "a.parquet", b"PAR1")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'convscope\[parquet\]'"):
        open_data(tmp_path / "a.parquet")


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


class _Opened:
    """Rows of a data set of somebody's, as PyTorch's are: (image, label), one of them broken."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 7

    def __getitem__(self, place: int) -> Any:
        if not 0 <= place < 7:
            raise IndexError
        self.asked.append(place)
        if place == 3:
            raise ValueError("broken three")
        return images()[0][place], place % 3


def test_items_of_a_sequence_are_made_one_by_one_and_a_broken_one_is_skipped() -> None:
    rows = _Opened()
    assert open_data(rows).item(2).label == "2"
    assert rows.asked == [0, 2]
    found = network().survey(rows)
    assert (found.images, found.skipped) == (6, 1)
    assert "broken three" in str(found.to_dict()["skipped"])
    assert sum(map(sum, found.confusion.values())) == 6


def test_rows_by_name_and_batches_are_taken_apart() -> None:
    x, y = images()
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, TensorDataset

    loader = DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), batch_size=4)
    named: Any = [{"image": one, "label": label} for one, label in zip(x, y, strict=True)]
    both = network().survey((x, y))
    for given in (
        loader,
        named,
        (one for one in named),
        DataLoader(cast(Any, named), batch_size=None),
    ):
        found = network().survey(given)
        assert (figures(found), found.confusion) == (figures(both), both.confusion)
    with pytest.raises(InputError, match="a row of a, b has no image"):
        network().survey([{"a": 1, "b": 2}])

    def failing() -> Iterator[Any]:
        yield x[0]
        raise RuntimeError("disk gone")

    with pytest.raises(InputError, match="fails after 1 of them: RuntimeError: disk gone"):
        network().survey(failing())


def test_files_of_one_kind_in_a_folder_belong_together(tmp_path: Path) -> None:
    from convscope.survey.data import cifar

    rng = np.random.default_rng(8)
    rows = rng.integers(0, 256, (5, cifar.PIXELS + 1), dtype=np.uint8)
    rows[:, 0] = 3, 1, 3, 0, 2
    rows[:3].tofile(tmp_path / "batch_2.bin")
    rows[3:].tofile(tmp_path / "batch_10.bin")
    found = open_data(tmp_path)
    assert (found.count, list(found.labels or ())) == (5, ["3", "1", "3", "0", "2"])
    pixels = np.asarray(found.item(4).content)
    assert np.array_equal(pixels, rows[4, 1:].reshape(3, 32, 32).transpose(1, 2, 0))
    assert open_data(tmp_path / "batch_10.bin").item(1).label == "2"


def test_what_lies_in_a_folder_without_pictures_is_said(there: Path, tmp_path: Path) -> None:
    idx(tmp_path / "t-images-idx3-ubyte.gz", images()[0])
    with pytest.raises(InputError, match=r"no pictures, but t-images-idx3-ubyte.gz: name the one"):
        open_data(tmp_path)
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "data_batch_1").write_bytes(b"\x80\x02}q\x00.")
    for path in (tmp_path / "only", tmp_path / "only" / "data_batch_1"):
        with pytest.raises(InputError, match="data_batch_1 is a pickle, which runs code"):
            open_data(path)


def test_other_images_under_the_same_names_are_other_data() -> None:
    x, y = images()
    told = {open_data(one).fingerprint() for one in (x, x[::-1].copy(), list(x), (x, y))}
    assert len(told) == 3  # an array and a list of its rows are the same images
    assert open_data(x).fingerprint() == open_data(x.copy()).fingerprint()
