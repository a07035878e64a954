// The player: the sound is the clock. A frame that comes too late is left out, never queued.

const MOST_TURN = 0.3; // radians beside the filmed pose: farther away nothing was ever seen
const PER_PIXEL = 0.004; // radians
const SLOWEST = 0.2; // seconds of drawing that are reckoned with

const SLOW = 1.5; // frames that pass while one is drawn, above which the head is drawn at half its size while it moves

const byId = (name) => document.getElementById(name);

async function pictureOf(base64) {
  return createImageBitmap(new Blob([bytesOf(base64)]), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
}

class Player {
  constructor(about, head, stage) {
    Object.assign(this, { about, head, stage, yaw: 0, pitch: 0, took: 0, slow: false, pictures: 0 });
    Object.assign(this, { moved: -1, drawn: "", drawing: -1, shown: -1 });
    this.sound = byId("sound");
    const { sound } = this, play = byId("play"), frame = byId("frame"), canvas = byId("picture");
    play.onclick = () => (sound.paused ? sound.play() : sound.pause());
    sound.onplay = sound.onpause = sound.onended = () => {
      play.textContent = sound.paused ? "Play" : "Pause";
    };
    // The middle of a frame: rounding leads to no other.
    frame.oninput = () => {
      sound.currentTime = (Number(frame.value) + 0.5) / about.fps;
    };
    canvas.onpointerdown = (event) => canvas.setPointerCapture(event.pointerId);
    canvas.onpointermove = (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      const held = (angle) => Math.min(Math.max(angle, -MOST_TURN), MOST_TURN);
      this.yaw = held(this.yaw + PER_PIXEL * event.movementX);
      this.pitch = held(this.pitch + PER_PIXEL * event.movementY);
    };
    canvas.ondblclick = () => {
      this.yaw = this.pitch = 0;
    };
    play.disabled = frame.disabled = false;
    this.tick();
  }

  tick() {
    requestAnimationFrame(() => this.tick());
    if (this.stage.busy()) return;
    if (this.shown !== this.drawing) {
      this.shown = this.drawing;
      this.took += (Math.min((performance.now() - this.began) / 1000, SLOWEST) - this.took) / 4;
    }
    const { fps, frames } = this.about;
    const index = Math.min(Math.floor((this.sound.currentTime + this.ahead()) * fps + 1e-6), frames - 1);
    // What stands still is drawn as finely as can be seen; what moves has to be in time.
    this.slow ||= this.took > SLOW / fps;
    const scale = this.slow && !this.sound.paused ? 0.5 : 1;
    const wanted = `${index} ${this.yaw} ${this.pitch} ${scale}`;
    if (wanted === this.drawn) return;
    this.began = performance.now();
    if (index !== this.moved) this.head.move(index);
    const view = turned(this.head.row("view", index, 12), this.yaw, this.pitch);
    this.stage.draw(this.head.sorted, this.head.see(view, scale), this.head.row("body", index, 6), scale);
    Object.assign(this, { drawn: wanted, moved: index, drawing: index, pictures: this.pictures + 1 });
    byId("frame").value = index;
    byId("time").value = `${(index / fps).toFixed(1)} / ${(frames / fps).toFixed(1)} s`;
  }

  // Seconds until a picture that is begun now is seen, and half as many again: to the middle of the time that it stays,
  // where drawing takes longer than a frame lasts.
  ahead() {
    return this.sound.paused ? 0 : 1.5 * this.took;
  }

  // What the page is at, for whoever watches it.
  state() {
    const { shown, pictures, slow, yaw, pitch, sound } = this;
    return { shown, pictures, slow, yaw, pitch, time: sound.currentTime, playing: !sound.paused };
  }
}

async function begin() {
  try {
    const about = JSON.parse(byId("about").textContent);
    const head = new Head(readNumbers(about.numbers, bytesOf(byId("contents").textContent)), about.size, about.lens);
    const pictures = {};
    for (const [name, base64] of Object.entries(about.pictures)) pictures[name] = await pictureOf(base64);
    const stage = new Stage(byId("picture"), about.size, about.reach, head.count, pictures);
    window.talkingHead = new Player(about, head, stage);
  } catch (error) {
    byId("note").textContent = `Nothing can be shown: ${error.message}.`;
    throw error;
  }
}

begin();
