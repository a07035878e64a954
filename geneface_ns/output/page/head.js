"use strict";

// The head: Gaussians of a frame, as seen by its camera. The twin of splat/head.py and kernels/projection.py.

const NUMBERS = 14; // of a Gaussian: place, quaternion, logarithm of the scale, logit of the opacity, colour
const SEEN = 12; // of one in a picture: place, reach, none, three of its shape, none, colour, opacity
const ROW = 256; // Gaussians, as the stage takes them: whole rows
const EPS2D = 0.3, MARGIN = 0.3, NEAR = 0.01, FAINTEST = 1 / 255;
const KEYS = 1 << 16; // depths that are told apart

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

// The arrays of a page by their names; those of 16 bits as the numbers that they stand for.
function readNumbers(about, contents) {
  const kinds = { uint8: Uint8Array, int32: Int32Array, float32: Float32Array, int16: Int16Array };
  const read = {};
  for (const [name, { kind, at, count, steps }] of Object.entries(about)) {
    const array = new kinds[kind](contents.buffer, at, count);
    read[name] = steps ? Float32Array.from(array, (whole, i) => whole * steps[i % steps.length]) : array;
  }
  return read;
}

class Head {
  constructor(numbers, size, lens) {
    Object.assign(this, { numbers, size, lens });
    this.count = numbers.rest.length / NUMBERS;
    this.values = new Float32Array(numbers.rest.length);
    this.flat = new Float32Array(this.count * SEEN);
    this.depths = new Float32Array(this.count);
    this.keys = new Uint16Array(this.count);
    this.starts = new Uint32Array(KEYS + 1);
    this.sorted = new Float32Array(Math.ceil(this.count / ROW) * ROW * SEEN);
  }

  // A frame's row of a table.
  row(name, frame, width) {
    return this.numbers[name].subarray(frame * width, (frame + 1) * width);
  }

  // The Gaussians of a frame.
  move(frame) {
    const { values, numbers } = this;
    values.set(numbers.rest);
    const moved = this.row("moved", frame, 204), { moving, landmark, weight } = numbers;
    for (let n = 0, k = 0; n < this.count; n++) {
      let x = 0, y = 0, z = 0;
      for (const end = k + moving[n]; k < end; k++) {
        const from = 3 * landmark[k], much = weight[k];
        x += much * moved[from];
        y += much * moved[from + 1];
        z += much * moved[from + 2];
      }
      values[NUMBERS * n] += x;
      values[NUMBERS * n + 1] += y;
      values[NUMBERS * n + 2] += z;
    }
    this.addBasis("mouth", frame);
    this.addBasis("eyes", frame);
    const pose = this.row("pose", frame, 6), slopes = numbers.pose_colors;
    for (let n = 0, k = 0; n < this.count; n++) {
      for (let colour = NUMBERS * n + 11; colour < NUMBERS * (n + 1); colour++) {
        let sum = 0;
        for (let i = 0; i < 6; i++) sum += slopes[k++] * pose[i];
        values[colour] += sum;
      }
    }
  }

  addBasis(name, frame) {
    const near = this.numbers["near_" + name], basis = this.numbers[name + "_basis"];
    const width = basis.length / near.length / NUMBERS, weights = this.row(name, frame, width);
    for (let i = 0, k = 0; i < near.length; i++) {
      for (let to = NUMBERS * near[i], end = to + NUMBERS; to < end; to++) {
        let sum = 0;
        for (let j = 0; j < width; j++) sum += basis[k++] * weights[j];
        this.values[to] += sum;
      }
    }
  }

