import numpy as np
import pytest

from colorizer.models.autoencoder import build_autoencoder, build_decoder, build_encoder


def test_specified_sizes():
    model = build_autoencoder()
    assert model.count_params() == 3_431_811
    assert model.input_shape == (None, 32, 32, 1)
    assert model.output_shape == (None, 32, 32, 3)
    encoder, decoder = model.get_layer("encoder"), model.get_layer("decoder")
    convolutions = [layer for layer in encoder.layers if layer.name.startswith("conv")]
    assert [c.filters for c in convolutions] == [64, 128, 256]
    assert {(c.kernel_size, c.strides, c.activation.__name__) for c in convolutions} == {((3, 3), (2, 2), "relu")}
    assert encoder.output_shape == (None, 256)
    assert decoder.layers[-1].activation.__name__ == "sigmoid"


def test_parts_work_by_themselves_and_make_the_whole():
    model = build_autoencoder(latent_dim=8, filters=(4, 8))
    luma = np.random.default_rng(0).random((2, 32, 32, 1), np.float32)
    latent = model.get_layer("encoder")(luma)
    assert latent.shape == (2, 8)
    picture = np.asarray(model.get_layer("decoder")(latent))
    assert np.allclose(picture, model(luma), atol=1e-6)
    assert picture.min() >= 0
    assert picture.max() <= 1


def test_sizes_can_be_chosen():
    assert build_encoder(64, 10, (8, 8, 8, 8)).output_shape == (None, 10)
    assert build_decoder(64, 10, (8, 8, 8, 8)).output_shape == (None, 64, 64, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 30}, "multiple of 8.*got 30"),
        ({"latent_dim": 0}, "latent_dim=0"),
        ({"filters": ()}, r"filters=\(\)"),
    ],
)
def test_impossible_sizes_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        build_autoencoder(**options)
