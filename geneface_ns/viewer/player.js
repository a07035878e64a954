// The browser's side of the player. viser runs it inside the function that handles its messages, whose `viewer` is the
// page's state. The sound element is the master clock: it is reported to the server, which sends the picture that
// belongs to it, and the picture on the screen is compared with it here.
(() => {
  if (window.talkingHead) window.talkingHead.close();

  const REPORT = 100; // ms between reports
  const WINDOW = 5000; // ms that the worst difference is kept for
  const page = viewer;
  const audio = document.createElement("audio");
  audio.id = "talking-head-sound";
  audio.preload = "auto";
  audio.preservesPitch = true;
  document.body.appendChild(audio);

  let channel = null; // the panel's element that reports go to
  let number = 0; // of the last report
  let sought = 0; // number of the last seek carried out
  let note = "";
  let pieces = [], peaks = [], fps = 25, total = 1, loaded = 0;
  let latestUrl = null; // of the picture that arrived last
  const arrived = new Map(); // url -> {serial, time} of pictures not yet on the screen
  let onScreen = null, shown = 0, shownTime = 0, pictures = 0;
  let drifts = []; // {at, drift} of the last seconds
  let fresh = []; // drifts since the last report
  let moments = []; // when pictures came to the screen
  let closed = false;

  // viser makes a URL for each background picture and tells nobody which one it is.
  const createObjectURL = URL.createObjectURL;
  URL.createObjectURL = (object) => {
    const url = createObjectURL.call(URL, object);
    if (object instanceof Blob && object.type === "image/jpeg") latestUrl = url;
    return url;
  };

  function report() {
    if (closed || channel === null) return;
    const now = performance.now();
    drifts = drifts.filter((each) => now - each.at < WINDOW);
    const value = {
      number: ++number,
      time: audio.currentTime,
      playing: !audio.paused && !audio.ended,
      rate: audio.playbackRate,
      sought, shown, loaded, note,
      visible: document.visibilityState === "visible",
      drift: fresh.length ? fresh.reduce((a, b) => a + b, 0) / fresh.length : null,
      rate_shown: moments.filter((at) => now - at < 2000).length / 2,
      ...window.talkingHeadRecorder.state(),
    };
    fresh = [];
    page.sendMessageRef.current({
      type: "GuiUpdateMessage",
      id: channel,
      updates: { value: JSON.stringify(value) },
    });
  }

  function look() {
    // Which picture is on the screen: the texture that viser draws behind everything.
    const texture = page.backgroundMaterialRef.current?.uniforms.colorMap.value;
    const url = texture?.image?.src;
    if (!url || url === onScreen || !arrived.has(url)) return;
    const picture = arrived.get(url);
    for (const [older, { serial }] of arrived) if (serial <= picture.serial) arrived.delete(older);
    onScreen = url;
    shown = picture.serial;
    shownTime = picture.time;
    pictures += 1;
    const now = performance.now();
    moments = moments.filter((at) => now - at < 2000);
    moments.push(now);
    if (audio.paused || audio.seeking) return;
    const drift = audio.currentTime - picture.time;
    if (Math.abs(drift) > audio.duration / 2) return; // one of them has begun anew
    fresh.push(drift);
    drifts.push({ at: now, drift });
  }

  const clock = (seconds) => {
    const whole = Math.floor(seconds);
    const rest = Math.floor((seconds - whole) * 100 + 1e-6);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}.${String(rest).padStart(2, "0")}`;
  };

  function draw() {
    const place = document.getElementById("talking-head-wave");
    if (!place) return;
    let canvas = place.querySelector("canvas");
    if (!canvas) {
      canvas = document.createElement("canvas");
      canvas.style.cssText = "width: 100%; height: 100%; display: block; cursor: pointer";
      canvas.addEventListener("pointerdown", (event) => {
        const box = canvas.getBoundingClientRect();
        audio.currentTime = ((event.clientX - box.left) / box.width) * (audio.duration || 0);
        report();
      });
      place.replaceChildren(canvas);
    }
    const width = Math.round(place.clientWidth * devicePixelRatio);
    const height = Math.round(place.clientHeight * devicePixelRatio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, width, height);
    const duration = audio.duration || 1;
    const at = (audio.currentTime / duration) * width;
    const bar = width / Math.max(1, peaks.length);
    peaks.forEach((peak, i) => {
      const tall = Math.max(1, (peak / 100) * height);
      context.fillStyle = i * bar < at ? "#228be6" : "#adb5bd";
      context.fillRect(i * bar, (height - tall) / 2, Math.max(1, bar - 1), tall);
    });
    context.fillStyle = "#fa5252";
    context.fillRect(Math.min(at, width - 2), 0, 2, height);
    const words = document.getElementById("talking-head-time");
    if (!words) return;
    const worst = drifts.length ? Math.max(...drifts.map((d) => Math.abs(d.drift))) : null;
    const apart = worst === null ? "" : ` · sound and lips at most ${Math.round(worst * 1000)} ms apart`;
    const frame = Math.min(total - 1, Math.floor(audio.currentTime * fps + 1e-6));
    const text = `${clock(audio.currentTime)} / ${clock(audio.duration || 0)} · frame ${frame} of ${total}${apart}`;
    if (words.textContent !== text) words.textContent = text;
  }

  function eachFrame() {
    if (closed) return;
    look();
    draw();
    requestAnimationFrame(eachFrame);
  }
  requestAnimationFrame(eachFrame);
  const timer = setInterval(report, REPORT);
  for (const event of ["play", "pause", "seeked", "ended", "loadeddata"]) audio.addEventListener(event, report);
  document.addEventListener("visibilitychange", report);

  window.talkingHead = {
    open(id) {
      channel = id;
      report();
    },
    // A sound in pieces: base64 of parts of a WAV file.
    sound(serial, index, count, data, about) {
      if (index === 0) pieces = [];
      pieces.push(Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0)));
      if (pieces.length < count) return;
      const playing = audio.src;
      audio.src = createObjectURL.call(URL, new Blob(pieces, { type: "audio/wav" }));
      if (playing) URL.revokeObjectURL(playing);
      pieces = [];
      ({ peaks, fps, total } = about);
      loaded = serial;
      drifts = [];
      note = "";
    },
    toggle() {
      if (!audio.paused && !audio.ended) return audio.pause();
      audio.play().then(
        () => { note = ""; },
        (error) => { note = error.name === "AbortError" ? "" : error.name; report(); },
      );
    },
    seek(seconds, serial) {
      audio.currentTime = seconds;
      sought = serial;
      drifts = [];
    },
    rate(factor) { audio.defaultPlaybackRate = audio.playbackRate = factor; },
    loop(on) { audio.loop = on; },
    // The picture sent just before this is of that moment of the sound.
    picture(serial, time) {
      if (latestUrl !== null && !arrived.has(latestUrl)) arrived.set(latestUrl, { serial, time });
      latestUrl = null;
    },
    // For tests and measurements.
    state() {
      const apart = drifts.map((each) => each.drift);
      return { shown, shownFrame: Math.round(shownTime * fps), pictures, drifts: apart };
    },
    close() {
      closed = true;
      clearInterval(timer);
      audio.pause();
      audio.remove();
      URL.createObjectURL = createObjectURL;
    },
  };
})();
