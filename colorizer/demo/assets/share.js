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
    return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
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
