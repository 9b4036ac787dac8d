"""Metadata that a result keeps, and ICC profiles."""

import io
import struct
import zlib

import numpy as np
import pytest
from conftest import encode
from image_files import (
    RGB,
    SWAPPED,
    WIDE,
    camera_exif,
    gray_profile,
    ink_profile,
    pillow,
    tiff,
    with_thumbnail,
)
from PIL import ExifTags, Image, ImageCms, IptcImagePlugin, PngImagePlugin, TiffImagePlugin

from colorizer.imaging.decode import decode_image, decode_with_metadata
from colorizer.imaging.encode import encode_image, save_image
from colorizer.imaging.metadata import mark_colorized, read_settings

# === Profiles ===


def test_profile_is_converted_to_srgb():
    """A profile whose red is sRGB's blue, so that the two are swapped."""
    for mode, format in (("RGB", "PNG"), ("RGB", "TIFF"), ("RGB", "WEBP"), ("P", "PNG"), ("RGBA", "PNG")):
        picture = Image.new("RGB", (4, 4), (255, 0, 0)).convert(mode)
        decoded = decode_image(pillow(picture, format, icc_profile=SWAPPED, lossless=True))
        assert np.abs(decoded[0, 0, :3].astype(int) - (0, 0, 255)).max() <= 6, (mode, format, decoded[0, 0])
    array = np.full((4, 4, 3), (65535, 0, 0), np.uint16)
    content = tiff(array)
    assert np.abs(decode_image(content)[0, 0].astype(int) - (255, 0, 0)).max() == 0


def test_profile_of_a_deep_picture():
    picture = Image.fromarray(np.full((4, 4), 0.25, np.float32))
    content = pillow(picture, "TIFF", icc_profile=gray_profile(1.0))
    assert abs(int(decode_image(content)[0, 0, 0]) - 137) <= 2  # Linear 0.25 is sRGB's level 137.


def test_gray_profile():
    for mode in ("L", "LA"):
        picture = Image.new("L", (4, 4), 64).convert(mode)
        decoded = decode_image(pillow(picture, "PNG", icc_profile=gray_profile(1.0)))
        assert np.abs(decoded[0, 0, :3].astype(int) - 137).max() <= 2
        assert decoded.shape[2] == (4 if mode == "LA" else 3)


@pytest.mark.parametrize("format", ["TIFF", "JPEG", "16 bits in planes"])
def test_profile_of_inks(format):
    """All inks are gray: cyan is blue without the profile, and light gray with it."""
    for inks, expected in (((255, 0, 0, 0), 185), ((0, 255, 255, 0), 119), ((0, 0, 0, 0), 255)):
        picture = Image.new("CMYK", (16, 16), inks)
        if format == "16 bits in planes":
            deep = np.asarray(picture).astype(np.uint16) * 257
            content = tiff(deep, t262=5, t284=2, t34675=struct.unpack(f"<{len(INKS) // 4}I", INKS))
            content = content.replace(
                struct.pack("<HHI", 34675, 4, len(INKS) // 4), struct.pack("<HHI", 34675, 7, len(INKS))
            )
            plain = tiff(deep, t262=5, t284=2)
        else:
            content, plain = (pillow(picture, format, icc_profile=profile) for profile in (INKS, b""))
        assert np.abs(decode_image(content).astype(int) - expected).max() <= 3
        assert np.abs(decode_image(plain).astype(int) - np.asarray(picture.convert("RGB"))).max() <= 3


INKS = ink_profile()


def test_profile_of_another_kind_or_none_is_passed_over():
    inks = Image.fromarray(RGB).convert("CMYK")
    for picture, other in ((Image.fromarray(RGB), gray_profile(1.0)), (Image.fromarray(RGB), b"no"), (inks, SWAPPED)):
        content = pillow(picture, "TIFF", icc_profile=other)
        assert np.array_equal(decode_image(content), np.asarray(picture.convert("RGB")))


def test_srgb_profile_changes_nothing():
    content = encode_image(RGB, "PNG", decode_with_metadata(encode(RGB))[1])
    assert Image.open(io.BytesIO(content)).info["icc_profile"]
    assert np.array_equal(decode_image(content), RGB)
    other = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.abs(decode_image(encode(RGB, icc_profile=other)).astype(int) - RGB).max() <= 1


# === Metadata ===


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("target", [".jpg", ".png", ".webp", ".tif"])
def test_metadata_is_kept(tmp_path, source, target):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6">Grandma</x:xmpmeta>'
    exif = camera_exif().tobytes()
    exif = with_thumbnail(exif) if source == "JPEG" else exif
    content = encode(RGB, source, exif=exif, dpi=(300, 200), icc_profile=SWAPPED)
    if source == "JPEG":
        content = encode(RGB, source, exif=exif, dpi=(300, 200), icc_profile=SWAPPED, xmp=xmp)
        assert Image.open(io.BytesIO(content)).getexif().get_ifd(ExifTags.IFD.IFD1)
    image, metadata = decode_with_metadata(content)
    save_image(image, tmp_path / f"a{target}", metadata)
    with Image.open(tmp_path / f"a{target}") as kept:
        kept.load()
        exif = kept.getexif()
        assert exif.get(ExifTags.Base.Orientation, 1) == 1
        assert exif[ExifTags.Base.DateTime] == "2001:02:03 04:05:06"
        assert exif[ExifTags.Base.ImageDescription] == "Grandma"
        details = exif.get_ifd(ExifTags.IFD.Exif)
        assert details[ExifTags.Base.DateTimeOriginal] == "1954:06:07 08:09:10"
        assert details[ExifTags.Base.ExifImageWidth] == kept.width == RGB.shape[0]
        assert exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"
        assert not exif.get_ifd(ExifTags.IFD.IFD1)
        if source != "WEBP":
            assert exif[ExifTags.Base.XResolution] == pytest.approx(300, abs=0.01)
            if target != ".webp":
                assert kept.info["dpi"] == pytest.approx((300, 200), abs=0.01)
        if source == "JPEG":
            assert kept.info["xmp"] == xmp.replace(b'"6"', b'"1"')
        assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(kept.info["icc_profile"])))
    assert np.abs(decode_image(tmp_path / f"a{target}").astype(int) - image).max() <= (12 if target == ".jpg" else 0)


