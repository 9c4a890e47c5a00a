import { joinBackwardShape, joinShape, type RelativePositions, windowCall } from "../window.ts";
import { windowCallBackward, type WindowOperations } from "../window.ts";
import { joinRows, joinRowsBackward } from "./join_rows.ts";
import type { Reach } from "./tensors.ts";
import { type Relative, windowAttention } from "./window_attention.ts";
import { windowAttentionBackward } from "./window_attention_backward.ts";

/** Windows: shapes are checked here, and computed elsewhere. */
export function windowOperations({ reals }: Reach): WindowOperations {
  const relativeOf = (relative: RelativePositions | undefined): Relative | undefined =>
    relative && {
      distances: reals(relative.distances),
      contentBias: reals(relative.contentBias),
      positionBias: reals(relative.positionBias),
    };
  return {
    windowAttention(q, k, v, out, sums, options = {}) {
      const call = windowCall("windowAttention", { q, k, v, out, sums }, options);
      const window = { ...call, relative: relativeOf(call.relative) };
      windowAttention(reals(q), reals(k), reals(v), reals(out), reals(sums), window);
    },
    windowAttentionBackward(q, k, v, out, sums, dOut, gradients, options = {}) {
      const call = windowCallBackward({ q, k, v, out, sums }, dOut, gradients, options);
      const window = { ...call, relative: relativeOf(call.relative) };
      const into = {
        q: reals(gradients.q),
        k: reals(gradients.k),
        v: reals(gradients.v),
        relative: relativeOf(call.gradients),
      };
      windowAttentionBackward(reals(q), reals(k), reals(v), reals(dOut), into, window);
    },
    joinRows(a, b, out) {
      joinShape({ a, b, out });
      joinRows(reals(a), reals(b), reals(out));
    },
    joinRowsBackward(dOut, dA, dB) {
      const { m } = joinBackwardShape(dOut, dA, dB);
      if (dA) joinRowsBackward(reals(dOut), reals(dA), 0);
      if (dB) joinRowsBackward(reals(dOut), reals(dB), m);
    },
  };
}
