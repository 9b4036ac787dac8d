import hashlib
import logging
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import encode, random_images, write_parquet

from colorizer.data import sources
from colorizer.data.arrays import load_array
from colorizer.data.dataset import CIFAR10_CLASSES, DatasetError, hold_out, split_validation
from colorizer.data.sources import load_dataset, load_parts

IMAGES = random_images(8)
PATHS = ("rooms/1.jpg", "rooms/2.jpg", "street/b/1.jpg")


def test_parquet_folder(cifar_folder):
    train, test = load_dataset(str(cifar_folder), "train"), load_dataset(str(cifar_folder), "test")
    assert (len(train), len(test)) == (40, 10)
    assert np.array_equal(train[3], random_images(40, seed=1)[3])
    assert test.groups == list(CIFAR10_CLASSES)
    content = (cifar_folder / "plain_text/test-00000-of-00001.parquet").read_bytes()
    assert test.record() == {
        "name": "cifar10",
        "split": "test",
        "rows": 10,
        "encoding": "PNG",
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_parquet_of_bytes_without_labels_and_split_named_valid(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = [encode(image) for image in random_images(3, 64)]
    pq.write_table(pa.table({"image": cells}), tmp_path / "valid.parquet")
    for split in ("valid", "validation"):
        dataset = load_dataset(str(tmp_path), split)
        assert len(dataset) == 3
        assert dataset.groups is None
        assert dataset[0].shape == (64, 64, 3)


@pytest.mark.parametrize(
    ("labels", "groups"),
    [([0, 2, 1], ["0", "2", "1"]), ([0, -1, 1], None), ([0, None, 1], None), (["a", "b", "a"], None)],
)
def test_parquet_with_labels_of_unknown_names_or_hidden_ones(tmp_path, labels, groups):
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = [encode(image) for image in random_images(3)]
    pq.write_table(pa.table({"image": cells, "label": labels}), tmp_path / "test.parquet")
    dataset = load_dataset(str(tmp_path), "test")
    assert dataset.groups == groups


def test_missing_split_names_those_that_are_there(cifar_folder):
    with pytest.raises(DatasetError, match=r"validation.*test, train"):
        load_dataset(str(cifar_folder), "validation")
    with pytest.raises(DatasetError, match="'dev'"):
        load_dataset(str(cifar_folder), "dev")


def test_python_batches(tmp_path):
    images = random_images(4)
    planes = images.transpose(0, 3, 1, 2).reshape(4, -1)
    for name in ("data_batch_1", "data_batch_2", "test_batch"):
        (tmp_path / name).write_bytes(pickle.dumps({b"data": planes, b"labels": [3, 8, 8, 0]}))
    assert len(load_dataset(str(tmp_path), "train")) == 8
    test = load_dataset(str(tmp_path), "test")
    assert np.array_equal(test[1], images[1])
    assert test.groups == ["cat", "ship", "ship", "airplane"]


def test_python_batches_that_run_code_are_refused(tmp_path):
    (tmp_path / "test_batch").write_bytes(b"cos\nsystem\n(S'touch harmed'\ntR.")
    with pytest.raises(DatasetError, match=r"refused: os\.system"):
        load_dataset(str(tmp_path), "test")


def test_class_folders_flat_folders_and_split_folders(tmp_path):
    sizes = iter(range(40, 60))
    for place in ("classes/cat/1.png", "classes/dog/2.png", "flat/1.png", "flat/2.png"):
        for root in (tmp_path, tmp_path / "split/train"):
            path = root / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(random_images(1, next(sizes))[0]))
    classes = load_dataset(str(tmp_path / "classes"))
    assert classes.groups == ["cat", "dog"]
    flat = load_dataset(str(tmp_path / "flat"), "test")
    assert len(flat) == 2
    assert flat.groups is None
    assert len(load_dataset(str(tmp_path / "split"), "train")) == 4
    with pytest.raises(DatasetError, match="available: train"):
        load_dataset(str(tmp_path / "split"), "test")


def test_class_that_is_called_like_a_split_and_hidden_files(tmp_path):
    for name in ("train/1.png", "bus/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(encode(random_images(1)[0]))
    with pytest.raises(DatasetError, match=r"splits \(train\) beside others \(bus\)"):
        load_dataset(str(tmp_path))
    (tmp_path / "bus").rename(tmp_path / ".bus")
    (tmp_path / "train/._1.png").write_bytes(b"of a file manager")
    assert load_dataset(str(tmp_path)).ids == ["1.png"]


def test_folder_without_images_and_missing_folder(tmp_path):
    with pytest.raises(DatasetError, match="or image in"):
        load_dataset(str(tmp_path))
    with pytest.raises(DatasetError, match="existing folder"):
        load_dataset(str(tmp_path / "none"))


def test_broken_parquet_file_is_named(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DatasetError, match=r"train\.parquet can't be read as Parquet"):
        load_dataset(str(tmp_path))


def test_array_cuts_squares_and_resizes(tmp_path):
    wide = np.zeros((40, 100, 3), np.uint8)
    wide[:, 30:70] = (0, 200, 100)  # The central square.
    (tmp_path / "a.png").write_bytes(encode(wide))
    array = load_array(load_dataset(str(tmp_path)), 16)
    assert array.shape == (1, 16, 16, 3)
    assert np.array_equal(np.unique(array.reshape(-1, 3), axis=0), [[0, 200, 100]])


def test_corrupt_rows_are_named_counted_and_skipped_only_when_asked(tmp_path, caplog):
    cells = [encode(image) for image in random_images(6)]
    cells[1], cells[4] = b"", cells[4][:50]
    write_parquet(tmp_path / "train.parquet", cells)
    dataset = load_dataset(str(tmp_path))
    with pytest.raises(DatasetError, match=r"(?s)2 of the 6 .*row 1.*row 4.*skip corrupt images"):
        load_array(dataset, 32)
    assert len(load_array(dataset, 32, skip_corrupt=True)) == 4
    assert "skipped 2 corrupt images of 6" in caplog.text


def test_cifar10_is_sought_in_order_and_the_source_is_logged(cifar_folder, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("COLORIZER_DATA", str(cifar_folder))
    assert len(load_dataset("cifar10", "test")) == 10
    assert str(cifar_folder) in caplog.text
    cifar_folder.rename(cifar_folder.with_name("cifar-10"))
    monkeypatch.setenv("COLORIZER_DATA", str(cifar_folder.with_name("cifar-10")))
    assert load_dataset("cifar10", "test").name == "cifar10"
    cifar_folder.with_name("cifar-10").rename(cifar_folder)

    monkeypatch.delenv("COLORIZER_DATA")
    asked = []

    def download(repository, file, **options):
        asked.append((repository, file, options))
        return str(cifar_folder / file)

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert len(load_dataset("cifar10", "test")) == 10
    assert [(repository, file) for repository, file, _ in asked] == [
        ("uoft-cs/cifar10", "plain_text/test-00000-of-00001.parquet")
    ]
    assert "Hugging Face Hub" in caplog.text


def test_cifar10_from_keras_where_the_hub_fails(monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    images, labels = random_images(5), np.arange(5)[:, None]
    monkeypatch.setattr("huggingface_hub.hf_hub_download", _fail)
    monkeypatch.setattr("keras.datasets.cifar10.load_data", lambda: ((images, labels), (images[:2], labels[:2])))
    dataset = load_dataset("cifar10", "test")
    assert dataset.groups == ["airplane", "automobile"]
    assert np.array_equal(dataset[1], images[1])
    assert "from keras.datasets.cifar10" in caplog.text


def test_error_when_cifar10_is_nowhere_tells_what_was_tried(tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZER_DATA", str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", _fail)
    monkeypatch.setattr("keras.datasets.cifar10.load_data", _fail)
    with pytest.raises(DatasetError) as error:
        load_dataset("cifar10", "test")
    for words in (
        "COLORIZER_DATA",
        "no such folder",
        "Hugging Face Hub",
        "no network",
        "keras.datasets",
        "cifar-10-batches-py",
    ):
        assert words in str(error.value)


def test_without_download_nothing_is_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("keras.datasets.cifar10.load_data", lambda: pytest.fail("downloaded"))
    monkeypatch.setattr("socket.socket.connect", lambda *arguments: pytest.fail("connected"))
    with pytest.raises(DatasetError, match="downloads are off"):
        load_dataset("cifar10", "test", download=False)


def test_validation_images_are_always_the_same(cifar_folder):
    dataset = load_dataset(str(cifar_folder))
    train, validation = split_validation(dataset, 0.25)
    assert (len(train), len(validation)) == (30, 10)
    assert set(train.ids) | set(validation.ids) == set(dataset.ids)
    assert split_validation(dataset, 0.25)[1].ids == validation.ids
    with pytest.raises(DatasetError, match="40 for training and 0"):
        split_validation(dataset, 0.001)


def test_names_of_classes_in_a_hub_header(tmp_path):
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    header = {"info": {"features": {"label": {"names": ["tench", "goldfish"], "_type": "ClassLabel"}}}}
    table = pa.table({"image": [{"bytes": encode(random_images(1)[0]), "path": None}], "label": [1]})
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(header)}), tmp_path / "test.parquet")
    assert load_dataset(str(tmp_path), "test").groups == ["goldfish"]


def _fail(*arguments, **options):
    raise OSError("no network")


def test_names_in_records_are_no_paths(cifar_folder):
    assert sources.load_dataset(str(cifar_folder / "plain_text")).name == "cifar10"


def test_the_first_folder_of_a_path_is_the_group(tmp_path):
    cells = [{"bytes": encode(image), "path": path} for image, path in zip(IMAGES[:3], PATHS, strict=True)]
    pq.write_table(pa.table({"image": cells}), tmp_path / "train.parquet")
    dataset = load_dataset(str(tmp_path), "train")
    assert dataset.groups == ["rooms", "rooms", "street"]
    assert dataset.ids[2] == "train.parquet row 2 (street/b/1.jpg)"
    kept = dataset.drop_groups(["rooms", "beach"])
    assert kept.ids == dataset.ids[2:]
    assert kept.groups == ["street"]
    cells[1]["path"] = "1.jpg"
    pq.write_table(pa.table({"image": cells, "label": [0, 1, 1]}), tmp_path / "train.parquet")
    assert load_dataset(str(tmp_path), "train").groups == ["0", "1", "1"], "a path without a folder names no group"


def test_a_folder_without_splits_is_taken_whole(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(encode(IMAGES[0]))
    for split in ("train", "test", "valid"):
        dataset = load_dataset(str(tmp_path), split)
        assert (dataset.split, len(dataset), dataset.groups) == ("all", 2, ["a", "b"])


def test_a_split_of_validation_is_validated_on(tmp_path):
    for split, count in (("train", 8), ("valid", 3)):
        write_parquet(tmp_path / f"{split}.parquet", [encode(image) for image in IMAGES[:count]])
    train, validation = load_parts(str(tmp_path), 0.25)
    assert (len(train), len(validation), validation.split) == (8, 3, "validation")
    (tmp_path / "valid.parquet").unlink()
    train, validation = load_parts(str(tmp_path), 0.25)
    assert (len(train), len(validation), validation.split) == (6, 2, "train")


def test_a_folder_without_splits_is_divided(tmp_path):
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(encode(IMAGES[i]))
    train, validation = load_parts(str(tmp_path), 0.25)
    assert sorted(train.ids + validation.ids) == [f"{i}.png" for i in range(4)]
    assert len(validation) == 1


def test_a_broken_split_of_validation_is_no_absent_one(tmp_path):
    write_parquet(tmp_path / "train.parquet", [encode(image) for image in IMAGES[:4]])
    (tmp_path / "valid.parquet").write_bytes(b"broken")
    with pytest.raises(DatasetError, match=r"valid\.parquet can't be read"):
        load_parts(str(tmp_path), 0.25)


def test_groups_are_held_out_of_training_only(tmp_path):
    cells = [{"bytes": encode(image), "path": path} for image, path in zip(IMAGES, PATHS, strict=False)]
    for split in ("train", "valid"):
        pq.write_table(pa.table({"image": cells}), tmp_path / f"{split}.parquet")
    parts = load_parts(str(tmp_path), 0.25)
    ((train, validation),) = hold_out([parts], ["rooms"])
    assert (train.groups, validation.groups) == (["street"], ["rooms", "rooms", "street"])
    assert hold_out([parts], []) == [parts]
    with pytest.raises(DatasetError, match="no group beach to hold out; available: rooms, street"):
        hold_out([parts], ["rooms", "beach"])
    with pytest.raises(DatasetError, match=r"no image of .* is left"):
        hold_out([parts], ["rooms", "street"])