IPTC = b"\x1c\x02\x78\0\x0fThe caption, so"  # Record 2:120.


def iptc_jpeg() -> bytes:
    resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC
    segment = b"Photoshop 3.0\0" + resource
    return encode(RGB, "JPEG", extra=b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment)


def iptc_tiff(array: np.ndarray) -> bytes:
    """As Photoshop writes it, declared as 32-bit integers."""
    return tiff(array, t33723=struct.unpack("<5I", IPTC))


@pytest.mark.parametrize(
    "source", [iptc_jpeg(), iptc_tiff(RGB), iptc_tiff(WIDE[..., :3])], ids=["JPEG", "TIFF", "deep TIFF"]
)
@pytest.mark.parametrize("target", ["JPEG", "TIFF"])
@pytest.mark.parametrize("exif", [True, False])
def test_iptc_is_kept(source, target, exif):
    image, metadata = decode_with_metadata(source)
    if exif:
        kept_exif = camera_exif()
        del kept_exif[ExifTags.Base.Orientation]
        metadata["exif"] = kept_exif.tobytes()
    with Image.open(io.BytesIO(encode_image(image, target, metadata))) as kept:
        assert IptcImagePlugin.getiptcinfo(kept)[2, 120] == b"The caption, so"
        assert (ExifTags.Base.DateTime in kept.getexif()) == exif
    assert np.abs(decode_image(encode_image(image, target, metadata)).astype(int) - image).mean() < 20


def test_iptc_that_is_damaged_or_has_no_place_is_left_out():
    assert "iptc" not in decode_with_metadata(iptc_jpeg().replace(IPTC, b"no".ljust(len(IPTC))))[1]
    assert "iptc" not in decode_with_metadata(tiff(RGB, t33723=(1, 2, 3)))[1]
    image, metadata = decode_with_metadata(iptc_jpeg())
    for format in ("PNG", "WEBP"):
        assert decode_image(encode_image(image, format, metadata)).shape == image.shape
    assert encode_image(image, "JPEG", metadata | {"iptc": IPTC * 5000}) == encode_image(
        image, "JPEG", {name: value for name, value in metadata.items() if name != "iptc"}
    )


