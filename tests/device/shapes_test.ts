import { deepEqual, throws } from "node:assert/strict";
import type { DType, Tensor } from "../../src/device/device.ts";
import { checkDivides, checkInteger, checkShapes, matchShapes } from "../../src/device/shapes.ts";

function shaped(shape: readonly number[], dtype: DType = "f32"): Tensor {
  return { dtype, shape, [Symbol.dispose]: () => {} };
}

Deno.test("matchShapes() gives the length of every letter", () => {
  const patterns = { a: "f32 T …X D 2", b: "i32|f16 D T" };
  const tensors = { a: shaped([3, 4, 5, 6, 2]), b: shaped([6, 3], "f16") };
  deepEqual(matchShapes("test", patterns, tensors), { T: 3, X: 20, D: 6 });
  // No axes at all are one number.
  const none = { a: shaped([3, 6, 2]), b: shaped([6, 3], "i32") };
  deepEqual(matchShapes("test", patterns, none), { T: 3, X: 1, D: 6 });
});

Deno.test("checkShapes() shows all shapes when one is wrong", () => {
  throws(
    () =>
      checkShapes("gather", {
        x: shaped([260, 256]),
        rows: shaped([3], "i32"),
        out: shaped([3, 128]),
      }),
    {
      name: "RangeError",
      message: "Cannot run gather as out must be f32 [3, 256]: " +
        "current value is f32 [3, 128] (x is f32 [260, 256], rows is i32 [3])",
    },
  );
});

Deno.test("checkShapes() names a letter whose length nothing tells", () => {
  throws(
    () => checkShapes("sumSquares", { x: shaped([5]), out: shaped([1, 1]) }),
    { name: "RangeError", message: /out must be f32 \[1\]: current value is f32 \[1, 1\]/ },
  );
  throws(
    () => checkShapes("rmsNorm", { x: shaped([]), weight: shaped([4]), out: shaped([]) }),
    { name: "RangeError", message: /x must be f32 \[…T, C\]: current value is f32 \[\]/ },
  );
});

Deno.test("checkShapes() tells a wrong type from a wrong shape", () => {
  throws(
    () => checkShapes("gather", { x: shaped([4, 2]), rows: shaped([3]), out: shaped([3, 2]) }),
    { name: "TypeError", message: /rows must be i32 \[n\]: current value is f32 \[3\]/ },
  );
});

for (
  const [what, a, b] of [
    ["more axes", [2, 3], [2, 3, 1]],
    ["fewer axes", [2, 3], [6]],
    ["another order", [2, 3], [3, 2]],
  ] as const
) {
  Deno.test(`checkShapes() refuses ${what} of the same size`, () => {
    throws(() => checkShapes("add", { a: shaped(a), b: shaped(b), out: shaped(a) }), RangeError);
  });
}

Deno.test("checkInteger() and checkDivides() show the value and what it may be", () => {
  throws(() => checkInteger("meanRows", "count", 1.5, [1, 4]), {
    name: "RangeError",
    message: "Cannot run meanRows as count must be an integer in [1, 4]: current value is 1.5",
  });
  throws(() => checkDivides("landmarkAttention", ["G", 3], ["H", 4]), {
    name: "RangeError",
    message: "Cannot run landmarkAttention as G must divide H = 4: current value is 3",
  });
});
