// Save files, and share the photo side by side with its color version.
function saveFile(url, name) {
    const link = document.createElement("a");
    [link.href, link.download] = [url, name];
    document.body.append(link);
    link.click();
    link.remove();
}

async function joinSideBySide(before, after) {
    const images = [before, after].map((url) => Object.assign(new Image(), {src: url}));
    try {
        await Promise.all(images.map((image) => image.decode()));
    } catch {
        return null;
    }
    const {naturalWidth: width, naturalHeight: height} = images[0];
    const stacked = width > 1.6 * height;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = stacked ? [width, 2 * height] : [2 * width, height];
    const context = canvas.getContext("2d");
    context.fillStyle = "white";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(images[0], 0, 0);
    context.drawImage(images[1], stacked ? 0 : width, stacked ? height : 0);
    const picture = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    return picture && markColorized(picture);
}

// Say in XMP that a model made the colors, as in downloads: behind the first segment of a JPEG, of which the canvas
// writes JFIF.
async function markColorized(picture) {
    const begin = new DataView(await picture.slice(0, 6).arrayBuffer());
    const after = 4 + begin.getUint16(4);
    const mark = new TextEncoder().encode(`http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/">
        <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
        xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
        Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
        xmp:CreatorTool="Colorizer"/></rdf:RDF></x:xmpmeta>`);
    const head = Uint8Array.of(0xff, 0xe1, (mark.length + 2) >> 8, (mark.length + 2) & 0xff);
    return new Blob([picture.slice(0, after), head, mark, picture.slice(after)], {type: picture.type});
}

async function shareFile(file) {
    if (navigator.canShare?.({files: [file]})) {
        try {
            return await navigator.share({files: [file]});
        } catch (error) {
            if (error.name === "AbortError") return;
        }
    }
    const url = URL.createObjectURL(file);
    saveFile(url, file.name);
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
