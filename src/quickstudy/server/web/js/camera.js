// The camera, as a square of pixels; and pictures from files, brought to a size that is quickly sent.

const SIDE = 224; // of a picture from the camera
const LONGEST = 512; // of one from a file
const QUALITY = 0.9;

export class Camera {
  constructor(video) {
    this.video = video;
    this.stream = null;
  }

  get on() {
    return this.stream !== null;
  }

  /** Ask for the camera; an Error with a sentence where there is none, or it is refused. */
  async start() {
    if (!navigator.mediaDevices) throw new Error("Browsers lend the camera to https or localhost only. Open this page there, or give files.");
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 640 } } });
    } catch (error) {
      throw new Error(error.name === "NotAllowedError" ? "The camera was not allowed. Allow it in the browser, or give files." : "There is no camera here that can be used. Give files instead.");
    }
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = this.video.srcObject = null;
  }

  /** What it sees now, as an input. */
  picture() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const side = Math.min(width, height);
    return input(SIDE, SIDE, (context) => context.drawImage(this.video, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE));
  }
}

/** A file of a picture as an input; an Error with a sentence where it is none. */
export async function fromFile(file) {
  let image;
  try {
    image = await createImageBitmap(file);
  } catch {
    throw new Error(`${file.name} is no picture that this browser can read.`);
  }
  const scale = Math.min(1, LONGEST / Math.max(image.width, image.height));
  const [width, height] = [image.width, image.height].map((one) => Math.max(1, Math.round(one * scale)));
  return input(width, height, (context) => context.drawImage(image, 0, 0, width, height));
}

function input(width, height, draw) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  draw(canvas.getContext("2d"));
  return { image: canvas.toDataURL("image/jpeg", QUALITY).split(",")[1] };
}