def test_metadata_of_a_deep_tiff():
    exif = camera_exif()
    exif[TiffImagePlugin.XMP] = b"<x:xmpmeta>Grandma</x:xmpmeta>"
    content = pillow(Image.fromarray(WIDE[..., 0]), "TIFF", exif=exif.tobytes(), dpi=(600, 600))
    image, metadata = decode_with_metadata(content)
    assert metadata["xmp"] == b"<x:xmpmeta>Grandma</x:xmpmeta>"
    assert image.shape[:2] == RGB.shape[1::-1]
    with Image.open(io.BytesIO(encode_image(image, "JPEG", metadata))) as kept:
        assert kept.info["dpi"] == pytest.approx((600, 600))
        assert kept.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "1954:06:07 08:09:10"


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF", "deep TIFF"])
@pytest.mark.parametrize("target", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_letters_of_exif_keep_their_bytes(source, target):
    """They may be Latin-1 or UTF-8; both are common, although EXIF allows only ASCII."""
    caption, owner = "Gro\xdfmutter", "J\xc3\xbcrgen".encode("latin-1")
    exif = Image.Exif()
    exif.endian = "<"
    exif[ExifTags.Base.ImageDescription] = "G" * len(caption)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.CameraOwnerName] = "J" * len(owner)
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + "Oma".encode("utf-16-le")
    if source == "deep TIFF":
        content = pillow(Image.fromarray(WIDE[..., 0]), "TIFF", exif=exif.tobytes())
    else:
        content = encode(RGB, source, exif=exif.tobytes())
    assert content.count(b"G" * len(caption)) == content.count(b"J" * len(owner)) == 1
    content = content.replace(b"G" * len(caption), caption.encode("latin-1")).replace(b"J" * len(owner), owner)
    if source == "PNG":  # Its chunks have checksums.
        place = content.index(b"eXIf")
        (length,) = struct.unpack(">I", content[place - 4 : place])
        end = place + 4 + length
        content = content[:end] + struct.pack(">I", zlib.crc32(content[place:end])) + content[end + 4 :]
    image, metadata = decode_with_metadata(content)
    with Image.open(io.BytesIO(encode_image(image, target, metadata))) as kept:
        found = kept.getexif()
        assert found[ExifTags.Base.ImageDescription] == caption
        details = found.get_ifd(ExifTags.IFD.Exif)
        assert details[ExifTags.Base.CameraOwnerName].encode("latin-1") == owner
        assert details[ExifTags.Base.UserComment] == b"UNICODE\0" + "Oma".encode("utf-16-le")
        if source not in ("TIFF", "deep TIFF"):
            assert found.endian == "<"


@pytest.mark.parametrize("prefix", [b"xmp", b"xap"])
def test_xmp_is_kept_without_its_thumbnail(prefix):
    thumbnail = b"<%b:Thumbnails><rdf:li><%bGImg:image>/9j/</%bGImg:image></rdf:li></%b:Thumbnails>" % ((prefix,) * 4)
    xmp = b"<x:xmpmeta><dc:title>Grandma</dc:title>%b</x:xmpmeta>"
    _, metadata = decode_with_metadata(encode(RGB, "JPEG", xmp=xmp % thumbnail))
    assert metadata["xmp"] == xmp % b""


def test_damaged_and_oversized_metadata_do_not_harm(tmp_path):
    broken = encode(RGB, "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(40))
    image, metadata = decode_with_metadata(broken)
    assert image.shape == RGB.shape
    save_image(image, tmp_path / "a.jpg", metadata)
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "long" * 30_000
    image, metadata = decode_with_metadata(encode(RGB, "PNG", exif=exif))
    for name in ("b.jpg", "b.png", "b.webp", "b.tif"):
        save_image(image, tmp_path / name, metadata)
        assert decode_image(tmp_path / name).shape == RGB.shape


@pytest.mark.parametrize("dpi", [(float("nan"), 300.0), (1e9, 1e9), (0, 0), (-1, 5), ("a", "b"), 300])
def test_an_invalid_resolution_is_left_out(dpi):
    picture = Image.fromarray(RGB)
    picture.info["dpi"] = dpi
    image, metadata = decode_with_metadata(picture)
    assert "dpi" not in metadata
    for format in ("JPEG", "PNG", "WEBP", "TIFF"):
        assert encode_image(image, format, metadata)


def test_tiff_without_a_resolution_gets_none():
    image, metadata = decode_with_metadata(pillow(Image.fromarray(RGB), "TIFF"))
    assert "dpi" not in metadata
    with Image.open(io.BytesIO(encode_image(image, "JPEG", metadata))) as kept:
        assert "dpi" not in kept.info


def test_tiff_is_compressed_where_that_can_be():
    """Pillow writes EXIF directories only into uncompressed TIFF."""
    flat = np.zeros((200, 200, 3), np.uint8)
    scan, photo = encode(flat, "JPEG", dpi=(300, 300)), encode(flat, "JPEG", exif=camera_exif().tobytes())
    sizes = [len(encode_image(flat, "TIFF", decode_with_metadata(content)[1])) for content in (scan, photo)]
    assert sizes[0] < 5_000 < flat.size < sizes[1]
    with Image.open(io.BytesIO(encode_image(flat, "TIFF", decode_with_metadata(scan)[1]))) as kept:
        assert kept.info["dpi"] == pytest.approx((300, 300))


def test_exif_tells_the_color_space_of_the_result_and_the_place_alone():
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    kept = Image.Exif()
    kept.load(decode_with_metadata(encode(RGB, "JPEG", exif=exif.tobytes()))[1]["exif"])
    assert kept.get_ifd(ExifTags.IFD.GPSInfo) == {ExifTags.GPS.GPSLatitudeRef: "N"}
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] = 65535
    kept.load(decode_with_metadata(encode(RGB, "JPEG", exif=exif.tobytes()))[1]["exif"])
    assert kept.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ColorSpace] == 1


