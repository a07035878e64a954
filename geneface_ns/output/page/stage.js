// The stage: Gaussians laid over each other, then over background and torso, and under what of the torso lies before
// them. The twin of splat/reference.py's blend and of scene/compositing.py.

const LAY_VERTEX = `#version 300 es
uniform vec2 size;
in vec2 place;
in vec3 shape;
in vec4 colour;
out vec2 beside;
out vec4 paint;
void main() {
  beside = (vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0) * sqrt(2.0 * log(colour.a * 255.0));
  paint = colour;
  vec2 pixel = place + vec2(shape.x * beside.x, shape.y * beside.x + shape.z * beside.y);
  gl_Position = vec4(pixel / size * 2.0 - 1.0, 0.0, 1.0) * vec4(1, -1, 1, 1);
}`;

const LAY_FRAGMENT = `#version 300 es
precision highp float;
in vec2 beside;
in vec4 paint;
out vec4 result;
void main() {
  float opacity = min(paint.a * exp(-0.5 * dot(beside, beside)), 0.999);
  if (opacity < 1.0 / 255.0) discard;
  result = vec4(paint.rgb * opacity, opacity);
}`;

const WHOLE_VERTEX = `#version 300 es
void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0, 1); }`;

const WHOLE_FRAGMENT = `#version 300 es
precision highp float;
uniform vec2 size, reach;
uniform vec3 body[2];
uniform sampler2D head, torso, background, masks;
out vec4 result;
vec4 at(sampler2D picture, vec2 position) { return texture(picture, position / reach * 0.5 + 0.5); }
void main() {
  vec2 here = vec2(gl_FragCoord.x, size.y - gl_FragCoord.y) / size * 2.0 - 1.0;
  vec2 there = vec2(dot(body[0], vec3(here, 1)), dot(body[1], vec3(here, 1)));
  vec4 front = texelFetch(head, ivec2(gl_FragCoord.xy), 0);
  vec2 mask = at(masks, there).rg;
  vec3 behind = at(torso, there).rgb + (1.0 - mask.r) * at(background, here).rgb;
  float visible = 1.0 - mask.g;
  result = vec4(visible * front.rgb + (1.0 - visible * front.a) * behind, 1);
}`;

class Stage {
  // `pictures`: ImageBitmap each. `reach`: their width and height, images.
  constructor(canvas, size, reach, count, pictures) {
    [canvas.width, canvas.height] = size;
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: false, depth: false });
    if (!gl) throw new Error("this browser has no WebGL 2");
    Object.assign(this, { gl, size, waiting: null });
    this.lay = this.program(LAY_VERTEX, LAY_FRAGMENT);
    this.whole = this.program(WHOLE_VERTEX, WHOLE_FRAGMENT);
    this.buffer = gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffer);
    gl.bufferData(gl.ARRAY_BUFFER, 4 * SEEN * count, gl.STREAM_DRAW);
    for (const [name, width, at] of [["place", 2, 0], ["shape", 3, 2], ["colour", 4, 5]]) {
      const place = gl.getAttribLocation(this.lay, name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, width, gl.FLOAT, false, 4 * SEEN, 4 * at);
      gl.vertexAttribDivisor(place, 1);
    }
    gl.useProgram(this.lay);
    gl.uniform2f(gl.getUniformLocation(this.lay, "size"), ...size);
    gl.useProgram(this.whole);
    gl.uniform2f(gl.getUniformLocation(this.whole, "size"), ...size);
    gl.uniform2f(gl.getUniformLocation(this.whole, "reach"), ...reach);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    for (const [unit, name] of ["head", "torso", "background", "masks"].entries()) {
      gl.activeTexture(gl.TEXTURE0 + unit);
      const texture = gl.createTexture();
      gl.bindTexture(gl.TEXTURE_2D, texture);
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
      gl.uniform1i(gl.getUniformLocation(this.whole, name), unit);
      if (name !== "head") {
        gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, pictures[name]);
        continue;
      }
      gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, ...size);
      this.target = gl.createFramebuffer();
      gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    }
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    gl.viewport(0, 0, ...size);
  }

  program(...sources) {
    const { gl } = this, program = gl.createProgram();
    for (const [i, source] of sources.entries()) {
      const shader = gl.createShader(i ? gl.FRAGMENT_SHADER : gl.VERTEX_SHADER);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    return program;
  }

  // Draw Gaussians, farthest first, and the body at the affine motion of two rows of three.
  draw(gaussians, count, body) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.useProgram(this.lay);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, gaussians, 0, SEEN * count);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.BLEND);
    gl.useProgram(this.whole);
    gl.uniform3fv(gl.getUniformLocation(this.whole, "body"), body);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    this.waiting = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
  }

  // Whether what was drawn last is still being drawn.
  busy() {
    const { gl } = this;
    if (this.waiting && gl.getSyncParameter(this.waiting, gl.SYNC_STATUS) === gl.SIGNALED) {
      gl.deleteSync(this.waiting);
      this.waiting = null;
    }
    return this.waiting !== null && !gl.isContextLost();
  }
}
