import type { Device } from "../device.ts";
import { checkSample } from "../sampling.ts";
import { checkInteger, checkShapes, matchShapes } from "../shapes.ts";
import { adamW } from "./adam_w.ts";
import { add } from "./add.ts";
import { crossEntropy, crossEntropyBackward } from "./cross_entropy.ts";
import { gather, gatherBackward } from "./gather.ts";
import { matmul } from "./matmul.ts";
import { meanRows, meanRowsBackward } from "./mean_rows.ts";
import { rmsNorm, rmsNormBackward } from "./rms_norm.ts";
import { rope } from "./rope.ts";
import { sample } from "./sample.ts";
import { sumSquares } from "./sum_squares.ts";
import { swiGlu, swiGluBackward } from "./swi_glu.ts";
import { checkIndices, type Reach } from "./tensors.ts";

type ModelOperation =
  | "matmul"
  | "add"
  | "gather"
  | "gatherBackward"
  | "meanRows"
  | "meanRowsBackward"
  | "rmsNorm"
  | "rmsNormBackward"
  | "rope"
  | "swiGlu"
  | "swiGluBackward"
  | "crossEntropy"
  | "crossEntropyBackward"
  | "sample"
  | "sumSquares"
  | "adamW";

/** What models are made of, attention apart: shapes are checked here, and computed elsewhere. */
export function modelOperations({ reals, indices }: Reach): Pick<Device, ModelOperation> {
  return {
    matmul(a, b, out, options = {}) {
      const patterns = {
        a: options.transposeA ? "f32 k m" : "f32 m k",
        b: options.transposeB ? "f32 n k" : "f32 k n",
        out: "f32 m n",
      };
      matchShapes("matmul", patterns, { a, b, out });
      matmul(reals(a), reals(b), reals(out), options);
    },
    add(a, b, out) {
      checkShapes("add", { a, b, out });
      add(reals(a), reals(b), reals(out));
    },
    gather(x, rows, out) {
      const { R } = checkShapes("gather", { x, rows, out });
      checkIndices("gather", "rows", indices(rows), [0, R]);
      gather(reals(x), indices(rows), reals(out));
    },
    gatherBackward(dOut, rows, dX) {
      const { R } = checkShapes("gatherBackward", { dOut, rows, dX });
      checkIndices("gatherBackward", "rows", indices(rows), [0, R]);
      gatherBackward(reals(dOut), indices(rows), reals(dX));
    },
    meanRows(x, first, out, options) {
      const { R } = checkShapes("meanRows", { x, first, out });
      checkInteger("meanRows", "count", options.count, [1, R]);
      checkIndices("meanRows", "first", indices(first), [0, R - options.count + 1]);
      meanRows(reals(x), indices(first), reals(out), options);
    },
    meanRowsBackward(dOut, first, dX, options) {
      const { R } = checkShapes("meanRowsBackward", { dOut, first, dX });
      checkInteger("meanRowsBackward", "count", options.count, [1, R]);
      checkIndices("meanRowsBackward", "first", indices(first), [0, R - options.count + 1]);
      meanRowsBackward(reals(dOut), indices(first), reals(dX), options);
    },
    rmsNorm(x, weight, out, options) {
      checkShapes("rmsNorm", { x, weight, out });
      rmsNorm(reals(x), reals(weight), reals(out), options);
    },
    rmsNormBackward(x, weight, dOut, dX, dWeight, options) {
      checkShapes("rmsNormBackward", { x, weight, dOut, dX, dWeight });
      const [dx, dw] = [reals(dX), reals(dWeight)];
      rmsNormBackward(reals(x), reals(weight), reals(dOut), dx, dw, options);
    },
    rope(x, positions, rotations, out, options) {
      const { D, E, P } = checkShapes("rope", { x, positions, rotations, out });
      checkHalf(D, E);
      checkIndices("rope", "positions", indices(positions), [0, P]);
      rope(reals(x), indices(positions), reals(rotations), reals(out), options);
    },
    swiGlu(gate, up, out) {
      checkShapes("swiGlu", { gate, up, out });
      swiGlu(reals(gate), reals(up), reals(out));
    },
    swiGluBackward(gate, up, dOut, dGate, dUp) {
      checkShapes("swiGluBackward", { gate, up, dOut, dGate, dUp });
      swiGluBackward(reals(gate), reals(up), reals(dOut), reals(dGate), reals(dUp));
    },
    crossEntropy(logits, targets, weights, losses) {
      const { V } = checkShapes("crossEntropy", { logits, targets, weights, losses });
      checkIndices("crossEntropy", "targets", indices(targets), [-1, V]);
      crossEntropy(reals(logits), indices(targets), reals(weights), reals(losses));
    },
    crossEntropyBackward(logits, targets, weights, dLogits, options) {
      const { V } = checkShapes("crossEntropyBackward", { logits, targets, weights, dLogits });
      checkIndices("crossEntropyBackward", "targets", indices(targets), [-1, V]);
      const [x, dX] = [reals(logits), reals(dLogits)];
      crossEntropyBackward(x, indices(targets), reals(weights), dX, options);
    },
    sample(logits, forbidden, ids, options) {
      checkSample({ logits, forbidden, ids }, options);
      sample(reals(logits), indices(forbidden), indices(ids), options);
    },
    sumSquares(x, out) {
      checkShapes("sumSquares", { x, out });
      sumSquares(reals(x), reals(out));
    },
    adamW(weight, gradient, mean, variance, norm, options) {
      checkShapes("adamW", { weight, gradient, mean, variance, norm });
      const [m, v] = [reals(mean), reals(variance)];
      adamW(reals(weight), reals(gradient), m, v, reals(norm), options);
    },
  };
}

function checkHalf(D: number, half: number): void {
  if (D === 2 * half) return;
  throw new RangeError(
    `Cannot run rope as rotations must be f32 [P, D/2, 2] with D = ${D}: ` +
      `current value of D/2 is ${half}`,
  );
}
