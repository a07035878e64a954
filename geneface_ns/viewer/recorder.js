// Records the microphone and hands the recording to one of the panel's upload buttons, as if the user had chosen it as a
// file: it goes the way of every upload, with its bounds. The player reports `state()`.
(() => {
  if (window.talkingHeadRecorder) window.talkingHeadRecorder.close();

  let recorder = null, asking = false, began = 0, timer = null;
  let trouble = ""; // why nothing is recorded
  let closed = false;

  async function start(button, seconds) {
    trouble = "";
    // Browsers leave both out of pages that are neither this machine's nor encrypted.
    if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return void (trouble = "NoRecorder");
    asking = true;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
      if (closed) return stream.getTracks().forEach((track) => track.stop());
      document.getElementById("talking-head-sound")?.pause(); // or it would be recorded
      record(stream, button, seconds);
    } catch (error) {
      trouble = error.name;
    } finally {
      asking = false;
    }
  }

  function record(stream, button, seconds) {
    const parts = [];
    const made = new MediaRecorder(stream);
    made.ondataavailable = (event) => parts.push(event.data);
    made.onstop = () => {
      clearTimeout(timer);
      stream.getTracks().forEach((track) => track.stop());
      recorder = null;
      if (!closed) give(button, new File(parts, "recording", { type: made.mimeType }));
    };
    made.start();
    recorder = made;
    began = performance.now();
    timer = setTimeout(() => made.state === "recording" && made.stop(), seconds * 1000);
  }

  function give(button, file) {
    const input = document.getElementById(`file_upload_${button}`);
    if (!input) return void (trouble = "NoPanel");
    const files = new DataTransfer();
    files.items.add(file);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  window.talkingHeadRecorder = {
    // Begin, with seconds that it may last; or end what has begun.
    toggle(button, seconds) {
      if (recorder) recorder.stop();
      else if (!asking) start(button, seconds);
    },
    state() {
      return { recorded: recorder ? (performance.now() - began) / 1000 : null, microphone: trouble };
    },
    close() {
      closed = true;
      recorder?.stop();
    },
  };
})();
