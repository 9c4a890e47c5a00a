import type { Device, InfiniUpdate, Tensor } from "../../src/device/device.ts";
import { reference, testLikeReference } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";
import { boundOf, INFINI_CASES, infiniInputs } from "./infini_cases.ts";

for (const testCase of INFINI_CASES) {
  const { B, T, H, G, D, name, segments, options } = testCase;
  testLikeReference(`infiniAttentionBackward() ${name}`, (stage) => {
    const { device, use, input, output } = stage;
    const { q, k, v, local, gate, segments: list, initial, before } = infiniInputs(testCase, stage);
    const given = [q, k, v, local, gate, list, initial, before] as const;
    const out = use(device.tensor(q.shape));
    const memories = use(device.tensor([B, segments[0].length, G, D, D + 1]));
    device.infiniAttention(...given, out, memories, options);
    const [dOut, dAfter] = [input([B, T, H, D]), input([B, G, D, D + 1])];
    device.infiniAttentionBackward(...given, memories, dOut, dAfter, {
      q: output("dQ", [B, T, H, D]),
      k: output("dK", [B, T, G, D]),
      v: output("dV", [B, T, G, D]),
      local: output("dLocal", [B, T, H, D]),
      gate: output("dGate", [H]),
      initial: output("dInitial", [G, D, D + 1]),
      before: output("dBefore", [B, G, D, D + 1]),
    }, options);
  }, boundOf(testCase));
}

/** Two documents, one after a memory; a segment without tokens; padding; one that reads nothing. */
const SEGMENTS = [
  ...[[0, 2, 0], [2, 2, 0], [3, 5, 0], [5, 7, 1]],
  ...[[0, 0, 1], [0, 3, 2], [3, 6, 0], [6, 7, 0]],
].flat();

for (const update of ["linear", "delta"] as const satisfies readonly InfiniUpdate[]) {
  for (const seed of [1, 2, 3]) {
    Deno.test(`infiniAttentionBackward() adds the slopes of infiniAttention(), ${update}, seed ${seed}`, async () => {
      const [B, T, S, H, G, D] = [2, 7, 4, 4, 2, 3];
      const [rows, keys] = [[B, T, H, D], [B, T, G, D]];
      const memory = [G, D, D + 1];
      using segments = reference.tensor([B, S, 3], { dtype: "i32", data: SEGMENTS });
      using memories = reference.tensor([B, S, ...memory]);
      // A random memory counts less than nothing about every other time: this holds those divisors.
      const options = { update, epsilon: 0.5 };
      const count = B * T * H * D;
      const parts = (device: Device, whole: Tensor): [Tensor, Tensor] => [
        device.reshape(device.view(whole, 0, count), rows),
        device.reshape(device.view(whole, count, B * G * D * (D + 1)), [B, ...memory]),
      ];
      const last = (device: Device, b: number) =>
        device.reshape(device.view(memories, b, 1), [S, ...memory]);

      await assertGradients(reference, {
        inputs: [rows, keys, keys, rows, [H], memory, [B, ...memory]],
        out: [count + B * G * D * (D + 1)],
        forward(device, [q, k, v, local, gate, initial, before], whole) {
          const [out, after] = parts(device, whole);
          const given = [q, k, v, local, gate, segments, initial, before] as const;
          device.infiniAttention(...given, out, memories, options);
          for (let b = 0; b < B; b++) {
            device.copy(device.view(last(device, b), S - 1, 1), device.view(after, b, 1));
          }
        },
        backward(device, [q, k, v, local, gate, initial, before], dWhole, slopes) {
          const [dOut, dAfter] = parts(device, dWhole);
          const [dQ, dK, dV, dLocal, dGate, dInitial, dBefore] = slopes;
          const given = [q, k, v, local, gate, segments, initial, before, memories] as const;
          device.infiniAttentionBackward(...given, dOut, dAfter, {
            ...{ q: dQ, k: dK, v: dV, local: dLocal },
            ...{ gate: dGate, initial: dInitial, before: dBefore },
          }, options);
        },
      }, seed);
    });
  }
}
