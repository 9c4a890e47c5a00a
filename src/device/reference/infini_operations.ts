import type { Tensor } from "../device.ts";
import { checkInfini, checkSegments, type InfiniOperations } from "../infini.ts";
import { infiniAttention, type InfiniInputs } from "./infini_attention.ts";
import { infiniAttentionBackward } from "./infini_attention_backward.ts";
import { infiniRead } from "./infini_read.ts";
import { infiniWrite } from "./infini_write.ts";
import type { Reach } from "./tensors.ts";

/** Infini-attention: shapes are checked here, and computed elsewhere. */
export function infiniOperations({ reals, indices }: Reach): InfiniOperations {
  const inputs = (
    tensors: Readonly<Record<keyof InfiniInputs, Tensor>>,
  ): InfiniInputs => ({
    q: reals(tensors.q),
    k: reals(tensors.k),
    v: reals(tensors.v),
    local: reals(tensors.local),
    gate: reals(tensors.gate),
    segments: indices(tensors.segments),
    initial: reals(tensors.initial),
    before: reals(tensors.before),
  });
  return {
    infiniAttention(q, k, v, local, gate, segments, initial, before, out, memories, options) {
      const name = "infiniAttention";
      const given = { q, k, v, local, gate, segments, initial, before };
      const call = checkInfini(name, { ...given, out, memories }, options);
      checkSegments(name, indices(segments).data, call.shape);
      infiniAttention(inputs(given), reals(out), reals(memories), call);
    },
    infiniAttentionBackward(
      ...[
        q,
        k,
        v,
        local,
        gate,
        segments,
        initial,
        before,
        memories,
        dOut,
        dAfter,
        gradients,
        options,
      ]
    ) {
      const name = "infiniAttentionBackward";
      const given = { q, k, v, local, gate, segments, initial, before };
      const call = checkInfini(name, {
        ...given,
        ...{ memories, dOut, dAfter },
        dQ: gradients.q,
        dK: gradients.k,
        dV: gradients.v,
        dLocal: gradients.local,
        dGate: gradients.gate,
        dInitial: gradients.initial,
        dBefore: gradients.before,
      }, options);
      checkSegments(name, indices(segments).data, call.shape);
      const into = {
        q: reals(gradients.q),
        k: reals(gradients.k),
        v: reals(gradients.v),
        local: reals(gradients.local),
        gate: reals(gradients.gate),
        initial: reals(gradients.initial),
        before: reals(gradients.before),
      };
      const [m, dO, dM] = [memories, dOut, dAfter].map(reals);
      infiniAttentionBackward(inputs(given), m, dO, dM, into, call);
    },
    infiniRead(q, local, gate, memory, out, options) {
      const call = checkInfini("infiniRead", { q, local, gate, memory, out }, options);
      infiniRead(reals(q), reals(local), reals(gate), reals(memory), reals(out), call);
    },
    infiniWrite(k, v, memory, remainder, options) {
      const call = checkInfini("infiniWrite", { k, v, memory, remainder }, options);
      infiniWrite(reals(k), reals(v), reals(memory), reals(remainder), call);
    },
  };
}
