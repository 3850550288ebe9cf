"""Shaders of the OpenGL renderer and the scene's buffers and textures; see `render_gl` for how they are used."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i2v3d.artifacts.scene import Mesh
from i2v3d.geometry.frames import Array

_VERTEX = """
#version 330
in vec3 position;
in vec3 position_next;
in vec3 position_previous;
in vec3 texcoord;
uniform mat4 clip_from_mesh;
uniform mat4 clip_from_mesh_next;
uniform mat4 clip_from_mesh_previous;
invariant gl_Position;
out vec3 homogeneous;
out vec4 clip;
out vec4 clip_next;
out vec4 clip_previous;
void main() {
    clip = clip_from_mesh * vec4(position, 1.0);
    clip_next = clip_from_mesh_next * vec4(position_next, 1.0);
    clip_previous = clip_from_mesh_previous * vec4(position_previous, 1.0);
    homogeneous = texcoord;
    gl_Position = clip;
}
"""

# The texture is read at level 0 unless a texel is clearly smaller than a pixel, so that a picture seen
# as it was taken comes back byte for byte. The footprint's area decides, not its longer side: a surface
# seen at a slant keeps its sharpness.
_SURFACE = """
#version 330
in vec3 homogeneous;
in vec4 clip;
in vec4 clip_next;
in vec4 clip_previous;
uniform sampler2D picture;
vec2 texture_point() { return homogeneous.xy / homogeneous.z; }
vec4 surface(vec2 point) {
    vec2 size = vec2(textureSize(picture, 0));
    vec2 across = dFdx(point) * size, down = dFdy(point) * size;
    float area = abs(across.x * down.y - across.y * down.x);
    return textureLod(picture, point, max(0.0, 0.5 * log2(max(area, 1e-9)) - 0.25));
}
"""

_SOLID = (
    _SURFACE
    + """
layout(location = 0) out vec4 nothing;
void main() {
    if (surface(texture_point()).a < 0.5) discard;
    nothing = vec4(0.0);
}
"""
)

# Soft edges count on the side that faces the camera only: at an outline front and back meet, and
# blending both would make the edge twice as opaque as it was in the photo.
_COLOUR = (
    _SURFACE
    + """
layout(location = 0) out vec4 colour;
void main() {
    vec4 texel = surface(texture_point());
    if (texel.a < (gl_FrontFacing ? 0.002 : 0.5)) discard;
    colour = texel;
}
"""
)

_COLOUR_OPAQUE = (
    _SURFACE
    + """
layout(location = 0) out vec4 colour;
void main() {
    colour = vec4(surface(texture_point()).rgb, 1.0);
}
"""
)

_PASSES = (
    _SURFACE
    + """