  // The Gaussians as a camera sees them, farthest first: how many, in `sorted`. `view` is 3 rows of 4; `scale` is of the
  // picture.
  see(view, scale) {
    const { values, flat, depths } = this;
    const [width, height] = this.size.map((side) => side * scale), [fx, fy, cx, cy] = this.lens.map((x) => x * scale);
    const beside = (MARGIN * 0.5 * width) / fx, above = (MARGIN * 0.5 * height) / fy;
    const left = -(cx / fx + beside), right = (width - cx) / fx + beside;
    const top = -(cy / fy + above), bottom = (height - cy) / fy + above;
    let seen = 0;
    for (let n = 0, at = 0; n < this.count; n++, at += NUMBERS) {
      const opacity = 1 / (1 + Math.exp(-values[at + 10]));
      if (opacity < FAINTEST) continue;
      const px = values[at], py = values[at + 1], pz = values[at + 2];
      const x = view[0] * px + view[1] * py + view[2] * pz + view[3];
      const y = view[4] * px + view[5] * py + view[6] * pz + view[7];
      const z = view[8] * px + view[9] * py + view[10] * pz + view[11];
      if (!(z > NEAR)) continue;
      let w = values[at + 3], i = values[at + 4], j = values[at + 5], k = values[at + 6];
      const length = Math.sqrt(w * w + i * i + j * j + k * k);
      if (!(length > 0)) continue;
      w /= length, i /= length, j /= length, k /= length;
      // Two rows of the camera's slope, in the head's frame.
      const ax = fx / z, ay = fy / z;
      const az = -ax * Math.min(Math.max(x / z, left), right), bz = -ay * Math.min(Math.max(y / z, top), bottom);
      const a0 = ax * view[0] + az * view[8], a1 = ax * view[1] + az * view[9], a2 = ax * view[2] + az * view[10];
      const b0 = ay * view[4] + bz * view[8], b1 = ay * view[5] + bz * view[9], b2 = ay * view[6] + bz * view[10];
      let xx = EPS2D, xy = 0, yy = EPS2D;
      for (let axis = 0; axis < 3; axis++) {
        // The Gaussian's own axis, in the head's frame.
        let r0, r1, r2;
        if (axis === 0) r0 = 1 - 2 * (j * j + k * k), r1 = 2 * (i * j + w * k), r2 = 2 * (i * k - w * j);
        else if (axis === 1) r0 = 2 * (i * j - w * k), r1 = 1 - 2 * (i * i + k * k), r2 = 2 * (j * k + w * i);
        else r0 = 2 * (i * k + w * j), r1 = 2 * (j * k - w * i), r2 = 1 - 2 * (i * i + j * j);
        const wide = Math.exp(values[at + 7 + axis]);
        const a = wide * (a0 * r0 + a1 * r1 + a2 * r2), b = wide * (b0 * r0 + b1 * r1 + b2 * r2);
        xx += a * a, xy += a * b, yy += b * b;
      }
      // The root of its covariance in pixels (Cholesky): a circle of radius r there is where it can be seen.
      const u = (fx * x) / z + cx, v = (fy * y) / z + cy, r = Math.sqrt(2 * Math.log(opacity / FAINTEST));
      const s0 = Math.sqrt(xx), s1 = xy / s0, s2 = Math.sqrt(Math.max(yy - s1 * s1, 1e-5)), reach = r * Math.sqrt(yy);
      if (!(u + r * s0 > 0 && u - r * s0 < width && v + reach > 0 && v - reach < height)) continue;
      const to = seen * SEEN;
      flat[to] = u, flat[to + 1] = v, flat[to + 2] = r;
      flat[to + 4] = s0, flat[to + 5] = s1, flat[to + 6] = s2;
      for (let i = 0; i < 3; i++) flat[to + 8 + i] = values[at + 11 + i];
      flat[to + 11] = opacity;
      depths[seen++] = z;
    }
    this.sort(seen);
    return seen;
  }

  // Farthest first, by counting.
  sort(seen) {
    const { depths, keys, starts, flat, sorted } = this;
    let nearest = Infinity, farthest = 0;
    for (let n = 0; n < seen; n++) {
      nearest = Math.min(nearest, depths[n]);
      farthest = Math.max(farthest, depths[n]);
    }
    const scale = (KEYS - 1) / Math.max(farthest - nearest, 1e-9);
    starts.fill(0);
    for (let n = 0; n < seen; n++) {
      keys[n] = (farthest - depths[n]) * scale;
      starts[keys[n] + 1]++;
    }
    for (let key = 0; key < KEYS; key++) starts[key + 1] += starts[key];
    for (let n = 0; n < seen; n++) {
      const to = SEEN * starts[keys[n]]++, from = SEEN * n;
      for (let i = 0; i < SEEN; i++) sorted[to + i] = flat[from + i];
    }
  }
}

// A view of the head turned about its middle: `yaw` to the picture's right, `pitch` down, radians.
function turned(view, yaw, pitch) {
  const [c, s, d, t] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
  const turn = [c, s * t, s * d, 0, d, -t, -s, c * t, c * d];
  const result = Float32Array.from(view);
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) {
      result[4 * i + j] = view[4 * i] * turn[j] + view[4 * i + 1] * turn[3 + j] + view[4 * i + 2] * turn[6 + j];
    }
  }
  return result;
}