def test_metadata_that_can_not_be_written_are_left_out():
    for format in ("JPEG", "PNG", "WEBP", "TIFF"):
        content = encode_image(
            RGB, format, {"exif": b"Exif\0\0" + bytes(40), "dpi": (float("nan"), 1e12), "xmp": b"\xff"}
        )
        assert decode_image(content).shape == RGB.shape


def test_arrays_without_metadata_get_none():
    with Image.open(io.BytesIO(encode_image(RGB))) as picture:
        assert not picture.info


def resolution_exif(dpi: float | None) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "A camera"
    if dpi:
        exif[ExifTags.Base.XResolution] = exif[ExifTags.Base.YResolution] = dpi
        exif[ExifTags.Base.ResolutionUnit] = 2
    return exif


@pytest.mark.parametrize(
    ("content", "dpi"),
    [
        (encode(RGB, "JPEG", exif=resolution_exif(600), dpi=(72, 72)), 600),
        (encode(RGB, "JPEG", exif=resolution_exif(72), dpi=(300, 300)), 300),
        (encode(RGB, "JPEG", exif=resolution_exif(None)), None),
        (encode(RGB, "JPEG", dpi=(300, 300)), 300),
        (encode(RGB, "WEBP", exif=resolution_exif(600)), 600),
        (encode(RGB, "PNG", exif=resolution_exif(600)), 600),
        (encode(RGB, "HEIF", exif=resolution_exif(600).tobytes()), 600),
        (encode(RGB, "PNG"), None),
    ],
    ids=["EXIF before JFIF", "JFIF before 72", "none", "JFIF", "WebP", "PNG", "HEIC", "PNG without"],
)
@pytest.mark.parametrize("target", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_resolution_is_kept_where_it_is_told_and_never_invented(content, dpi, target):
    image, metadata = decode_with_metadata(content)
    again = decode_with_metadata(encode_image(image, target, metadata))[1]
    for found in (metadata.get("dpi"), again.get("dpi")):
        assert found == (None if dpi is None else pytest.approx((dpi, dpi), abs=0.02))


def test_software_names_of_pages_comments_and_texts_are_kept():
    exif = Image.Exif()
    exif[ExifTags.Base.Software], exif[ExifTags.Base.DocumentName] = "A scanner", "Album 3"
    exif[ExifTags.Base.PageName] = "Page 7"
    image, metadata = decode_with_metadata(encode(RGB, "TIFF", exif=exif))
    with Image.open(io.BytesIO(encode_image(image, "JPEG", metadata))) as kept:
        found = kept.getexif()
        assert [found[tag] for tag in exif] == [exif[tag] for tag in exif]
    image, metadata = decode_with_metadata(encode(RGB, "JPEG", comment=b"Grandma"))
    with Image.open(io.BytesIO(encode_image(image, "JPEG", metadata))) as kept:
        assert kept.info["comment"] == b"Grandma"
    with Image.open(io.BytesIO(encode_image(image, "PNG", metadata))) as kept:
        assert kept.text["Comment"] == "Grandma"
    with Image.open(io.BytesIO(encode_image(image, "TIFF", metadata))) as kept:
        assert kept.getexif()[ExifTags.Base.ImageDescription] == "Grandma"
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "A title")
    texts.add_text("Author", "An author")
    image, metadata = decode_with_metadata(encode(RGB, "PNG", pnginfo=texts))
    with Image.open(io.BytesIO(encode_image(image, "PNG", metadata))) as kept:
        assert kept.text["Title"] == "A title"
    with Image.open(io.BytesIO(encode_image(image, "WEBP", metadata))) as kept:
        assert kept.getexif()[ExifTags.Base.Artist] == "An author"


def test_mark_takes_the_place_of_an_earlier_one_and_keeps_the_rest():
    source = b'<x:xmpmeta><rdf:RDF><rdf:Description xmp:CreatorTool="Other" dc:title="Oma"/></rdf:RDF></x:xmpmeta>'
    once = mark_colorized({"xmp": source}, "Colorizer 1", "abc")
    twice = mark_colorized(once, "Colorizer 2", "def")
    assert b'dc:title="Oma"' in twice["xmp"]
    assert twice["xmp"].count(b"xmp:CreatorTool=") == twice["xmp"].count(b"DigitalSourceType=") == 1
    assert read_settings(once["xmp"]) == "abc"
    assert read_settings(twice["xmp"]) == "def"
    assert read_settings(mark_colorized({}, "Colorizer 1", "xyz")["xmp"]) == "xyz"