uniform sampler2D observed;
uniform float id;
uniform vec2 half_size;
layout(location = 0) out float depth;
layout(location = 1) out float code;
layout(location = 2) out vec2 flow_forward;
layout(location = 3) out vec2 flow_backward;
void main() {
    vec2 point = texture_point();
    ALPHA_TEST
    depth = clip.w;
    code = 2.0 * id + (textureLod(observed, point, 0.0).r >= 0.5 ? 1.0 : 0.0);
    vec2 here = clip.xy / clip.w;
    flow_forward = (clip_next.xy / clip_next.w - here) * half_size;
    flow_backward = (clip_previous.xy / clip_previous.w - here) * half_size;
}
"""
)
_ALPHA_TEST = "if (textureLod(picture, point, 0.0).a < 0.5) discard;"


@dataclass(frozen=True)
class Programs:
    """The ways of drawing a surface: where it is solid, its colour, its passes; the last two also without alpha."""

    solid: Any  # moderngl.Program
    colour: Any
    colour_opaque: Any
    passes: Any
    passes_opaque: Any


def make_programs(context: Any) -> Programs:  # Any: moderngl.Context
    """Compiles the shaders; texture units: 0 the picture, 1 the observed map."""
    fragments = (
        _SOLID,
        _COLOUR,
        _COLOUR_OPAQUE,
        _PASSES.replace("ALPHA_TEST", _ALPHA_TEST),
        _PASSES.replace("ALPHA_TEST", ""),
    )
    programs = [context.program(vertex_shader=_VERTEX, fragment_shader=fragment) for fragment in fragments]
    for program in programs:
        for name, unit in (("picture", 0), ("observed", 1)):
            if name in program:  # the compiler drops what a program does not use
                program[name].value = unit
    return Programs(*programs)


class Surface:
    """One object of a scene on the graphics side."""

    def __init__(self, context: Any, programs: Programs, *, object_id: int, folder: Path) -> None:
        mesh = Mesh(folder).read()
        self.id = object_id
        self.is_opaque = bool(mesh.texture[..., 3].min() == 255)
        self.vertices = np.ascontiguousarray(mesh.vertices_m, np.float32)
        self._world_vertices = self.vertices
        self._context = context
        self._rest = context.buffer(self.vertices.tobytes())
        self._texcoords = context.buffer(np.ascontiguousarray(mesh.texcoords, np.float32).tobytes())
        self._faces = context.buffer(np.ascontiguousarray(mesh.faces, np.int32).tobytes())
        self.picture = _texture(context, mesh.texture)
        self.observed = _texture(context, mesh.is_observed[..., None])
        self._deformed = [context.buffer(reserve=self.vertices.nbytes) for _ in range(3)]
        self._arrays = {
            (program, is_deformed): self._vertex_array(program, self._deformed if is_deformed else [self._rest] * 3)
            for program in vars(programs).values()
            for is_deformed in (False, True)
        }

    def _vertex_array(self, program: Any, positions: list[Any]) -> Any:
        names = [n for n in ("position", "position_next", "position_previous", "texcoord") if n in program]
        buffers = dict(zip(("position", "position_next", "position_previous"), positions, strict=True))
        buffers["texcoord"] = self._texcoords
        content = [(buffers[name], "3f", name) for name in names]
        return self._context.vertex_array(program, content, index_buffer=self._faces, index_element_size=4)

    def shown_vertices(self, *, is_deformed: bool) -> Array:
        """Returns the vertices that are drawn: the mesh's own, or the world ones last given to `deform`."""
        return self._world_vertices if is_deformed else self.vertices

    def deform(self, positions: tuple[Array, Array, Array]) -> None:
        """Sets the world vertices of this frame, the next and the previous one."""
        self._world_vertices = positions[0]
        for buffer, vertices in zip(self._deformed, positions, strict=True):
            buffer.write(np.ascontiguousarray(vertices, np.float32).tobytes())

    def draw(self, program: Any, *, is_deformed: bool) -> None:  # Any: moderngl.Program
        """Draws with one of the `Programs`, whose uniforms are set."""
        self.picture.use(0)
        self.observed.use(1)
        self._arrays[program, is_deformed].render()

    def release(self) -> None:
        """Frees what it holds on the graphics side."""
        for array in self._arrays.values():
            array.release()
        for part in (self._rest, self._texcoords, self._faces, *self._deformed, self.picture, self.observed):
            part.release()


def load_surfaces(context: Any, programs: Programs, static: Path) -> tuple[Surface, ...]:
    """Returns the objects of a `SceneStatic` folder in id order."""
    entries = json.loads((static / "scene.json").read_text(encoding="utf-8"))["objects"]
    return tuple(
        Surface(context, programs, object_id=entry["id"], folder=static / entry["mesh"])
        for entry in sorted(entries, key=lambda entry: int(entry["id"]))
    )


def _texture(context: Any, pixels: Array) -> Any:
    import moderngl

    height, width, components = pixels.shape
    texture = context.texture((width, height), components, np.ascontiguousarray(pixels).tobytes(), alignment=1)
    texture.build_mipmaps()
    texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
    texture.repeat_x = texture.repeat_y = False
    return texture
