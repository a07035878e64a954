"""Arithmetic on vectors of LLVM, written as arithmetic: what `shading` is made of."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

LANES = 8
"""Pixels of a row that are worked on at once."""
FLOATS = ir.VectorType(ir.FloatType(), LANES)
INTEGERS = ir.VectorType(ir.IntType(32), LANES)
FAST = ("fast",)

EXP2 = (1.00000012, 0.69314695, 0.2402212, 0.05550713, 0.00967554, 0.00132765)
"""2^x between -1/2 and 1/2 as a polynomial, within 1e-7 of itself."""


class Lanes:
    """A vector of float32 during the generation of a kernel; numbers stand for vectors of themselves."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    def _of(self, other: Lanes | float) -> Any:
        return other.value if isinstance(other, Lanes) else constant(other)

    def _do(self, operation: str, a: Any, b: Any) -> Lanes:
        return Lanes(self.builder, getattr(self.builder, operation)(a, b, flags=FAST))

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._do("fadd", self.value, self._of(other))

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._do("fmul", self.value, self._of(other))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._do("fsub", self.value, self._of(other))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._do("fdiv", self.value, self._of(other))

    def above(self, other: Lanes | float) -> Any:
        """Lanes that are greater, as a mask."""
        return self.builder.fcmp_ordered(">", self.value, self._of(other))

    def where(self, mask: Any, other: Lanes | float = 0.0) -> Lanes:
        """Itself where the mask says so, elsewhere the other."""
        return Lanes(self.builder, self.builder.select(mask, self.value, self._of(other)))

    def at_most(self, other: float) -> Lanes:
        """The lesser of both."""
        return self.where(self.builder.fcmp_ordered("<", self.value, self._of(other)), other)

    def at_least(self, other: float) -> Lanes:
        """The greater of both."""
        return self.where(self.above(other), other)

    def _intrinsic(self, name: str) -> Lanes:
        kind = ir.FunctionType(FLOATS, [FLOATS])
        function = self.builder.module.declare_intrinsic(f"llvm.{name}.v{LANES}f32", fnty=kind)
        return Lanes(self.builder, self.builder.call(function, [self.value]))

    def size(self) -> Lanes:
        """Without its sign."""
        return self._intrinsic("fabs")

    def exp2(self) -> Lanes:
        """2 to the power of it, between 2^-126 and 2^127."""
        whole = self._intrinsic("rint")
        part = self - whole
        result = Lanes(self.builder, constant(EXP2[-1]))
        for factor in reversed(EXP2[:-1]):
            result = result * part + factor
        integer = self.builder.fptosi(whole.value, INTEGERS)
        biased = self.builder.add(integer, ir.Constant(INTEGERS, [127] * LANES))
        bits = self.builder.shl(biased, ir.Constant(INTEGERS, [23] * LANES))
        return result * Lanes(self.builder, self.builder.bitcast(bits, FLOATS))


def constant(value: float) -> Any:
    """A number in every lane."""
    return ir.Constant(FLOATS, [ir.Constant(ir.FloatType(), value)] * LANES)


def spread(builder: Any, value: Any) -> Lanes:
    """A scalar in every lane."""
    nothing = ir.Constant(FLOATS, ir.Undefined)
    first = ir.Constant(INTEGERS, None)
    one = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
    return Lanes(builder, builder.shuffle_vector(one, nothing, first))


def counted(builder: Any) -> Lanes:
    """0, 1, 2 and so on."""
    return Lanes(builder, ir.Constant(FLOATS, [ir.Constant(ir.FloatType(), float(i)) for i in range(LANES)]))


def load(builder: Any, address: Any) -> Lanes:
    """The vector at an address."""
    return Lanes(builder, builder.load(builder.inttoptr(address, FLOATS.as_pointer()), align=4))


def store(value: Lanes, address: Any) -> None:
    """Put a vector at an address."""
    value.builder.store(value.value, value.builder.inttoptr(address, FLOATS.as_pointer()), align=4)


def add_to(value: Lanes, address: Any) -> None:
    """Add a vector to the one at an address."""
    store(load(value.builder, address) + value, address)
