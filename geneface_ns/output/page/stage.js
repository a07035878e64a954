// The stage: Gaussians laid over each other, then over background and torso, and under what of the torso lies before
// them. The twin of splat/reference.py's blend and of scene/compositing.py.

const TEXTURES = ["torso", "background", "masks", "head", "gaussians"]; // by their units

const LAY_VERTEX = `#version 300 es
precision highp sampler2D;
uniform vec2 size;
uniform sampler2D gaussians;
out vec2 beside;
flat out vec4 paint;
vec4 part(int i) {
  int n = gl_VertexID / 4;
  return texelFetch(gaussians, ivec2(n % ${ROW} * 3 + i, n / ${ROW}), 0);
}
void main() {
  vec4 place = part(0), shape = part(1);
  paint = part(2);
  beside = (vec2(gl_VertexID & 1, gl_VertexID >> 1 & 1) * 2.0 - 1.0) * place.z;
  vec2 pixel = place.xy + vec2(shape.x * beside.x, shape.y * beside.x + shape.z * beside.y);
  gl_Position = vec4(pixel / size * 2.0 - 1.0, 0.0, 1.0); // its first row is the texture's
}`;

const LAY_FRAGMENT = `#version 300 es
precision highp float;
in vec2 beside;
flat in vec4 paint;
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
uniform float scale;
uniform vec3 body[2];
uniform sampler2D head, torso, background, masks;
out vec4 result;
vec4 at(sampler2D picture, vec2 position) { return texture(picture, position / reach * 0.5 + 0.5); }
void main() {
  vec2 pixel = vec2(gl_FragCoord.x, size.y - gl_FragCoord.y);
  vec2 here = pixel / size * 2.0 - 1.0;
  vec2 there = vec2(dot(body[0], vec3(here, 1)), dot(body[1], vec3(here, 1)));
  vec4 front = texture(head, pixel / size * scale);
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
    this.lay = this.program(LAY_VERTEX, LAY_FRAGMENT, {});
    this.whole = this.program(WHOLE_VERTEX, WHOLE_FRAGMENT, { size, reach });
    // Two triangles each, all in one draw. Instances would be shorter, and take SwiftShader, which draws where there is
    // no graphics processor, several times as long.
    const corners = Uint32Array.from({ length: 6 * count }, (_, i) => 4 * Math.floor(i / 6) + [0, 1, 2, 2, 1, 3][i % 6]);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corners, gl.STATIC_DRAW);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    for (const [name, picture] of Object.entries(pictures)) {
      this.texture(name, gl.LINEAR);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, picture);
    }
    const head = this.texture("head", gl.LINEAR);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, ...size);
    this.target = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, head, 0);
    this.texture("gaussians", gl.NEAREST);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, 3 * ROW, Math.ceil(count / ROW));
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  // A program, and the pairs of numbers that it is told once.
  program(vertex, fragment, pairs) {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    for (const [name, pair] of Object.entries(pairs)) gl.uniform2f(gl.getUniformLocation(program, name), ...pair);
    for (const [unit, name] of TEXTURES.entries()) gl.uniform1i(gl.getUniformLocation(program, name), unit);
    return program;
  }

  // A new texture, bound to its own unit for good.
  texture(name, filter) {
    const { gl } = this, texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0 + TEXTURES.indexOf(name));
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    for (const what of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, what, filter);
    return texture;
  }

  // Draw Gaussians, farthest first, in a picture at that scale, and the body at the affine motion of two rows of three.
  draw(gaussians, count, body, scale) {
    const { gl } = this, size = this.size.map((side) => Math.ceil(side * scale));
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.BLEND);
    gl.useProgram(this.lay);
    gl.uniform2f(gl.getUniformLocation(this.lay, "size"), ...size);
    gl.viewport(0, 0, ...size);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, 3 * ROW, Math.ceil(count / ROW), gl.RGBA, gl.FLOAT, gaussians);
    gl.drawElements(gl.TRIANGLES, 6 * count, gl.UNSIGNED_INT, 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.disable(gl.BLEND);
    gl.useProgram(this.whole);
    gl.uniform1f(gl.getUniformLocation(this.whole, "scale"), scale);
    gl.viewport(0, 0, ...this.size);
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
